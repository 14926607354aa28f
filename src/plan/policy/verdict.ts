// May a connection be opened, and which policy and rule, or which default, says so? Replies are always allowed.
import type { Pod, Protocol } from "../../api/kinds/core.ts";
import { keyOf } from "../../api/object.ts";
import { type Ip, type IpRange, tryParseIp } from "../../base/ip.ts";
import { addressesOf, isPolicyPod, namespaceLabels, resolvePort } from "./pods.ts";
import { hasPort } from "./port-set.ts";
import type { PolicyProgram } from "./program.ts";
import { rangesHold } from "./ranges.ts";
import { selects } from "./selector.ts";
import type { Direction, Peer, Rule } from "./types.ts";

/** One end of a flow. Say what is known: the pod, the node, the address; each is looked up from the others. */
export interface FlowEnd {
  /** `namespace/name` */
  readonly pod?: string;
  /** A node's name. */
  readonly node?: string;
  readonly ip?: string;
  /**
   * Where the address is not known yet: those that it will be one of. Only `ReachTable` asks for them; `verdict` takes
   * an address that is not known for one that no range holds.
   */
  readonly mayBe?: readonly IpRange[];
}

export interface Flow {
  readonly from: FlowEnd;
  /** The endpoint after destination translation: a Service's address never stands here. */
  readonly to: FlowEnd;
  /** Another protocol's name or number is allowed only by rules without ports. */
  readonly protocol: Protocol | (string & {});
  readonly port?: number;
}

export type VerdictReason =
  /** This end is no pod that policies speak of. */
  | "not-a-pod"
  /** No policy of that direction selects the pod. */
  | "not-isolated"
  /** Traffic from the pod's own node always comes in. */
  | "own-node"
  /** A pod cannot be cut from itself. */
  | "self"
  /** `policy`, `rule` and `path` say which rule decides. */
  | "rule"
  /** The pod is isolated by `isolatedBy`, and no rule of theirs allows the flow. */
  | "default-deny";

export interface DirectionVerdict {
  readonly allowed: boolean;
  /** Whether any policy of this direction selects the pod. */
  readonly isolated: boolean;
  readonly reason: VerdictReason;
  /** `namespace/name` of the policy that decides. */
  readonly policy?: string;
  /** Index of its rule. */
  readonly rule?: number;
  /** Path of the rule inside the policy. */
  readonly path?: string;
  /** Tier that decides. */
  readonly tier?: string;
  /** Policies of this direction that select the pod, sorted. */
  readonly isolatedBy: readonly string[];
}

export interface Verdict {
  readonly allowed: boolean;
  readonly egress: DirectionVerdict;
  readonly ingress: DirectionVerdict;
}

/** An end as policies see it: `pod` only where they speak of it, `node` where the end is on a node's own network. */
export interface ResolvedEnd {
  readonly pod: Pod | undefined;
  readonly node: string | undefined;
  readonly ip: Ip | undefined;
}

/** Judges the first packet of a flow, as it leaves its source and as it reaches its destination. */
export function verdict(program: PolicyProgram, flow: Flow): Verdict {
  const [from, to] = ends(program, flow);
  const egress = direction(program, "egress", from, to, flow);
  const ingress = direction(program, "ingress", to, from, flow);
  return { allowed: egress.allowed && ingress.allowed, egress, ingress };
}

function ends(program: PolicyProgram, flow: Flow): [ResolvedEnd, ResolvedEnd] {
  const from = resolveEnd(program, flow.from);
  const to = resolveEnd(program, flow.to);
  // A pod named without an address speaks to the other end in that end's family.
  return [pickAddress(from, to.ip), pickAddress(to, from.ip)];
}

/** Returns who an end is, looked up from what is said of it. */
export function resolveEnd(program: PolicyProgram, given: FlowEnd): ResolvedEnd {
  const ip = given.ip === undefined ? undefined : tryParseIp(given.ip);
  const named = given.pod === undefined ? undefined : program.pods.get(given.pod);
  const node = given.node ?? (ip === undefined || named !== undefined ? undefined : program.nodeAt(ip));
  const found = named ?? (ip === undefined || node !== undefined ? undefined : program.podAt(ip));
  if (found === undefined || isPolicyPod(found)) return { pod: found, node, ip };
  // On the host's network a pod is its node; one that has ended is nobody.
  const isNode = found.spec.hostNetwork === true;
  return {
    pod: undefined,
    node: isNode ? (node ?? found.spec.nodeName) : undefined,
    ip: ip ?? addressesOf(found)[0],
  };
}

