// A NetworkPolicy in words: whom it isolates, and who may pass.
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../api/kinds/network-policy.ts";
import { selectorText } from "../../api/selectors.ts";
import { soundSpec } from "../../api/sound-policy.ts";
import { formatProblem } from "../../base/problem.ts";
import { compilePolicy } from "../../plan/policy/index.ts";
import { policyTypes } from "../columns.ts";
import type { Lines } from "./lines.ts";

export function policyLines(policy: NetworkPolicy): Lines {
  const { metadata } = policy;
  const spec = soundSpec(policy);
  const problems = compilePolicy(policy).problems.map(formatProblem);
  const types = policyTypes(spec);
  const selected = selectorText(spec.podSelector ?? {});
  const ingress = (spec.ingress ?? []).map((rule) => ruleText("from", rule.from, rule.ports));
  const egress = (spec.egress ?? []).map((rule) => ruleText("to", rule.to, rule.ports));
  return [
    [
      "Selects",
      selected ? `pods of ${metadata.namespace} with ${selected}` : `all pods of ${metadata.namespace}`,
    ],
    ["Types", types.join(", ")],
    ["Ingress", directionText(types.includes("Ingress"), ingress)],
    ["Egress", directionText(types.includes("Egress"), egress)],
    ...(problems.length > 0 ? [["Invalid", problems.join("\n")] as const] : []),
  ];
}

function directionText(isolates: boolean, rules: readonly string[]): string {
  if (!isolates) return "not isolated by this policy";
  if (rules.length === 0) return "nothing is allowed";
  return rules.map((rule, at) => `rule ${at}: allows ${rule}`).join("\n");
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
