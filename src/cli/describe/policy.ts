// A NetworkPolicy in words: whom it isolates, and who may pass.
import {
  isStaged,
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
} from "../../api/kinds/network-policy.ts";
import { selectorText } from "../../api/selectors/selectors.ts";
import { soundSpec } from "../../api/validation/sound-policy.ts";
import { formatProblem } from "../../base/problem.ts";
import { compilePolicy, type Rule } from "../../plan/policy/index.ts";
import type { Lines } from "./lines.ts";

export function policyLines(policy: NetworkPolicy): Lines {
  const { metadata } = policy;
  const spec = soundSpec(policy);
  // As it is enforced: where a part cannot be read, more pods are isolated or less is allowed than was written.
  const { subject, problems, ...compiled } = compilePolicy(policy);
  const selected = problems.some(({ path }) => path === "spec.podSelector")
    ? selectorText({
        matchExpressions: subject.requirements.map((one) => ({ ...one, values: [...one.values] })),
      })
    : selectorText(spec.podSelector ?? {});
  const types = [...(compiled.ingress ? ["Ingress"] : []), ...(compiled.egress ? ["Egress"] : [])];
  const [ingress = [], egress = []] = [spec.ingress, spec.egress];
  return [
    ...(isStaged(policy)
      ? [["Staged", "not enforced: trunkline denied --would shows what it would refuse"] as const]
      : []),
    [
      "Selects",
      selected ? `pods of ${metadata.namespace} with ${selected}` : `all pods of ${metadata.namespace}`,
    ],
    ["Types", types.join(", ")],
    [
      "Ingress",
      directionText(
        compiled.ingress,
        ingress.map((rule) => ruleText("from", rule.from, rule.ports)),
      ),
    ],
    [
      "Egress",
      directionText(
        compiled.egress,
        egress.map((rule) => ruleText("to", rule.to, rule.ports)),
      ),
    ],
    ...(problems.length > 0 ? [["Invalid", problems.map(formatProblem).join("\n")] as const] : []),
  ];
}

function directionText(rules: readonly Rule[] | undefined, written: readonly string[]): string {
  if (rules === undefined) return "not isolated by this policy";
  if (rules.length === 0) return "nothing is allowed";
  return rules.map(({ index }) => `rule ${index}: allows ${written[index]}`).join("\n");
}

function ruleText(
  word: "from" | "to",
  peers: readonly NetworkPolicyPeer[] | undefined,
  ports: readonly NetworkPolicyPort[] | undefined,
): string {
  const whom =
    peers && peers.length > 0 ? `${word} ${peers.map(peerText).join(", or ")}` : `${word} everywhere`;
  const which = ports && ports.length > 0 ? ports.map(portText).join(", ") : "all ports";
  return `${which} ${whom}`;
}

function peerText({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer): string {
  if (ipBlock)
    return `${ipBlock.cidr}${ipBlock.except?.length ? ` except ${ipBlock.except.join(", ")}` : ""}`;
  if (!podSelector && !namespaceSelector) return "nobody";
  const pods = podSelector ? selectorText(podSelector) : "";
  const which = pods ? `pods with ${pods}` : "all pods";
  if (!namespaceSelector) return `${which} of the same namespace`;
  const spaces = selectorText(namespaceSelector);
  return `${which} of ${spaces ? `namespaces with ${spaces}` : "all namespaces"}`;
}

function portText({ port, endPort, protocol = "TCP" }: NetworkPolicyPort): string {
  if (port === undefined) return `all ${protocol} ports`;
  return `${port}${endPort === undefined ? "" : `-${endPort}`}/${protocol}`;
}
