// What `ipam check` asks the provider of subnets: a lab's cloud, or the book that the store has of switches of one's own.
import { subnetLedgerKind } from "../../api/kinds/subnet-ledger.ts";
import { textOf } from "../../base/errors.ts";
import { type CloudInterface, clusterOf } from "../../cloud/types.ts";
import { vlanProvider } from "../../cloud/vlan/provider.ts";
import { findLab } from "../../lab/life/state.ts";
import type { Finding } from "../../plan/addressing/check.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { checkSubnets, type ProviderView } from "../../plan/subnets/check.ts";
import { type StoreOptions, withStore } from "../context.ts";

/** Returns what is wrong with addresses of subnets; that the provider cannot be asked is told, too. */
export async function subnetFindings(options: StoreOptions, facts: ClusterFacts): Promise<Finding[]> {
  try {
    return checkSubnets(facts, await viewOf(options));
  } catch (error) {
    const message = `${textOf(error)}; interfaces were not looked at`;
    return [...checkSubnets(facts, undefined), { kind: "no-provider", what: "provider", message }];
  }
}

async function viewOf(options: StoreOptions): Promise<ProviderView> {
  const ledgers = await withStore(options, async (store) => {
    const { items } = await store.list(subnetLedgerKind);
    return items.length === 0
      ? undefined
      : vlanProvider({ store, securityGroupIDs: [] }).describeInterfaces({});
  });
  if (ledgers) return { cluster: clusterOf(ledgers) ?? "", interfaces: ledgers, now: Date.now() };
  if (options.store !== undefined || options.kubeconfig !== undefined)
    throw new Error("only the provider of a lab, and provider vlan, can be asked from here");
  const lab = findLab(options.lab);
  const { askLab } = await import("../../lab/control/client.ts");
  const { interfaces } = await askLab<{ interfaces: readonly CloudInterface[] }>(lab, "provider", {
    act: "show",
  });
  const { now } = await askLab<{ now: string }>(lab, "clock", {});
  return { cluster: lab.record.name, interfaces, now: Date.parse(now) };
}
