// Verdicts of many flows among the same ends. What a group of pods lets through on a port is worked out once, as one bit
// for each end; a flow then costs two look-ups, however many policies there are. Says the same as `verdict`, and where an
// end's address is not known yet, whether the answer depends on it: policies only ever allow, so it does where a range
// that may hold the address would allow what nothing else does.
import type { Pod } from "../../api/kinds/core.ts";
import { keyOf } from "../../api/object.ts";
import { type Ip, type IpRange, subtractRanges } from "../../base/ip.ts";
import { getOrMake } from "./node/selector-index.ts";
import { namespaceLabels, resolvePort } from "./pods.ts";
import { hasPort } from "./port-set.ts";
import type { PolicyProgram } from "./program.ts";
import { rangesHold } from "./ranges.ts";
import { selects } from "./selector.ts";
import type { CompiledPolicy, Direction, NamedPort, Peer, PodPeer, Rule } from "./types.ts";
import { type FlowEnd, resolveEnd } from "./verdict.ts";

type Bits = Uint32Array;

/** The ends that surely match, and those that may: these are never fewer. One and the same where all is known. */
export interface Matching {
  readonly sure: Bits;
  readonly perhaps: Bits;
}

/** Why it cannot be told whether a flow may pass: what would let it pass may or may not hold. */
export interface Doubt {
  readonly direction: Direction;
  readonly policy: string | undefined;
  /** Path of the rule in that policy. */
  readonly path: string | undefined;
  /** own-node: the sender may be on the pod's own node. */
  readonly what: "address" | "own-node";
  /** Equal where it hangs on the same: on which of its addresses an end may not pass with. */
  readonly key: string;
}

/** Pods that the same policies govern in one direction and, coming in, that give the same numbers to port names. */
interface Group {
  readonly direction: Direction;
  readonly policies: readonly CompiledPolicy[];
  /** One of them: all answer alike. */
  readonly pod: Pod;
  /** By protocol and port: the ends that may pass. */
  readonly allowed: Map<string, Matching>;
  /** The same rule by rule, where it is asked which of them may let an end pass. */
  readonly byRule: Map<string, readonly { readonly doubt: Doubt; readonly perhaps: Bits }[]>;
  /** The same as addresses that none of them lets pass, of those that some ends may get. */
  readonly denied: Map<string, string>;
}

interface Entry {
  readonly pod: Pod | undefined;
  readonly key: string | undefined;
  readonly node: string | undefined;
  readonly ip: Ip | undefined;
  readonly mayBe: readonly IpRange[];
  /** On a node's own network, but of which node is not known. */
  readonly onSomeNode: boolean;
  readonly egress: Group | undefined;
  readonly ingress: Group | undefined;
}

export class ReachTable {
  readonly #program: PolicyProgram;
  readonly #entries: readonly Entry[];
  readonly #groups = new Map<string, Group>();
  readonly #podsOf = new Map<string, number[]>();
  readonly #peerBits = new Map<string, Bits>();
  /** Ends whose addresses are not known, by what these may be. */
  readonly #unknown = new Map<string, { readonly mayBe: readonly IpRange[]; readonly places: number[] }>();
  readonly #namedBits = new Map<string, Bits>();
  readonly #ingressMembers = new Map<Group | undefined, Bits>();
  readonly #nodePods = new Map<string | undefined, Bits>();

