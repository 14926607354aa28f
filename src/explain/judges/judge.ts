// What policies and source NAT say about one flow: the seam between answers and the plans that decide them.

import type { Family } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { Hook, HookPacket, Ruleset } from "../../plan/foreign/index.ts";
import type { SnatPlan } from "../../plan/snat/index.ts";
import type { End } from "../ends.ts";
import type { Atlas } from "../ground/atlas.ts";
import type { Port } from "../ports.ts";

/** Two ends with the addresses that they speak with. */
export interface Pair {
  readonly from: End;
  readonly to: End;
  /** The address that the flow leaves with; undefined where it is not known yet (manifests). */
  readonly source: string | undefined;
  readonly destination: string | undefined;
  /** A tunnel's address may take the source's place, which objects do not tell; the family of both. */
  readonly perhapsByTunnel?: Family;
}

export interface Flow extends Pair {
  /** undefined: an ICMP echo. */
  readonly port: Port | undefined;
}

/** What policies say about one direction of a flow. */
export interface DirectionVerdict {
  readonly allowed: boolean;
  /** A policy governs this direction of the pod. */
  readonly isolated: boolean;
  /** `NAMESPACE/NAME` of the policy that decides. */
  readonly policy?: string;
  /** Path of the deciding rule in that policy: `spec.ingress[0]`. */
  readonly rule?: string;
  /** `NAMESPACE/NAME` of all policies that govern this direction of the pod. */
  readonly isolatedBy?: readonly string[];
  /** Security groups that refuse it, where policies let it pass. */
  readonly groups?: readonly string[];
  /** In words, without the verdict itself. */
  readonly reason: string;
}

/** What security groups say of one direction of a flow. */
export interface GroupWord {
  /** null: their provider alone knows. */
  readonly allowed: boolean | null;
  readonly groups: readonly string[];
  readonly reason: string;
}

/** Security groups at the interfaces of pods. */
export interface Groups {
  /** Returns whether two pods of one node speak without passing an interface: neither has one to itself. */
  areNear(from: End, to: End): boolean;
  /**
   * Returns what a pod's groups say; undefined: it has none, or they let everything pass.
   * @param peer the other end's address as the pod's interface sees it
   */
  asked(
    direction: "ingress" | "egress",
    pod: End,
    peer: string,
    port: Port | undefined,
  ): GroupWord | undefined;
}

export interface PolicyVerdict {
  readonly egress: DirectionVerdict;
  readonly ingress: DirectionVerdict;
}

/** What source NAT does to a flow. */
export interface SourceDecision {
  readonly action: "None" | "Masquerade" | "Address" | "Drop";
  /** An address, a range where the kernel picks one, or undefined: no packet leaves. */
  readonly sourceSeen: string | undefined;
  readonly reason: string;
  /** The object that decides: `ConfigMap/kube-system/ip-masq-agent`. */
  readonly object?: string;
  /** Line of that object's text. */
  readonly line?: number;
  /** Path inside the object. */
  readonly path?: string;
  /** The node that translates, where it is not the pod's own. */
  readonly by?: string;
  /** The line of the precedence table (docs/snat.md) that decided: its id, and its number from 1. */
  readonly row?: string;
  readonly rowNumber?: number;
  /** A rule of another program that translates after all, as its tool writes it. */
  readonly foreignRule?: string;
}

/** What cannot be told of a flow, in words, and the rule that it hangs on. */
export interface Doubt {
  readonly by: "egress" | "ingress";
  readonly policy?: string;
  readonly rule?: string;
  /** Equal where it hangs on the same. */
  readonly key: string;
  /** Words are made only where they are read. */
  readonly reason: () => string;
}

export interface Reach {
  /**
   * Returns which side's policies refuse a flow; undefined: none. "unknown": none surely does, but one may, as an
   * address is not known yet.
   */
  refusing(pair: Pair, port: Port): "egress" | "ingress" | "unknown" | undefined;
  /**
   * Returns what says of any end whether policies let `from` reach it; null: unknown. For all ends at once: much faster
   * than `refusing`, which is to be asked where this says undefined.
   */
  outOf(from: End, port: Port): (to: End) => boolean | null | undefined;
  /** Returns why it is unknown. */
  doubt(pair: Pair, port: Port): Doubt | undefined;
}

export interface Judges {
  /** Where packets go, if the network is known whole. */
  readonly atlas?: Atlas;
  readonly policies: (flow: Flow) => PolicyVerdict;
  /** For very many flows among these ends: the same verdicts, without words. */
  readonly reach: (ends: readonly End[]) => Reach;
  /** What groups say at the interfaces of pods; absent: nobody has such an interface. */
  readonly groups?: Groups;
  /** As far as objects tell; where the network is known, a journey through it tells more. */
  readonly source: (flow: Flow & { source: string; destination: string }) => SourceDecision;
  /** Egress addresses that objects say are held, by nodes that no longer renew their lease. */
  readonly stale: ReadonlySet<string>;
  /** What a packet's journey needs, if the network is known whole. */
  readonly network?: Network;
  /**
   * Other programs have rules on its way, so that policies may be asked about another packet than the one sent; or a node's own
   * rules may not be those of today.
   */
  readonly foreign: boolean;
}

/** Returns what is not known of a packet that comes to a hook of a node; undefined: what it meets there is what objects ask for. */
export type Behind = (node: string, hook: Hook, packet: HookPacket) => string | undefined;

/** What a journey needs to know of the network that it goes through. */
export interface Network {
  readonly facts: ClusterFacts;
  readonly atlas: Atlas;
  /** Of each direction only what is asked at its hook counts. */
  readonly policies: Judges["policies"];
  readonly groups: Groups | undefined;
  /** A node's source translation. */
  readonly planOf: (node: string) => SnatPlan;
  /** Other programs' rules on a machine (`node/NAME`, `host/NAME`); undefined where nobody has looked. */
  readonly rulesOf: (machine: string) => Ruleset | undefined;
  /** Whether nodes without an agent that serves have the rules that objects ask for. */
  readonly behind: Behind;
}
