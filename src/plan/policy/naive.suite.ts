// NetworkPolicy read aloud: a deliberately naive matcher, written straight from the text of the API
// (k8s.io/api/networking/v1 types.go and the NetworkPolicy concept page). It shares no code with the evaluator, keeps no
// index, and answers only yes or no. Test only.
import type { LabelSelector, Pod } from "../../api/kinds/core.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../api/kinds/network-policy.ts";
import type { ClusterFacts } from "../facts.ts";

export interface NaiveFlow {
  readonly fromIp: string;
  readonly toIp: string;
  readonly protocol: string;
  readonly port: number;
}

/** "A pod is isolated … both the egress policy on the source and the ingress policy on the destination must allow." */
export function naiveAllows(facts: ClusterFacts, flow: NaiveFlow): { egress: boolean; ingress: boolean } {
  const from = podAt(facts, flow.fromIp);
  const to = podAt(facts, flow.toIp);
  const self = from !== undefined && from === to;
  return {
    egress: from === undefined || self || allowed(facts, "egress", from, flow.toIp, to, to, flow),
    ingress:
      to === undefined ||
      self ||
      // "traffic from the pod's local node" is always allowed in.
      isNodeAddress(facts, flow.fromIp, to.spec.nodeName) ||
      allowed(facts, "ingress", to, flow.fromIp, from, to, flow),
  };
}

function podAt(facts: ClusterFacts, ip: string): Pod | undefined {
  for (const node of facts.nodes.values())
    if (node.status?.addresses?.some((one) => one.address === ip)) return undefined;
  return [...facts.pods.values()].find(
    (pod) =>
      pod.spec.hostNetwork !== true &&
      pod.status?.phase !== "Succeeded" &&
      pod.status?.phase !== "Failed" &&
      pod.status?.podIPs?.some((one) => one.ip === ip),
  );
}

function isNodeAddress(facts: ClusterFacts, ip: string, node: string | undefined): boolean {
  if (node === undefined) return false;
  return facts.nodes.get(node)?.status?.addresses?.some((one) => one.address === ip) ?? false;
}

function allowed(
  facts: ClusterFacts,
  direction: "ingress" | "egress",
  pod: Pod,
  peerIp: string,
  peer: Pod | undefined,
  destination: Pod | undefined,
  flow: NaiveFlow,
): boolean {
  const policies = [...facts.policies.values()].filter(
    (policy) =>
      policy.metadata.namespace === pod.metadata.namespace &&
      affects(policy, direction) &&
      matches(readable(policy.spec.podSelector ?? {}), pod.metadata.labels ?? {}),
  );
  // "If no policies select a pod in a namespace, all traffic to and from it is allowed."
  if (policies.length === 0) return true;
  for (const policy of policies) {
    // Whom or what it opens cannot be told where its selector or the mention of this direction cannot be read.
    if (!isReadable(policy.spec.podSelector ?? {}) || !clearlyAffects(policy, direction)) continue;
    const rules: readonly { from?: unknown; to?: unknown; ports?: readonly NetworkPolicyPort[] }[] =
      policy.spec[direction] ?? [];
    for (const rule of rules) {
      const ports = rule.ports ?? [];
      const peers = (direction === "ingress" ? rule.from : rule.to) as NetworkPolicyPeer[] | undefined;
      // "If this field is empty or missing, this rule matches all sources" and ports likewise.
      const anyPeer = peers === undefined || peers.length === 0;
      const anyPort = ports.length === 0;
      const byPod = anyPort || ports.some((port) => portMatches(port, destination, flow));
      const byBlock =
        direction === "ingress" ? byPod : anyPort || ports.some((port) => portMatches(port, undefined, flow));
      if (anyPeer && byPod) return true;
      for (const one of peers ?? []) {
        if (one.ipBlock !== undefined) {
          if (byBlock && blockMatches(one, peerIp)) return true;
        } else if (byPod && peer !== undefined && podMatches(facts, policy, one, peer)) return true;
      }
    }
  }
  return false;
}

/** "If this field is not specified, it will default based on the existence of ingress or egress rules." */
function clearlyAffects(policy: NetworkPolicy, direction: "ingress" | "egress"): boolean {
  const types = policy.spec.policyTypes ?? [];
  if (types.length > 0) return types.includes(direction === "ingress" ? "Ingress" : "Egress");
  return direction === "ingress" || (policy.spec.egress ?? []).length > 0;
}

/** A type that is none may have been meant as either. */
function affects(policy: NetworkPolicy, direction: "ingress" | "egress"): boolean {
  const odd = (policy.spec.policyTypes ?? []).some((type) => !["Ingress", "Egress"].includes(type));
  return odd || clearlyAffects(policy, direction);
}

type NaiveRequirement = NonNullable<LabelSelector["matchExpressions"]>[number];

