// A manager keeps one part of the node's kernel equal to its plan. The agent calls it from one queue, so a manager
// never runs beside itself. `apply` reads what it needs, changes only what differs, and may be called at any time.
import type { Registry } from "prom-client";
import type { EventGroup } from "../../kernel/kernel.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";

/** What changed in the kernel; others-rules: nftables tables that are not ours. */
export type NewsGroup = EventGroup | "others-rules";

/** Keys (`namespace/name` or name) that changed since the last call, by plural name of the kind; "all" after a relist. */
export type Changes = ReadonlyMap<string, ReadonlySet<string> | "all">;

/** Returns whether that object, of a kind by its plural name, may have changed. */
export function concerns(changes: Changes, kind: string, key: string): boolean {
  const keys = changes.get(kind);
  return keys === "all" || keys?.has(key) === true;
}

export interface Manager {
  readonly name: string;
  /** Changes of these by somebody else (or by us) call for `resync`; default: all but neighbours and others' rules. */
  readonly concerns?: readonly NewsGroup[];
  /** Changes of these kinds of objects (plural names, and "endpoints") are told; default: of all. */
  readonly kinds?: readonly string[];
  /**
   * Makes the kernel equal to the plan. Called once facts are in sync (with "all" for every kind), then after
   * every change of facts that it is told of. Endpoints are told as kind "endpoints", by the keys of `node.endpoints`.
   * @throws anything: the agent logs it, marks the node not ready, and tries again with back-off.
   */
  apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void>;
  /** Called after a kernel event that may have undone our work, or now and then: compare with the kernel itself. */
  resync(facts: ClusterFacts, node: NodeFacts): Promise<void>;
  /** The agent ends. What pods need stays in the kernel. */
  stop?(): void | Promise<void>;
  /** What keeps the node from being ready although all that is planned is done, worded. */
  notReady?(): readonly string[];
  /** What the health server answers about this part, by path, as JSON. */
  readonly answers?: Readonly<Record<string, (query: URLSearchParams) => Promise<unknown>>>;
  /** Puts what this part counts into the agent's metrics. */
  meter?(registry: Registry): void;
  /** For problems that belong on an object or the node: shown by describe, doctor and metrics. */
  problems?(): readonly { readonly code: string; readonly message: string; readonly object?: string }[];
}
