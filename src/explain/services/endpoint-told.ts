// What becomes of a packet that kube-proxy sends to one endpoint, as far as objects tell: the policies of its sender's
// node are asked about the packet as kube-proxy has made it there, those of the endpoint's node as it comes.
import { TrunklineError } from "../../base/errors.ts";
import { tryParseIp } from "../../base/ip.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import type { Choices } from "../../plan/foreign/index.ts";
import { type End, endAt, isOnNode, nodeEnd, nodeOf } from "../ends.ts";
import type { Fate } from "../fate.ts";
import { settled, withGroups } from "../judges/group-judge.ts";
import type { DirectionVerdict, Judges, SourceDecision } from "../judges/judge.ts";
import { listeningOn } from "../listening.ts";
import type { Port } from "../ports.ts";
import { type Told, toldOf } from "../told.ts";
import { type Hop, tunnelSource, wayOf } from "../way/way.ts";
import type { Coming, NoEndpoint } from "./kube-proxy.ts";
import type { ReadEndpoint } from "./read.ts";

/** A packet on its way to a Service, and the node whose kube-proxy takes it. */
export interface ToService {
  readonly facts: ClusterFacts;
  readonly judges: Judges;
  readonly from: End;
  readonly source: string;
  /** What the sender asks for. */
  readonly address: string;
  readonly asked: Port;
  readonly key: string;
  readonly coming: Coming;
  /** What has become of the sender's address on the way to that node. */
  readonly before: SourceDecision;
}

/** Returns what becomes of it on its way to an endpoint. `masquerade`: kube-proxy makes it the node's own. */
export function endpointTold(
  to: ToService,
  endpoint: ReadEndpoint,
  masquerade: boolean,
  choices: Choices,
): Told {
  const { facts, judges, from, source, coming } = to;
  const port = { port: endpoint.port, protocol: to.asked.protocol };
  const end = endAt(facts, endpoint.address);
  const isHairpin = endpoint.address === coming.source;
  const flow = { from, to: end, source, destination: endpoint.address, port };
  const ours = isOwn(to) ? judges.source(flow) : to.before;
  // What we have translated nobody translates again.
  const isOurs = isOwn(to) && ours.action !== "None";
  const snat = !isOurs && (masquerade || isHairpin) ? masqueraded(to, ours, endpoint, choices) : ours;
  const seen = nodeOf(end) === coming.node ? coming.source : (snat.sourceSeen ?? source);
  if (!tryParseIp(seen)) throw choices.untold(`which of ${seen} is used`);
  const egress = egressOf(to, end, endpoint, port, choices);
  const peer = seen === source ? from : endAt(facts, seen);
  const { ingress } = judges.policies({ ...flow, from: peer, source: seen });
  const isNear =
    nodeOf(from) === nodeOf(end) && (isOnNode(from) || judges.groups?.areNear(from, end) !== false);
  const word =
    isNear || end.name === from.name ? undefined : judges.groups?.asked("ingress", end, seen, port);
  const fate = fateTo(to, end, endpoint, port);
  if (fate.doubt !== undefined && choices.pick(2, fate.doubt) === 1) throw choices.untold(fate.doubt);
  const told = toldOf({
    egress,
    ingress: withGroups(ingress, settled(word, choices)),
    admission: undefined,
    snat,
    fate,
  });
  return { ...told, asks: { address: endpoint.address, port: endpoint.port } };
}

/** Returns what becomes of it where there is no endpoint to send it to. */
export function nowhereTold(to: ToService, { as, why }: NoEndpoint, choices: Choices): Told {
  const { facts, judges, from, source, address, asked, coming } = to;
  const node = `node/${coming.node}`;
  const end = endAt(facts, address);
  const egress = isPod(from)
    ? judges.policies({ from, to: end, source, destination: address, port: asked }).egress
    : open(`${from.name} is no pod, and policies govern pods only`);
  const groups = isPod(from) ? judges.groups?.asked("egress", from, address, asked) : undefined;
  const by = `kube-proxy ${as === "refused" ? "refuses" : "drops"} it: ${why}`;
  return toldOf({
    egress: withGroups(egress, settled(groups, choices)),
    ingress: open("it comes to no endpoint"),
    admission: undefined,
    snat: { action: "None", sourceSeen: source, reason: `it comes no further than ${node}` },
    fate: {
      hops: [...hopsTo(to), { at: node, to: "nowhere", by }],
      broken: `${node}: ${by}`,
      listening: false,
      reason: `Service ${to.key} has no endpoint for it`,
      outcome: as === "refused" ? "refused" : "filtered",
      refusal: undefined,
    },
  });
}

