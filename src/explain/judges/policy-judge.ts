// Asks the policy program about a flow, and puts its verdict into words.
import type { Pod } from "../../api/kinds/core.ts";
import type { Family } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import {
  compilePolicies,
  type DirectionVerdict as Decision,
  type Doubt as DoubtFound,
  type FlowEnd,
  hasPlace,
  type PolicyProgram,
  ReachTable,
  readSwitch,
  verdict,
} from "../../plan/policy/index.ts";
import { type End, isOnNode, nodeOf } from "../ends.ts";
import { mayBeOf } from "../manifests/may-be.ts";
import { isStandIn } from "../manifests/workloads.ts";
import { tunnelRanges } from "../way/tunnel-source.ts";
import type { DirectionVerdict, Doubt, Flow, Judges, Pair, Reach } from "./judge.ts";

const off: DirectionVerdict = {
  allowed: true,
  isolated: false,
  reason: "policies are switched off (disable_network_policy in kube-system/eni-config)",
};

const open: Reach = { refusing: () => undefined, outOf: () => () => true, doubt: () => undefined };

/** Returns what policies say about flows among these facts. */
export function policyJudge(facts: ClusterFacts): Pick<Judges, "policies" | "reach"> {
  if (!readSwitch(facts).enforced)
    return {
      policies: () => ({ egress: off, ingress: off }),
      reach: () => open,
    };
  const program = compilePolicies({ ...facts, pods: withTwins(facts.pods) });
  const policies: Judges["policies"] = (flow) => {
    const twin = flow.from.type === "pod" && flow.from.name === flow.to.name && isStandIn(flow.from.pod);
    const { egress, ingress } = verdict(program, {
      from: flowEnd(flow.from, flow.source),
      to: twin ? { pod: twinKey(flow.from.key) } : flowEnd(flow.to, flow.destination),
      ...(flow.port ?? { protocol: "ICMP" }),
    });
    return { egress: inWords("egress", egress, flow), ingress: inWords("ingress", ingress, flow) };
  };
  return { policies, reach: (ends) => reachAmong(facts, program, ends, policies) };
}

/** Where ends stand in a table. */
interface Places {
  readonly flowEnds: readonly FlowEnd[];
  /** Once for each of its addresses, or once without any. */
  readonly own: ReadonlyMap<End, ReadonlyMap<string | undefined, number>>;
  /** Who speaks with a tunnel's address, perhaps, stands there once more, by family. */
  readonly byTunnel: ReadonlyMap<End, ReadonlyMap<Family, number>>;
}

function placesOf(facts: ClusterFacts, ends: readonly End[]): Places {
  const flowEnds: FlowEnd[] = [];
  const own = new Map<End, ReadonlyMap<string | undefined, number>>();
  for (const end of ends) {
    const addresses = end.addresses.length === 0 ? [undefined] : end.addresses;
    own.set(end, new Map(addresses.map((ip) => [ip, flowEnds.push(tableEnd(facts, end, ip)) - 1])));
  }
  const byTunnel = new Map(
    ends.filter(isOnNode).map((end) => [
      end,
      new Map(
        ([4, 6] as const).flatMap((family) => {
          const mayBe = tunnelRanges(facts, end, family);
          return mayBe.length === 0 ? [] : [[family, flowEnds.push({ ...onNode(end), mayBe }) - 1] as const];
        }),
      ),
    ]),
  );
  return { flowEnds, own, byTunnel };
}

function reachAmong(
  facts: ClusterFacts,
  program: PolicyProgram,
  ends: readonly End[],
  policies: Judges["policies"],
): Reach {
  const { flowEnds, own, byTunnel } = placesOf(facts, ends);
  const table = new ReachTable(program, flowEnds);
  // Two ends speak with their first addresses where these are of one family, or one of them has none yet.
  const firsts = new Map(
    ends.map((end) => [end, { place: own.get(end)?.get(end.addresses[0]) ?? 0, family: familyOf(end) }]),
  );
  const pairOf = ({ from, to, source, destination, perhapsByTunnel: family }: Pair) => {
    const here = family === undefined ? own.get(from)?.get(source) : byTunnel.get(from)?.get(family);
    return [here, own.get(to)?.get(destination)] as const;
  };
  return {
    refusing: (pair, port) => {
      const [here, there] = pairOf(pair);
      if (here === undefined || there === undefined) {
        // An address that no object gives the end, such as that of a router's other link.
        const { egress, ingress } = policies({ ...pair, port });
        return egress.allowed ? (ingress.allowed ? undefined : "ingress") : "egress";
      }
      const { from, to } = pair;
      const apart = from === to && from.type === "pod" && isStandIn(from.pod);
      return table.refusing(here, there, port.protocol, port.port, apart);
    },
    outOf: (from, { protocol, port }) => {
      const here = firsts.get(from);
      if (here === undefined) return () => undefined;
      const { sure, perhaps } = table.outOf(here.place, protocol, port);
      return (to) => {
        const there = firsts.get(to);
        // A workload and itself are two of its pods.
        if (there === undefined || from === to || here.family * there.family === 24) return undefined;
        return hasPlace(sure, there.place) || (hasPlace(perhaps, there.place) ? null : false);
      };
    },
    doubt: (pair, port) => {
      const [here, there] = pairOf(pair);
      if (here === undefined || there === undefined) return undefined;
      const found = table.doubt(here, there, port.protocol, port.port);
      return found && doubtInWords(found, pair);
    },
  };
}