  /** A pod that has addresses stands once for each that flows may have. */
  constructor(program: PolicyProgram, ends: readonly FlowEnd[]) {
    this.#program = program;
    this.#entries = ends.map((given, at) => {
      const { pod, node, ip } = resolveEnd(program, given);
      const mayBe = ip === undefined ? (given.mayBe ?? []) : [];
      const named = given.pod === undefined ? undefined : program.pods.get(given.pod);
      const onSomeNode = node === undefined && named?.spec.hostNetwork === true;
      const known = { ip, mayBe, onSomeNode };
      if (pod === undefined)
        return { ...known, pod, key: undefined, node, egress: undefined, ingress: undefined };
      getOrMake(this.#podsOf, pod.metadata.namespace ?? "default", () => []).push(at);
      const [egress, ingress] = [this.#groupOf(pod, "egress"), this.#groupOf(pod, "ingress")];
      return { ...known, pod, key: keyOf(pod), node, egress, ingress };
    });
    for (const [at, { mayBe }] of this.#entries.entries())
      if (mayBe.length > 0)
        getOrMake(this.#unknown, rangesKey(mayBe), () => ({ mayBe, places: [] })).places.push(at);
  }

  /**
   * Returns which side refuses a flow between two ends, by their places in the list; egress is asked first. "unknown": no
   * side surely refuses it, but one may. `apart`: one and the same end on both sides means two pods that are alike.
   */
  refusing(
    fromAt: number,
    toAt: number,
    protocol: string,
    port: number,
    apart = false,
  ): Direction | "unknown" | undefined {
    const [from, to] = [this.#entries[fromAt], this.#entries[toAt]];
    if (from === undefined || to === undefined) return undefined;
    // A pod cannot be cut from itself.
    if (!apart && from.key !== undefined && from.key === to.key) return undefined;
    let isSure = true;
    if (from.egress !== undefined) {
      const { sure, perhaps } = this.#allowed(from.egress, protocol, port);
      if (!has(perhaps, toAt)) return "egress";
      isSure = has(sure, toAt);
    }
    const { ingress, pod } = to;
    // Traffic from the pod's own node always comes in.
    if (ingress !== undefined && (from.node === undefined || from.node !== pod?.spec.nodeName)) {
      const { sure, perhaps } = this.#allowed(ingress, protocol, port);
      if (!has(perhaps, fromAt)) {
        if (!mayBeOwnNode(from, pod)) return "ingress";
        isSure = false;
      } else isSure &&= has(sure, fromAt);
    }
    return isSure ? undefined : "unknown";
  }

  /**
   * Returns which ends one end may reach, by their places, surely and perhaps: all at once, and much faster than one by
   * one. An end and itself are one pod.
   */
  outOf(fromAt: number, protocol: string, port: number): Matching {
    const from = this.#entries[fromAt];
    const out = this.#lettingIn(fromAt, protocol, port);
    if (from?.egress !== undefined) {
      const { sure, perhaps } = this.#allowed(from.egress, protocol, port);
      keep(out.sure, sure);
      keep(out.perhaps, perhaps);
    }
    // A pod cannot be cut from itself.
    if (from?.key !== undefined)
      for (const at of this.#podsOf.get(from.pod?.metadata.namespace ?? "default") ?? [])
        if (this.#entries[at]?.key === from.key) {
          set(out.sure, at);
          set(out.perhaps, at);
        }
    return out;
  }

  /** Returns the ends whose own policies let one end in. */
  #lettingIn(fromAt: number, protocol: string, port: number): Matching {
    const members = this.#members();
    const free = members.get(undefined);
    const out = { sure: free?.slice() ?? this.#none(), perhaps: free?.slice() ?? this.#none() };
    for (const [group, ends] of members) {
      if (group === undefined) continue;
      const { sure, perhaps } = this.#allowed(group, protocol, port);
      if (has(sure, fromAt)) add(out.sure, ends);
      if (has(perhaps, fromAt)) add(out.perhaps, ends);
    }
    const { node, onSomeNode } = this.#entries[fromAt] ?? {};
    if (onSomeNode) out.perhaps.fill(0xffffffff);
    if (node === undefined) return out;
    // Traffic from the pod's own node always comes in.
    for (const home of [this.#podsOn(node), this.#podsOn(undefined)]) add(out.perhaps, home);
    add(out.sure, this.#podsOn(node));
    return out;
  }

  /** The ends of each group by what governs their way in; undefined: nothing. */
  #members(): ReadonlyMap<Group | undefined, Bits> {
    if (this.#ingressMembers.size === 0)
      for (const [at, { ingress }] of this.#entries.entries())
        set(
          getOrMake(this.#ingressMembers, ingress, () => this.#none()),
          at,
        );
    return this.#ingressMembers;
  }

  /** The pods that stand on a node; undefined: that have none yet. */
  #podsOn(node: string | undefined): Bits {
    return getOrMake(this.#nodePods, node, () => {
      const found = this.#none();
      for (const [at, { pod }] of this.#entries.entries())
        if (pod !== undefined && pod.spec.nodeName === node) set(found, at);
      return found;
    });
  }

  /** Returns why `refusing` says "unknown". */
  doubt(fromAt: number, toAt: number, protocol: string, port: number): Doubt | undefined {
    const [from, to] = [this.#entries[fromAt], this.#entries[toAt]];
    if (from?.egress !== undefined && !has(this.#allowed(from.egress, protocol, port).sure, toAt))
      return this.#doubtOf(from.egress, toAt, protocol, port);
    if (to?.ingress === undefined || from === undefined) return undefined;
    return (
      this.#doubtOf(to.ingress, fromAt, protocol, port) ??
      (mayBeOwnNode(from, to.pod)
        ? { direction: "ingress", policy: undefined, path: undefined, what: "own-node", key: "own-node" }
        : undefined)
    );
  }

  /** The first rule that may let the peer pass. */
  #doubtOf(group: Group, peerAt: number, protocol: string, port: number): Doubt | undefined {
    const rules = getOrMake(group.byRule, `${protocol} ${port}`, () =>
      group.policies.flatMap((policy) =>
        (policy[group.direction] ?? []).map((rule) => {
          const { perhaps } = this.#matched(group, [rule], protocol, port);
          const { direction } = group;
          const doubt = { direction, policy: policy.key, path: rule.path, what: "address", key: "" } as const;
          return { doubt, perhaps };
        }),
      ),
    );
    const doubt = rules.find(({ perhaps }) => has(perhaps, peerAt))?.doubt;
    return doubt && { ...doubt, key: this.#denied(group, peerAt, protocol, port) };
  }

  /** Returns the addresses with which an end may not pass, of those that it may get. */
  #denied(group: Group, peerAt: number, protocol: string, port: number): string {
    const { mayBe } = this.#entries[peerAt] ?? { mayBe: [] };
    return getOrMake(group.denied, `${protocol} ${port} ${rangesKey(mayBe)}`, () => {
      const ranges: IpRange[] = [];
      for (const policy of group.policies)
        for (const rule of policy[group.direction] ?? [])
          this.#allow(this.#none(), ranges, group, { rule, protocol, port });
      return rangesKey(mayBe.flatMap((range) => subtractRanges(range, ranges)));
    });
  }

  #groupOf(pod: Pod, direction: Direction): Group | undefined {
    // NetworkPolicy is one tier, whose policies only ever allow.
    const policies = this.#program.tiers.flatMap((tier) =>
      this.#program.selecting(tier, pod).filter((policy) => policy[direction] !== undefined),
    );
    if (policies.length === 0) return undefined;
    const named = direction === "egress" ? [] : policies.flatMap((one) => one.ingress ?? []);
    const numbers = named.flatMap((rule) => rule.named.map((name) => resolvePort(pod, name)));
    const key = JSON.stringify([direction, policies.map((policy) => policy.key), numbers]);
    return getOrMake(this.#groups, key, () => ({
      direction,
      policies,
      pod,
      allowed: new Map(),
      byRule: new Map(),
      denied: new Map(),
    }));
  }

  #allowed(group: Group, protocol: string, port: number): Matching {
    return getOrMake(group.allowed, `${protocol} ${port}`, () =>
      this.#matched(
        group,
        group.policies.flatMap((policy) => policy[group.direction] ?? []),
        protocol,
        port,
      ),
    );
  }

  /** Returns the ends that one of these rules lets pass. */
  #matched(group: Group, rules: readonly Rule[], protocol: string, port: number): Matching {
    const sure = this.#none();
    const ranges: IpRange[] = [];
    for (const rule of rules) this.#allow(sure, ranges, group, { rule, protocol, port });
    if (this.#unknown.size === 0) return { sure, perhaps: sure };
    const perhaps = sure.slice();
    for (const { mayBe, places } of this.#unknown.values()) {
      const held = holds(ranges, mayBe);
      if (held !== false) for (const at of places) set(perhaps, at);
      if (held === true) for (const at of places) set(sure, at);
    }
    return { sure, perhaps };
  }

  /** Adds the ends that a rule lets pass to `out`, and the ranges that may hold addresses not known yet to `ranges`. */
  #allow(
    out: Bits,
    ranges: IpRange[],
    { direction, pod }: Group,
    { rule, protocol, port }: { readonly rule: Rule; readonly protocol: string; readonly port: number },
  ): void {
    const within = pod.metadata.namespace ?? "default";
    const named = rule.named.filter((one) => one.protocol === protocol);
    const byNumber =
      hasPort(rule.ports, protocol, port) ||
      (direction === "ingress" && named.some((one) => resolvePort(pod, one).includes(port)));
    if (byNumber) {
      if (rule.peers === "any") out.fill(0xffffffff);
      else
        for (const peer of rule.peers) {
          add(out, this.#peers(peer, within));
          if (peer.kind === "block") for (const range of peer.ranges) ranges.push(range);
        }
      return;
    }
    if (direction === "ingress") return;
    // Leaving a pod, a port's name means something only where the destination is a pod, not an address.
    for (const one of named) {
      const having = this.#having(one, port);
      if (rule.peers === "any") add(out, having);
      else
        for (const peer of rule.peers)
          if (peer.kind === "pods") add(out, both(this.#peers(peer, within), having));
    }
  }

  #none(): Bits {
    return new Uint32Array(Math.ceil(this.#entries.length / 32));
  }

  /** Returns the ends that a peer of policies of that namespace matches, of those with addresses that are known. */
  #peers(peer: Peer, within: string): Bits {
    return getOrMake(this.#peerBits, peerKey(peer, within), () => {
      const out = this.#none();
      if (peer.kind === "pods") for (const at of this.#matching(peer, within)) set(out, at);
      else
        for (const [at, { ip }] of this.#entries.entries())
          if (ip !== undefined && rangesHold(peer.ranges, ip)) set(out, at);
      return out;
    });
  }

  *#matching({ namespaces, pods }: PodPeer, within: string): Generator<number> {
    for (const [namespace, places] of this.#podsOf) {
      if (namespaces === "own") {
        if (namespace !== within) continue;
      } else {
        const object = this.#program.namespaces.get(namespace);
        if (object === undefined || !selects(namespaces, namespaceLabels(object))) continue;
      }
      for (const at of places) if (selects(pods, this.#entries[at]?.pod?.metadata.labels)) yield at;
    }
  }

  /** Returns the pods that give a port's name this number. */
  #having(named: NamedPort, port: number): Bits {
    return getOrMake(this.#namedBits, `${named.protocol} ${port} ${named.name}`, () => {
      const out = this.#none();
      for (const [at, { pod }] of this.#entries.entries())
        if (pod !== undefined && resolvePort(pod, named).includes(port)) set(out, at);
      return out;
    });
  }
}

function peerKey(peer: Peer, within: string): string {
  if (peer.kind === "block") return `block ${rangesKey(peer.ranges)}`;
  const { namespaces, pods } = peer;
  return `pods ${namespaces === "own" ? JSON.stringify(within) : namespaces.key} ${pods.key}`;
}

function rangesKey(ranges: Iterable<IpRange>): string {
  return Array.from(ranges, ({ family, first, last }) => `${family}/${first}-${last}`).join();
}

/** Returns whether ranges hold an address that is one of these: surely where they hold all of a family's. */
function holds(ranges: readonly IpRange[], mayBe: readonly IpRange[]): boolean | "perhaps" {
  const left = mayBe.map((range) => ({ range, rest: subtractRanges(range, ranges) }));
  for (const family of [4, 6]) {
    const mine = left.filter(({ range }) => range.family === family);
    if (mine.length > 0 && mine.every(({ rest }) => rest.length === 0)) return true;
  }
  const isTouched = ({ range: { first, last }, rest: [whole] }: (typeof left)[number]): boolean =>
    whole?.first !== first || whole.last !== last;
  return left.some((one) => isTouched(one)) ? "perhaps" : false;
}

/** Whether a sender on some node's own network may be on the pod's node. */
function mayBeOwnNode(from: Entry, pod: Pod | undefined): boolean {
  if (from.onSomeNode) return true;
  return from.node !== undefined && pod !== undefined && pod.spec.nodeName === undefined;
}

/** Returns whether the end at a place is among these. */
export function has(bits: Bits, at: number): boolean {
  return (((bits[at >>> 5] ?? 0) >>> (at & 31)) & 1) === 1;
}

function set(bits: Bits, at: number): void {
  bits[at >>> 5] = (bits[at >>> 5] ?? 0) | (1 << (at & 31));
}

function add(bits: Bits, more: Bits): void {
  for (let at = 0; at < bits.length; at++) bits[at] = (bits[at] ?? 0) | (more[at] ?? 0);
}

function keep(bits: Bits, only: Bits): void {
  for (let at = 0; at < bits.length; at++) bits[at] = (bits[at] ?? 0) & (only[at] ?? 0);
}

function both(a: Bits, b: Bits): Bits {
  return a.map((word, at) => word & (b[at] ?? 0));
}