function isRequirement({ operator, values = [] }: NaiveRequirement): boolean {
  if (operator === "In" || operator === "NotIn") return values.length > 0;
  return (operator === "Exists" || operator === "DoesNotExist") && values.length === 0;
}

function isReadable(selector: LabelSelector): boolean {
  return (selector.matchExpressions ?? []).every(isRequirement);
}

/** The selector without what the API would have refused: it matches all that was meant, and perhaps more. */
function readable(selector: LabelSelector): LabelSelector {
  return { ...selector, matchExpressions: (selector.matchExpressions ?? []).filter(isRequirement) };
}

function podMatches(facts: ClusterFacts, policy: NetworkPolicy, peer: NetworkPolicyPeer, pod: Pod): boolean {
  if (peer.podSelector === undefined && peer.namespaceSelector === undefined) return false;
  if (peer.podSelector !== undefined && !matches(peer.podSelector, pod.metadata.labels ?? {})) return false;
  if (peer.namespaceSelector === undefined) return pod.metadata.namespace === policy.metadata.namespace;
  const namespace = facts.namespaces.get(pod.metadata.namespace ?? "");
  if (namespace === undefined) return false;
  const labels = { ...namespace.metadata.labels, "kubernetes.io/metadata.name": namespace.metadata.name };
  return matches(peer.namespaceSelector, labels);
}

function matches(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  for (const key of Object.keys(selector.matchLabels ?? {}))
    if (!(key in labels) || labels[key] !== selector.matchLabels?.[key]) return false;
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const has = key in labels;
    const listed = has && values.includes(labels[key] ?? "");
    if (operator === "In" && !(values.length > 0 && listed)) return false;
    if (operator === "NotIn" && (values.length === 0 || listed)) return false;
    if (operator === "Exists" && !has) return false;
    if (operator === "DoesNotExist" && has) return false;
    if (!["In", "NotIn", "Exists", "DoesNotExist"].includes(operator)) return false;
  }
  return true;
}

function portMatches(port: NetworkPolicyPort, destination: Pod | undefined, flow: NaiveFlow): boolean {
  if (!["TCP", "UDP", "SCTP"].includes(flow.protocol)) return false;
  if ((port.protocol ?? "TCP") !== flow.protocol) return false;
  if (port.port === undefined) return port.endPort === undefined;
  if (typeof port.port === "string") {
    if (port.endPort !== undefined) return false;
    return (destination?.spec.containers ?? []).some((container) =>
      (container.ports ?? []).some(
        (one) =>
          one.name === port.port &&
          (one.protocol ?? "TCP") === flow.protocol &&
          one.containerPort === flow.port,
      ),
    );
  }
  if (port.port < 1 || port.port > 65_535) return false;
  if (port.endPort === undefined) return port.port === flow.port;
  return port.endPort <= 65_535 && port.port <= flow.port && flow.port <= port.endPort;
}

function blockMatches({ ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer, ip: string): boolean {
  if (ipBlock === undefined || podSelector !== undefined || namespaceSelector !== undefined) return false;
  const block = bitsOf(ipBlock.cidr);
  if (block === undefined) return false;
  for (const except of ipBlock.except ?? []) {
    const hole = bitsOf(except);
    // "Except values will be rejected if they are outside the cidr range": a block that should have been rejected.
    if (hole === undefined || hole.length <= block.length || !hole.startsWith(block)) return false;
  }
  const address = addressBits(ip);
  if (!address.startsWith(block)) return false;
  return !(ipBlock.except ?? []).some((except) => address.startsWith(bitsOf(except) ?? "x"));
}

/** The prefix as a text of family and bits: one range holds another one's text as its beginning. */
function bitsOf(cidr: string): string | undefined {
  const [address = "", length = ""] = cidr.split("/");
  if (!/^\d+$/.test(length)) return undefined;
  const bits = addressBits(address);
  const family = bits.slice(0, 2);
  if (family === "??" || Number(length) > bits.length - 2) return undefined;
  return bits.slice(0, 2 + Number(length));
}

/** "4:" or "6:" and the address's bits; test addresses are plain (no "::" but at the end of a v6 prefix). */
function addressBits(text: string): string {
  if (/^\d+(\.\d+){3}$/.test(text)) {
    const parts = text.split(".").map(Number);
    if (parts.some((part) => part > 255)) return "??";
    return `4:${parts.map((part) => part.toString(2).padStart(8, "0")).join("")}`;
  }
  if (!/^[0-9a-f:]+$/.test(text)) return "??";
  const [head = "", tail] = text.split("::");
  const first = head.split(":").filter((part) => part !== "");
  const last = (tail ?? "").split(":").filter((part) => part !== "");
  const middle = Array.from({ length: 8 - first.length - last.length }, () => "0");
  return `6:${[...first, ...middle, ...last]
    .map((part) => Number.parseInt(part, 16).toString(2).padStart(16, "0"))
    .join("")}`;
}
