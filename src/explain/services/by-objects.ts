// Where nobody has looked at nodes' rules: the endpoints that kube-proxy chooses among, for each node by which the packet
// may come to it and for each setting that is not known.
import { rangeHolds } from "../../base/ip.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { type End, endAt, isOnNode, nodeEnd, nodeOf } from "../ends.ts";
import { ifHeld } from "../explain.ts";
import type { PlacedFlow } from "../fate.ts";
import type { Judges, SourceDecision } from "../judges/judge.ts";
import { formatPort } from "../ports.ts";
import { endpointTold, nowhereTold, type ToService } from "./endpoint-told.ts";
import type { Frontend } from "./frontend.ts";
import { Groups } from "./groups.ts";
import { type Coming, endpointsFor, hasUsable, isClusterSource, isMasqueraded } from "./kube-proxy.ts";
import type { ReadEndpoint } from "./read.ts";
import { proxySettings } from "./settings.ts";
import type { Group } from "./types.ts";

/** Ways into a cluster beyond that are not tried one by one. */
const MOST_NODES = 64;

type Access = Coming["by"];

/** Something taken for granted, and in words what is not known. */
interface Assumed {
  readonly clusterSource: boolean | undefined;
  readonly masqueradeAll: boolean;
  readonly doubts: readonly string[];
}

/** Returns where a flow to a Service may end, with what becomes of it there. */
export function byObjects(
  facts: ClusterFacts,
  judges: Judges,
  front: Frontend,
  flow: PlacedFlow,
  endpoints: readonly ReadEndpoint[],
): readonly Group[] {
  const groups = new Groups();
  const by = front.by as Access;
  const entries = entriesOf(facts, front, flow.from);
  if (typeof entries === "string") return groups.untold(entries).all();
  for (const node of entries) {
    const doubts = entries.length > 1 ? ["which node it comes to first"] : [];
    const to = comingTo(facts, judges, front, flow, node, by);
    if (typeof to === "string") groups.untold(to);
    else throughNode(groups, to, front, endpoints, doubts);
  }
  return groups.all();
}

/** Returns the nodes whose kube-proxy may be the one to take it; a text: why that is not known. */
function entriesOf(
  { nodes }: ClusterFacts,
  { by, node, address }: Frontend,
  from: End,
): readonly string[] | string {
  if (by === "NodePort") return [node ?? ""];
  const own = nodeOf(from);
  if (own !== undefined) return [own];
  if (by === "ClusterIP")
    return `which way leads from ${from.name} to ${address}: ClusterIPs are addresses within the cluster`;
  // An external address may be one that a node has itself.
  const holder = [...nodes].find(([, one]) => nodeIps(one).includes(address ?? ""))?.[0];
  if (holder !== undefined) return [holder];
  if (nodes.size > MOST_NODES) return `which of ${nodes.size} nodes it comes to first`;
  return [...nodes.keys()].toSorted();
}

/** Returns the packet as it comes to that node's kube-proxy; a text: why that is not known. */
function comingTo(
  facts: ClusterFacts,
  judges: Judges,
  { key, asked }: Frontend,
  { from, source, destination }: PlacedFlow,
  node: string,
  by: Access,
): ToService | string {
  const held = facts.nodes.get(node);
  if (!held) return `there is no node ${node}`;
  const isOwn = nodeOf(from) === node;
  const fromNode = isOnNode(from) && isOwn;
  const before: SourceDecision = isOwn
    ? { action: "None", sourceSeen: source, reason: "kube-proxy of the sender's own node takes it" }
    : judges.source({ from, to: nodeEnd(held), source, destination, port: asked });
  // Who leaves by way of another node is marked before kube-proxy looks.
  const first = judges.source({
    from,
    to: { type: "address", name: destination, addresses: [destination] },
    source,
    destination,
    port: asked,
  });
  if (first.by !== undefined && first.by !== nodeOf(from))
    return `which way it takes: ${first.object ?? "a SourceNAT"} sends what is for ${destination} by way of node ${first.by}`;
  if (before.sourceSeen === undefined) return `nothing leaves: ${before.reason}`;
  return {
    facts,
    judges,
    from,
    source,
    address: destination,
    asked,
    key,
    before,
    coming: { node, source: before.sourceSeen, by, fromOwnPod: isOwn && !fromNode, fromNode },
  };
}

