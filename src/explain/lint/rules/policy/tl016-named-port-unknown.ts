import { nearestLabel } from "../../nearest.ts";
import type { Rule } from "../../rule.ts";
import type { LintView, PolicyView, RuleView, Subject } from "../../view.ts";

export const namedPortUnknown: Rule = {
  id: "TL016",
  name: "named-port-unknown",
  severity: "warning",
  summary: "a rule uses a port name that none of the destination pods declares",
  explanation:
    "A named port is looked up in the containers of the pod that traffic goes to, with its protocol. A pod that does " +
    "not declare it is not reached through that rule.",
  *check(view) {
    for (const policy of view.policies) {
      for (const rule of policy.rules) {
        for (const [index, port] of (rule.ports ?? []).entries()) {
          if (typeof port?.port !== "string") continue;
          const protocol = port.protocol ?? "TCP";
          const targets = targetsOf(view, policy, rule);
          const known = targets.flatMap((subject) => subject.ports);
          if (
            targets.length === 0 ||
            known.some((have) => have.name === port.port && have.protocol === protocol)
          )
            continue;
          const wrongProtocol = known.find((have) => have.name === port.port)?.protocol;
          const near = nearestLabel(
            port.port,
            known.flatMap((have) => have.name ?? []),
          );
          yield {
            on: policy.on,
            path: [...rule.path, "ports", index, "port"],
            message: wrongProtocol
              ? `port '${port.port}' of the destination pods is ${wrongProtocol}, not ${protocol}`
              : `none of the destination pods (${targets.length} in view) declares a port named '${port.port}'`,
            fix: wrongProtocol
              ? `Write 'protocol: ${wrongProtocol}'.`
              : near
                ? `Write '${near}' if that was meant.`
                : "Name the port in the containers, or write its number.",
          };
        }
      }
    }
  },
};

/** Ingress: the pods that the policy selects. Egress: the pods that the rule's peers select. */
function targetsOf(view: LintView, policy: PolicyView, rule: RuleView): readonly Subject[] {
  if (rule.direction === "Ingress") return view.selectedBy(policy);
  const { peers } = rule;
  if (!peers) return view.subjects;
  return view.subjects.filter((subject) =>
    peers.some((peer) => !peer.ipBlock && view.peerMatches(peer, policy.namespace, subject)),
  );
}