function pickAddress(one: ResolvedEnd, other: Ip | undefined): ResolvedEnd {
  if (one.ip !== undefined || one.pod === undefined) return one;
  const own = addressesOf(one.pod);
  return { ...one, ip: own.find((ip) => other === undefined || ip.family === other.family) };
}

function direction(
  program: PolicyProgram,
  which: Direction,
  self: ResolvedEnd,
  peer: ResolvedEnd,
  flow: Flow,
): DirectionVerdict {
  const { pod } = self;
  if (pod === undefined) return { allowed: true, isolated: false, reason: "not-a-pod", isolatedBy: [] };
  const destination = which === "ingress" ? pod : peer.pod;
  const isolatedBy = program.tiers.flatMap((tier) =>
    program.selecting(tier, pod).flatMap((policy) => (policy[which] === undefined ? [] : [policy.key])),
  );
  const isolated = isolatedBy.length > 0;
  if (!isolated) return { allowed: true, isolated, reason: "not-isolated", isolatedBy };
  if (peer.pod !== undefined && keyOf(peer.pod) === keyOf(pod))
    return { allowed: true, isolated, reason: "self", isolatedBy };
  if (which === "ingress" && peer.node !== undefined && peer.node === pod.spec.nodeName)
    return { allowed: true, isolated, reason: "own-node", isolatedBy };
  for (const tier of program.tiers) {
    const selecting = program.selecting(tier, pod).filter((policy) => policy[which] !== undefined);
    for (const policy of selecting) {
      const rule = policy[which]?.find((one) =>
        ruleMatches(program, one, { direction: which, within: policy.namespace, peer, destination, flow }),
      );
      if (rule === undefined) continue;
      if (rule.action === "Pass") break;
      const { index, path } = rule;
      const allowed = rule.action === "Accept";
      return {
        allowed,
        isolated,
        reason: "rule",
        policy: policy.key,
        rule: index,
        path,
        tier: tier.name,
        isolatedBy,
      };
    }
    if (tier.mode === "union" && selecting.length > 0)
      return { allowed: false, isolated, reason: "default-deny", tier: tier.name, isolatedBy };
  }
  return { allowed: true, isolated, reason: "not-isolated", isolatedBy };
}

/** What a rule is held against, seen from the pod that it protects or restrains. */
interface Question {
  readonly direction: Direction;
  /** The policy's namespace. */
  readonly within: string;
  readonly peer: ResolvedEnd;
  /** Whose containers give numbers to named ports. */
  readonly destination: Pod | undefined;
  readonly flow: Flow;
}

function ruleMatches(program: PolicyProgram, rule: Rule, question: Question): boolean {
  const { direction, destination, flow } = question;
  const byNumber = hasPort(rule.ports, flow.protocol, flow.port);
  if (!byNumber && !namedMatches(rule, destination, flow)) return false;
  if (rule.peers === "any") return true;
  return rule.peers.some((peer) => {
    // Leaving a pod, a port's name means something only where the destination is known to be a pod, not an address.
    if (peer.kind === "block" && direction === "egress" && !byNumber) return false;
    return peerMatches(program, peer, question);
  });
}

function namedMatches(rule: Rule, destination: Pod | undefined, flow: Flow): boolean {
  if (destination === undefined || flow.port === undefined) return false;
  const { port, protocol } = flow;
  return rule.named.some(
    (named) => named.protocol === protocol && resolvePort(destination, named).includes(port),
  );
}

function peerMatches(program: PolicyProgram, peer: Peer, { peer: end, within }: Question): boolean {
  if (peer.kind === "block") {
    const { ip } = end;
    return ip !== undefined && rangesHold(peer.ranges, ip);
  }
  if (end.pod === undefined) return false;
  const namespace = end.pod.metadata.namespace ?? "default";
  if (peer.namespaces === "own") {
    if (namespace !== within) return false;
  } else {
    const object = program.namespaces.get(namespace);
    // A pod whose namespace is not known yet is in none that labels select.
    if (object === undefined || !selects(peer.namespaces, namespaceLabels(object))) return false;
  }
  return selects(peer.pods, end.pod.metadata.labels);
}