/** The family of an end's first address; 0 where it has none yet. */
function familyOf({ addresses: [first] }: End): 0 | 4 | 6 {
  return first === undefined ? 0 : first.includes(":") ? 6 : 4;
}

/** An end's place in a table; a pod without an address may get some only. */
function tableEnd(facts: ClusterFacts, end: End, ip: string | undefined): FlowEnd {
  const plain = flowEnd(end, ip);
  if (ip !== undefined || end.type !== "pod") return plain;
  return { ...plain, mayBe: mayBeOf(facts, end.pod, end.family) };
}

/** A node's own network, without an address. */
function onNode(end: End): FlowEnd {
  const node = nodeOf(end);
  if (node !== undefined) return { node };
  return end.type === "pod" ? { pod: end.key } : {};
}

function doubtInWords({ direction, policy, path, what, key }: DoubtFound, { from, to }: Pair): Doubt {
  const [self, peer] = direction === "egress" ? [from, to] : [to, from];
  if (what === "own-node")
    return {
      by: direction,
      key,
      reason: () =>
        `${peer.name} may be on ${self.name}'s own node, whose traffic always comes in; from other nodes it is denied`,
    };
  return {
    by: direction,
    key,
    ...(policy !== undefined && { policy }),
    ...(path !== undefined && { rule: path }),
    reason: () =>
      `policy ${policy}, ${path}, allows ranges that may or may not hold ${peer.name}'s address, which is not known yet`,
  };
}

/**
 * What stands for a workload's pods stands for several of them: one replica to another is not a pod to itself, which
 * is always allowed. So each gets a twin, which no other end can mean.
 */
function withTwins(pods: ReadonlyMap<string, Pod>): ReadonlyMap<string, Pod> {
  const twins = [...pods]
    .filter(([, pod]) => isStandIn(pod))
    .map(([key, pod]) => [twinKey(key), twinOf(pod)] as const);
  return twins.length === 0 ? pods : new Map([...pods, ...twins]);
}

function twinOf(pod: Pod): Pod {
  return { ...pod, metadata: { ...pod.metadata, name: `${pod.metadata.name}/twin` } };
}

function twinKey(key: string): string {
  return `${key}/twin`;
}

function flowEnd(end: End, ip: string | undefined): FlowEnd {
  const address = ip === undefined ? {} : { ip };
  if (end.type === "pod") return { pod: end.key, ...address };
  return end.type === "node" ? { node: end.node.metadata.name, ...address } : address;
}

function inWords(direction: "egress" | "ingress", decision: Decision, flow: Flow): DirectionVerdict {
  const { allowed, isolated, policy, path, isolatedBy } = decision;
  return {
    allowed,
    isolated,
    ...(policy === undefined ? soleOf(decision) : { policy }),
    ...(path === undefined ? {} : { rule: path }),
    isolatedBy,
    reason: reasonOf(direction, decision, flow),
  };
}

/** A refusal by default is that one policy's, if only one isolates the pod. */
function soleOf({ reason, isolatedBy: [sole, ...more] }: Decision): { policy?: string } {
  return reason === "default-deny" && sole !== undefined && more.length === 0 ? { policy: sole } : {};
}

function reasonOf(direction: "egress" | "ingress", decision: Decision, { from, to }: Flow): string {
  const self = direction === "egress" ? from : to;
  switch (decision.reason) {
    case "not-a-pod":
      return self.type === "pod"
        ? `${self.name} uses its node's network, which policies do not govern`
        : `${self.name} is no pod, and policies govern pods only`;
    case "not-isolated":
      return `no policy selects ${self.name} for ${direction} (default: all allowed)`;
    case "own-node":
      return `traffic from ${nodeOf(self) ?? "its node"}, the pod's own node, always comes in`;
    case "self":
      return "a pod is never cut from itself";
    case "rule":
      return `policy ${decision.policy} allows it, ${decision.path}`;
    case "default-deny":
      return (
        `${self.name} is isolated for ${direction} by ${listOf(decision.isolatedBy)}, and no ${direction} rule ` +
        `of ${decision.isolatedBy.length > 1 ? "theirs" : "it"} allows this (default: denied)`
      );
  }
}

function listOf(policies: readonly string[]): string {
  const shown = policies.slice(0, 3).join(", ");
  const more = policies.length > 3 ? ` and ${policies.length - 3} more` : "";
  return `${policies.length === 1 ? "policy" : "policies"} ${shown}${more}`;
}