function throughNode(
  groups: Groups,
  to: ToService,
  front: Frontend,
  endpoints: readonly ReadEndpoint[],
  doubts: readonly string[],
): void {
  const { facts, judges, coming } = to;
  const settings = proxySettings(facts);
  const more = [...doubts, ...unsure(facts, front, to, settings), ...unknownMode(to, settings)];
  if (typeof settings === "object" && settings.mode === "ipvs") {
    groups.untold("what kube-proxy in ipvs mode does: it is not followed");
    return;
  }
  if (!front.port) {
    const doubt = `what becomes of ${formatPort(front.asked)}: Service ${front.key} has no such port`;
    if (typeof settings === "object" && settings.mode === "nftables" && front.by === "ClusterIP") {
      const none = {
        as: "refused",
        why: `Service ${front.key} has no port ${formatPort(front.asked)}`,
      } as const;
      groups.explore(undefined, more, (choices) => nowhereTold(to, none, choices));
    } else
      groups.untold(`${doubt}; kube-proxy in nftables mode refuses it, in others it goes where routes lead`);
    return;
  }
  const shut = outOfRanges(front, coming);
  // In iptables mode there are no ranges where there is nobody behind them: it refuses all alike.
  const isOpen = typeof settings === "object" && settings.mode === "iptables" && !hasUsable(endpoints);
  if (shut !== undefined && !isOpen) {
    groups.explore(undefined, more, (choices) => nowhereTold(to, { as: "dropped", why: shut }, choices));
    return;
  }
  for (const assumed of assumptions(facts, to, front, settings)) {
    const all = [...more, ...assumed.doubts];
    const chosen = endpointsFor(front.service, endpoints, coming, assumed.clusterSource);
    const masquerade = isMasqueraded(front.service, coming, assumed.clusterSource, assumed.masqueradeAll);
    if ("as" in chosen) groups.explore(undefined, all, (choices) => nowhereTold(to, chosen, choices));
    else
      for (const endpoint of chosen)
        groups.explore(endpoint, all, (choices) =>
          ifHeld(judges, to.from, endpointTold(to, endpoint, masquerade, choices), choices),
        );
  }
}

/** In IPVS mode the sender's egress policies would be asked about the Service's own address. */
function unknownMode(
  { judges, from, source, address, asked, facts, coming }: ToService,
  settings: ReturnType<typeof proxySettings>,
): string[] {
  if (typeof settings === "object" || nodeOf(from) !== coming.node) return [];
  const flow = { from, to: endAt(facts, address), source, destination: address, port: asked };
  return judges.policies(flow).egress.isolated
    ? [
        `?which mode kube-proxy is in, as egress policies of ${from.name} see what it has made of the packet: ${settings}`,
      ]
    : [];
}

/** What kube-proxy takes a sender for, and whether it masquerades all; both ways where that is not known and matters. */
function assumptions(
  facts: ClusterFacts,
  { coming, from }: ToService,
  { service }: Frontend,
  settings: ReturnType<typeof proxySettings>,
): readonly Assumed[] {
  if (typeof settings === "object") {
    const clusterSource = isClusterSource(facts, settings, coming);
    return [{ clusterSource, masqueradeAll: settings.masqueradeAll, doubts: [] }];
  }
  const matters = coming.by === "ClusterIP" || service.spec?.externalTrafficPolicy === "Local";
  const isPod = from.type === "pod" && !isOnNode(from);
  if (!matters) return [{ clusterSource: undefined, masqueradeAll: false, doubts: [] }];
  if (!isPod && coming.by !== "ClusterIP")
    return [{ clusterSource: undefined, masqueradeAll: false, doubts: [] }];
  const doubts = [
    `whether kube-proxy takes ${coming.source} for one of the cluster's own (clusterCIDR, masqueradeAll): ${settings}`,
  ];
  return [
    { clusterSource: isPod ? true : undefined, masqueradeAll: false, doubts },
    { clusterSource: false, masqueradeAll: false, doubts },
  ];
}

/** What else may be otherwise: on which of a node's addresses node ports are, and what a balancer makes of its senders. */
function unsure(
  facts: ClusterFacts,
  { by, address = "", node = "", service }: Frontend,
  { from }: ToService,
  settings: ReturnType<typeof proxySettings>,
): string[] {
  const isOutside = nodeOf(from) === undefined;
  if (by === "LoadBalancer" && isOutside && service.spec?.externalTrafficPolicy === "Local")
    return ["?which address the load balancer leaves a sender"];
  if (by !== "NodePort") return [];
  const own = facts.nodes.get(node);
  const primary = (own ? nodeIps(own) : []).find((one) => one.includes(":") === address.includes(":"));
  const ranges = typeof settings === "object" ? settings.nodePortAddresses : [];
  const isNamed = ranges.some((text) => text !== "primary" && rangeHolds(String(text).trim(), address));
  const isPrimary = address === primary && (ranges.length === 0 || ranges.includes("primary"));
  return isNamed || isPrimary ? [] : [`?whether node ports are on ${address} (nodePortAddresses)`];
}

/** Why a load balancer's address is closed to a sender. */
function outOfRanges({ by, service }: Frontend, { source }: Coming): string | undefined {
  const isIpv6 = source.includes(":");
  // Those of the other family do not shut this one.
  const ranges = (service.spec?.loadBalancerSourceRanges ?? [])
    .map((text) => String(text).trim())
    .filter((text) => text.includes(":") === isIpv6);
  if (by !== "LoadBalancer" || ranges.length === 0 || ranges.some((text) => rangeHolds(text, source)))
    return undefined;
  return `its loadBalancerSourceRanges (${ranges.join(", ")}) do not hold ${source}`;
}
