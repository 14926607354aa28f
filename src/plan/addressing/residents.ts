// Who lives in a pool: what whoever deletes it should know.
import { type AddressBlock, addressBlockKind } from "../../api/kinds/address-block.ts";
import { isTerminal, type Pod, podIps, podKind } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { cidrContains, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import type { Store } from "../../store/store.ts";

export interface Residents {
  /** `namespace/name` of the pods that have an address of the pool's range, in order. */
  readonly pods: readonly string[];
  /** Ranges of the blocks that nodes have claimed of it, in order of their names. */
  readonly blocks: readonly string[];
}

/** Returns what lives in a pool. */
export function residentsOf(pool: IPPool, blocks: readonly AddressBlock[], pods: readonly Pod[]): Residents {
  const range = tryParseCidr(pool.spec.cidr);
  const isInside = (address: string) => {
    const ip = tryParseIp(address);
    return range !== undefined && ip !== undefined && cidrContains(range, ip);
  };
  const living = pods.filter((pod) => pod.spec.hostNetwork !== true && !isTerminal(pod));
  return {
    pods: living
      .filter((pod) => podIps(pod).some(isInside))
      .map(({ metadata }) => `${metadata.namespace ?? "default"}/${metadata.name}`)
      .toSorted(),
    blocks: blocks
      .filter(({ spec }) => spec.pool === pool.metadata.name)
      .map(({ spec }) => spec.cidr)
      .toSorted(),
  };
}

/** Reads from a store what lives in a pool. @throws what the store throws */
export async function readResidents(store: Store, pool: IPPool): Promise<Residents> {
  const [blocks, pods] = await Promise.all([store.list(addressBlockKind), store.list(podKind)]);
  return residentsOf(pool, blocks.items, pods.items);
}

const named = 3;

/** Returns what to tell who deletes a pool; undefined where nothing lives in it. */
export function wordResidents(pool: IPPool, { pods, blocks }: Residents): string | undefined {
  if (pods.length === 0 && blocks.length === 0) return undefined;
  const { name } = pool.metadata;
  const where = blocks.length === 0 ? "" : ` (${countOf(blocks.length, "block")} of nodes)`;
  if (pods.length === 0)
    return `no pod has an address of pool ${name}${where}: its blocks go when their nodes give them up`;
  const others = pods.length > named ? " and others" : "";
  return (
    `${countOf(pods.length, "pod")} still ${pods.length === 1 ? "has an address" : "have addresses"} of pool ${name}${where}: ` +
    `${pods.slice(0, named).join(", ")}${others}; what has one keeps it, and counts as a pod, until it is deleted. ` +
    "What the pool said (natOutgoing) holds no more"
  );
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
