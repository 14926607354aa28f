// What one node's policies are kept in. The four refer to each other, so they stand together.
import type { LocalEndpoint } from "../../facts.ts";
import type { Blocks } from "../blocks.ts";
import type { PortSet } from "../port-set.ts";
import type { Direction, NamedPort } from "../types.ts";
import type { Atom, PodEntry } from "./entries.ts";

/** What rules can ask of a peer: its labels, and leaving a pod also which numbers it gives to a port name. */
export interface Term {
  readonly key: string;
  readonly atom: Atom;
  readonly named: NamedPort | undefined;
  readonly groups: Set<Group>;
  readonly classes: Set<PeerClass>;
}

export interface PeerClass {
  readonly key: string;
  /** 32 bits, never 0 and never all ones, which nftables writes as words. */
  id: number;
  /** With the numbers of the named port; empty without one. */
  readonly terms: readonly { readonly term: Term; readonly numbers: readonly number[] }[];
  readonly members: Set<PodEntry>;
}

export interface Group {
  readonly key: string;
  readonly direction: Direction;
  readonly locals: Set<LocalPod>;
  /** What each class may use; classes that may use nothing are absent. */
  readonly rows: Map<PeerClass, PortSet>;
  /** Open to every address. */
  readonly any: PortSet;
  readonly blocks: Blocks;
  /** By the ports of rules that name it; those of a named port come from the class. */
  readonly terms: ReadonlyMap<Term, PortSet>;
}

export interface LocalPod {
  /** Of the endpoint: while a pod's sandbox is replaced, the pod has two. */
  readonly key: string;
  readonly endpoint: LocalEndpoint;
  readonly ips: readonly string[];
  readonly groups: { ingress: Group | undefined; egress: Group | undefined };
  /** Its object is known, is this incarnation, and has not ended: only then it may speak. */
  entry: PodEntry | undefined;
}
