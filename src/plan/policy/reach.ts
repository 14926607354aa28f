// Verdicts of many flows among the same ends. What a group of pods lets through on a port is worked out once, as one bit
// for each end; a flow then costs two look-ups, however many policies there are. Says the same as `verdict`.
import type { Pod } from "../../api/kinds/core.ts";
import { keyOf } from "../../api/object.ts";
import type { Ip } from "../../base/ip.ts";
import { namespaceLabels, resolvePort } from "./pods.ts";
import { hasPort } from "./port-set.ts";
import type { PolicyProgram } from "./program.ts";
import { selects } from "./selector.ts";
import { getOrMake } from "./selector-index.ts";
import type { CompiledPolicy, Direction, NamedPort, Peer, PodPeer, Rule } from "./types.ts";
import { type FlowEnd, resolveEnd } from "./verdict.ts";

type Bits = Uint32Array;

/** Pods that the same policies govern in one direction and, coming in, that give the same numbers to port names. */
interface Group {
  readonly direction: Direction;
  readonly policies: readonly CompiledPolicy[];
  /** One of them: all answer alike. */
  readonly pod: Pod;
  /** By protocol and port: the ends that may pass. */
  readonly allowed: Map<string, Bits>;
}

interface Entry {
  readonly pod: Pod | undefined;
  readonly key: string | undefined;
  readonly node: string | undefined;
  readonly ip: Ip | undefined;
  readonly egress: Group | undefined;
  readonly ingress: Group | undefined;
}

export class ReachTable {
  readonly #program: PolicyProgram;
  readonly #entries: readonly Entry[];
  readonly #groups = new Map<string, Group>();
  readonly #podsOf = new Map<string, number[]>();
  readonly #peerBits = new Map<string, Bits>();
  readonly #namedBits = new Map<string, Bits>();

  /** A pod that has addresses stands once for each that flows may have. */
  constructor(program: PolicyProgram, ends: readonly FlowEnd[]) {
    this.#program = program;
    this.#entries = ends.map((given, at) => {
      const { pod, node, ip } = resolveEnd(program, given);
      if (pod === undefined) return { pod, key: undefined, node, ip, egress: undefined, ingress: undefined };
      getOrMake(this.#podsOf, pod.metadata.namespace ?? "default", () => []).push(at);
      const [egress, ingress] = [this.#groupOf(pod, "egress"), this.#groupOf(pod, "ingress")];
      return { pod, key: keyOf(pod), node, ip, egress, ingress };
    });
  }

  /**
   * Returns which side refuses a flow between two ends, by their places in the list; egress is asked first. `apart`: one
   * and the same end on both sides means two pods that are alike.
   */
  refusing(
    fromAt: number,
    toAt: number,
    protocol: string,
    port: number,
    apart = false,
  ): Direction | undefined {
    const [from, to] = [this.#entries[fromAt], this.#entries[toAt]];
    if (from === undefined || to === undefined) return undefined;
    // A pod cannot be cut from itself.
    if (!apart && from.key !== undefined && from.key === to.key) return undefined;
    if (from.egress !== undefined && !has(this.#allowed(from.egress, protocol, port), toAt)) return "egress";
    if (to.ingress === undefined) return undefined;
    // Traffic from the pod's own node always comes in.
    if (from.node !== undefined && from.node === to.pod?.spec.nodeName) return undefined;
    return has(this.#allowed(to.ingress, protocol, port), fromAt) ? undefined : "ingress";
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
    return getOrMake(this.#groups, key, () => ({ direction, policies, pod, allowed: new Map() }));
  }

  #allowed(group: Group, protocol: string, port: number): Bits {
    return getOrMake(group.allowed, `${protocol} ${port}`, () => {
      const out = this.#none();
      for (const policy of group.policies)
        for (const rule of policy[group.direction] ?? []) this.#allow(out, group, rule, protocol, port);
      return out;
    });
  }

  #allow(out: Bits, { direction, pod }: Group, rule: Rule, protocol: string, port: number): void {
    const named = rule.named.filter((one) => one.protocol === protocol);
    const byNumber =
      hasPort(rule.ports, protocol, port) ||
      (direction === "ingress" && named.some((one) => resolvePort(pod, one).includes(port)));
    if (byNumber) {
      if (rule.peers === "any") out.fill(0xffffffff);
      else for (const peer of rule.peers) add(out, this.#peers(peer));
      return;
    }
    if (direction === "ingress") return;
    // Leaving a pod, a port's name means something only where the destination is a pod, not an address.
    for (const one of named) {
      const having = this.#having(one, port);
      if (rule.peers === "any") add(out, having);
      else for (const peer of rule.peers) if (peer.kind === "pods") add(out, both(this.#peers(peer), having));
    }
  }

  #none(): Bits {
    return new Uint32Array(Math.ceil(this.#entries.length / 32));
  }

  /** Returns the ends that a peer matches. */
  #peers(peer: Peer): Bits {
    return getOrMake(this.#peerBits, peerKey(peer), () => {
      const out = this.#none();
      if (peer.kind === "pods") for (const at of this.#matching(peer)) set(out, at);
      else
        for (const [at, { ip }] of this.#entries.entries())
          if (ip !== undefined && peer.ranges.some((range) => isIn(ip, range))) set(out, at);
      return out;
    });
  }

  *#matching({ namespaces, pods }: PodPeer): Generator<number> {
    for (const [namespace, places] of this.#podsOf) {
      if (typeof namespaces === "string") {
        if (namespace !== namespaces) continue;
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

function peerKey(peer: Peer): string {
  if (peer.kind === "block")
    return `block ${peer.ranges.map(({ family, first, last }) => `${family}/${first}-${last}`).join()}`;
  const { namespaces, pods } = peer;
  return `pods ${typeof namespaces === "string" ? JSON.stringify(namespaces) : namespaces.key} ${pods.key}`;
}

function isIn(
  ip: Ip,
  range: { readonly family: 4 | 6; readonly first: bigint; readonly last: bigint },
): boolean {
  return range.family === ip.family && range.first <= ip.value && ip.value <= range.last;
}

function has(bits: Bits, at: number): boolean {
  return (((bits[at >>> 5] ?? 0) >>> (at & 31)) & 1) === 1;
}

function set(bits: Bits, at: number): void {
  bits[at >>> 5] = (bits[at >>> 5] ?? 0) | (1 << (at & 31));
}

function add(bits: Bits, more: Bits): void {
  for (let at = 0; at < bits.length; at++) bits[at] = (bits[at] ?? 0) | (more[at] ?? 0);
}

function both(a: Bits, b: Bits): Bits {
  return a.map((word, at) => word & (b[at] ?? 0));
}
