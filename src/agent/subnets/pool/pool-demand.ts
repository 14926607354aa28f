// Who wants addresses of a node's pool, read from objects: pods that are to start here, and what other nodes have.
import { isTerminal, type Pod, podIps } from "../../../api/kinds/core.ts";
import type { ClusterFacts } from "../../../plan/facts.ts";
import { waitsForAddress, wantsOwnNetwork } from "../../../plan/subnets/demand.ts";
import type { Holder, PoolBook } from "./pool-book.ts";

export interface PoolDemandOptions {
  readonly node: string;
  readonly facts: ClusterFacts;
  readonly book: PoolBook;
}

export class PoolDemand {
  readonly #options: PoolDemandOptions;

  constructor(options: PoolDemandOptions) {
    this.#options = options;
  }

  /**
   * Returns how many pods of this node have no address yet, those for which no ADD has come among them.
   * @param waiters those for which one has come
   */
  waiting(waiters: readonly Holder[]): number {
    const served = this.#options.book.podUids;
    const uids = new Set(waiters.map(({ uid }) => uid));
    for (const pod of this.#here())
      if (needsAddress(pod) && !served.has(pod.metadata.uid)) uids.add(pod.metadata.uid);
    return Math.max(uids.size, waiters.length);
  }

  /** Returns how many pods of this node were told to wait and are older: where there is not enough for all, they come first. */
  olderThan({ uid }: Holder): number {
    const served = this.#options.book.podUids;
    const here = this.#here();
    const own = here.find(({ metadata }) => metadata.uid === uid);
    const age = own?.metadata.creationTimestamp ?? "";
    return here.filter(
      (pod) => waitsForAddress(pod) && !served.has(pod.metadata.uid) && pod.metadata.creationTimestamp < age,
    ).length;
  }

  /** Returns how many addresses of these vSwitches other nodes have, as they say. */
  elsewhere(vSwitchIDs: readonly string[]): number {
    const { facts, node } = this.#options;
    return [...facts.nodeConfigs]
      .filter(([name]) => name !== node)
      .flatMap(([, { status }]) => status?.interfaces ?? [])
      .filter(({ vSwitchID }) => vSwitchIDs.includes(vSwitchID))
      .reduce((sum, { used, idle }) => sum + used + idle, 0);
  }

  /** Returns how many nodes are after addresses of subnets, this one included. `needy`: nodes with pods that have no address. */
  contenders(needy: Iterable<string>): number {
    const { facts, node } = this.#options;
    const hasSubnets = (name: string) => (facts.nodeConfigs.get(name)?.status?.vSwitchIDs ?? []).length > 0;
    return new Set([node, ...[...needy].filter(hasSubnets)]).size;
  }

  #here(): Pod[] {
    const { facts, node } = this.#options;
    return [...facts.pods.values()].filter(({ spec }) => spec.nodeName === node);
  }
}

/** Returns whether a pod is to have an address and has none. Pods that are being deleted, and those that have ended, are no demand. */
export function needsAddress(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    pod.spec.hostNetwork !== true &&
    !isTerminal(pod) &&
    podIps(pod).length === 0 &&
    !wantsOwnNetwork(pod)
  );
}
