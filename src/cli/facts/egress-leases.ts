// Whether the nodes that objects name as holders of egress addresses still renew their leases.
import { setTimeout as sleep } from "node:timers/promises";
import { leaseKind } from "../../api/kinds/lease.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { EGRESS_LEASES, LEASE_MS, leaseName } from "../../plan/snat/election.ts";
import type { Store } from "../../store/store.ts";

/** Returns the egress addresses whose holder does not renew its lease, or has none. Clocks may differ: who seems late is watched. */
export async function staleEgress(store: Store, { sourceNats }: ClusterFacts): Promise<ReadonlySet<string>> {
  const holders = new Map(
    [...sourceNats.values()].flatMap(({ status }) =>
      (status?.holders ?? []).map(({ address, node }) => [address, node] as const),
    ),
  );
  const versionOf = async (address: string) => {
    const lease = await store.get(leaseKind, leaseName(address), EGRESS_LEASES);
    const isHolders = lease?.spec?.holderIdentity === holders.get(address);
    const renewed = Date.parse(lease?.spec?.renewTime ?? "");
    const isFresh = isHolders && Math.abs(Date.now() - renewed) < LEASE_MS;
    return { isFresh, version: isHolders ? lease?.metadata.resourceVersion : undefined };
  };
  const late = new Map<string, string | undefined>();
  for (const address of holders.keys()) {
    const { isFresh, version } = await versionOf(address);
    if (!isFresh) late.set(address, version);
  }
  if (late.size === 0) return new Set();
  await sleep(LEASE_MS);
  const stale = new Set<string>();
  for (const [address, before] of late) {
    const { isFresh, version } = await versionOf(address);
    if (!isFresh && version === before) stale.add(address);
  }
  return stale;
}
