// Whose turn it is where a vSwitch has too little for all that wait, on whichever node: the oldest pods come first. Nobody
// hands addresses out for all nodes, so a node takes no more than its own pods' share of what is left, and lets others go
// first for a while where it has none; not for longer, as those may wait for something else by then.
import type { ClusterFacts } from "../../../plan/facts.ts";
import { waitsForAddress } from "../../../plan/subnets/demand.ts";

type TurnFacts = Pick<ClusterFacts, "pods" | "nodeConfigs" | "subnets">;

/** How long a node lets others go first, in milliseconds. */
const YIELD_MS = 2000;

/**
 * Returns how many of a node's waiting pods are among the oldest ones that what is left is enough for; undefined where nobody
 * waits elsewhere, and the node may take what it likes.
 */
export function turnOf(facts: TurnFacts, node: string, vSwitchIDs: readonly string[]): number | undefined {
  const wanted = new Set(vSwitchIDs);
  const waiting: { readonly isOwn: boolean; readonly age: string }[] = [];
  for (const [key, pod] of facts.pods) {
    const { nodeName = "" } = pod.spec;
    if (!waitsForAddress(pod)) continue;
    const isOwn = nodeName === node;
    const ids = isOwn ? vSwitchIDs : (facts.nodeConfigs.get(nodeName)?.status?.vSwitchIDs ?? []);
    // Stamps are of whole seconds.
    if (ids.some((id) => wanted.has(id)))
      waiting.push({ isOwn, age: `${pod.metadata.creationTimestamp} ${key}` });
  }
  if (waiting.every(({ isOwn }) => isOwn)) return undefined;
  const free = vSwitchIDs.reduce(
    (sum, id) => sum + (facts.subnets.get(id)?.status?.availableAddresses ?? 0),
    0,
  );
  const first = waiting.toSorted((a, b) => (a.age < b.age ? -1 : 1)).slice(0, Math.max(1, free));
  return first.filter(({ isOwn }) => isOwn).length;
}

/** How long a node has let others go first. */
export class Yielding {
  readonly #steady: () => number;
  #since: number | undefined;

  /** @param steady milliseconds of a clock that only goes forward */
  constructor(steady: () => number) {
    this.#steady = steady;
  }

  /** Returns how many of `short` addresses a node asks for now; 0: others go first. @param turn see turnOf */
  share(short: number, turn: number | undefined): number {
    if (turn === undefined || turn > 0) {
      this.#since = undefined;
      return Math.min(short, turn ?? short);
    }
    const now = this.#steady();
    this.#since ??= now;
    if (now - this.#since < YIELD_MS) return 0;
    this.#since = undefined;
    return short;
  }
}
