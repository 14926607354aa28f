// What a policy says, free of any back end: compiled once, read by the nftables writer, the evaluator and explain.
//
// A program is a list of tiers, asked in order. In a tier of mode "union" (NetworkPolicy) the policies that select a pod
// isolate it: it is allowed what any of them allows, and the tier's answer is final. In a tier of mode "ordered" the
// first rule that matches decides: Accept and Deny are final, Pass leaves the tier. A tier that says nothing of a pod
// passes on to the next one; after the last tier, traffic is allowed.
import type { Protocol } from "../../api/kinds/core.ts";
import type { Problem } from "../../base/problem.ts";
import type { PortSet } from "./port-set.ts";
import type { RangeList } from "./ranges.ts";
import type { Selector } from "./selector.ts";

export type Direction = "ingress" | "egress";
export const directions = ["ingress", "egress"] as const;

export type Action = "Accept" | "Deny" | "Pass";

/** Pods by labels, in namespaces by labels. */
export interface PodPeer {
  readonly kind: "pods";
  /** Its place among the rule's peers as they are written: those that are ranges or cannot be read stand elsewhere. */
  readonly index: number;
  /** That of the policy, or those that the selector matches. */
  readonly namespaces: "own" | Selector;
  readonly pods: Selector;
}

/** Addresses, also those of pods. */
export interface BlockPeer {
  readonly kind: "block";
  readonly ranges: RangeList;
}

export type Peer = PodPeer | BlockPeer;

/** A port of the destination pod by its name; other pods may give the name to another number, or to none. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
}

export interface Rule {
  readonly index: number;
  /** Path inside the object, such as `spec.ingress[0]`. */
  readonly path: string;
  readonly action: Action;
  /** "any": also what is outside of the cluster. An empty list matches nobody (all its peers were invalid). */
  readonly peers: "any" | readonly Peer[];
  readonly ports: PortSet;
  readonly named: readonly NamedPort[];
}

export interface CompiledPolicy {
  /** `namespace/name` */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  /** Within a tier of mode "ordered": lower first. */
  readonly priority: number;
  /** The pods of its namespace that it speaks of; where its selector is invalid, all that it could mean. */
  readonly subject: Selector;
  /**
   * Undefined where the policy says nothing of that direction; an empty list isolates. Empty too, whatever was written,
   * where it cannot be told which pods or which direction the rules were meant for.
   */
  readonly ingress: readonly Rule[] | undefined;
  readonly egress: readonly Rule[] | undefined;
  /** What is wrong with it: by none of this does it allow more than was meant; everything else of it holds. */
  readonly problems: readonly Problem[];
}

export interface Tier {
  readonly name: string;
  readonly mode: "union" | "ordered";
  /** By namespace; in a tier of mode "ordered" sorted by priority and then by name. */
  readonly policies: ReadonlyMap<string, readonly CompiledPolicy[]>;
}