function open(reason: string): DirectionVerdict {
  return { allowed: true, isolated: false, reason };
}

/** Whether its sender's own node is the one whose kube-proxy takes it. */
function isOwn({ from, coming }: ToService): boolean {
  return nodeOf(from) === coming.node;
}

function isPod(end: End): boolean {
  return end.type === "pod" && !isOnNode(end);
}

/** On its own node policies see where kube-proxy sends it; where another one's takes it, that node's port. */
function egressOf(
  to: ToService,
  end: End,
  endpoint: ReadEndpoint,
  port: Port,
  choices: Choices,
): DirectionVerdict {
  const { facts, judges, from, source } = to;
  const [far, destination, asked] = isOwn(to)
    ? ([end, endpoint.address, port] as const)
    : ([endAt(facts, to.address), to.address, to.asked] as const);
  const { egress } = judges.policies({ from, to: far, source, destination, port: asked });
  if (!isPod(from) || far.name === from.name || judges.groups?.areNear(from, far)) return egress;
  return withGroups(egress, settled(judges.groups?.asked("egress", from, destination, asked), choices));
}

function masqueraded(
  { facts, coming, from }: ToService,
  before: SourceDecision,
  { address }: ReadEndpoint,
  choices: Choices,
): SourceDecision {
  const node = facts.nodes.get(coming.node);
  const own = (node ? nodeIps(node) : []).find((one) => one.includes(":") === address.includes(":"));
  const sourceSeen = tunnelSource(facts, coming.node, address) ?? own;
  if (sourceSeen === undefined) throw choices.untold(`which address node ${coming.node} has of that family`);
  const why =
    address === coming.source
      ? "it comes back to its own sender"
      : coming.by === "ClusterIP"
        ? "its sender is none of the cluster's pods, or all are masqueraded"
        : "it came from outside of the Service's ClusterIP";
  const { row: _row, rowNumber: _number, object: _object, line: _line, path: _path, ...rest } = before;
  return {
    ...rest,
    action: "Masquerade",
    sourceSeen,
    reason: `kube-proxy of node ${coming.node} masquerades it: ${why}`,
    ...(nodeOf(from) !== coming.node && { by: coming.node }),
  };
}

function fateTo(to: ToService, end: End, endpoint: ReadEndpoint, port: Port): Fate {
  const { facts, from, coming, key } = to;
  const node = facts.nodes.get(coming.node);
  if (!node)
    throw new TrunklineError("explain.unknown-end", { name: `node/${coming.node}`, suggestion: undefined });
  const onward =
    end.name === from.name && isPod(from)
      ? { hops: [{ at: `node/${coming.node}`, to: end.name, by: "the route to the pod's interface" }] }
      : wayOf(facts, nodeEnd(node), end, endpoint.address);
  const chosen: Hop = {
    at: `node/${coming.node}`,
    to: `${endpoint.address}:${endpoint.port}`,
    by: `kube-proxy, for Service ${key} (it was for ${to.address}:${to.asked.port})`,
  };
  const { broken, doubt } = { broken: undefined, doubt: undefined, ...onward };
  const { listening, reason } = listeningOn(facts, end, port);
  const said = listening === undefined ? undefined : listening ? "answered" : "refused";
  return {
    hops: [...hopsTo(to), chosen, ...onward.hops],
    ...(broken !== undefined && { broken }),
    ...(doubt !== undefined && { doubt }),
    listening,
    reason,
    outcome: broken === undefined ? said : "filtered",
    refusal: "refused",
  };
}

/** The way to the node whose kube-proxy takes it. */
function hopsTo({ facts, from, address, coming }: ToService): readonly Hop[] {
  const node = facts.nodes.get(coming.node);
  if (!node || (isOnNode(from) && nodeOf(from) === coming.node)) return [];
  return wayOf(facts, from, nodeEnd(node), address).hops.filter(({ at, to }) => at !== to);
}
