// How much of a subnet is left, and for how many pods.
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import { isUsable, usableCount } from "../../api/subnets.ts";
import type { ClusterFacts } from "../facts.ts";
import { wantsOwnNetwork } from "./demand.ts";

export interface SubnetFigures {
  readonly totalAddresses: number;
  /** Those that no pod has and nobody holds; idle ones of nodes' pools are among them. */
  readonly availableAddresses: number;
  readonly servedPods: number;
  readonly shortBy: number;
}

export type CapacityFacts = Pick<ClusterFacts, "pods" | "nodeConfigs" | "podEnis">;

/**
 * Returns a subnet's figures.
 * @param foreign addresses of interfaces that are not the cluster's
 */
export function subnetFigures(
  facts: CapacityFacts,
  subnet: Pick<Subnet, "metadata" | "spec">,
  foreign: Iterable<string>,
): SubnetFigures {
  const { spec, metadata } = subnet;
  const taken = new Set<string>();
  const take = (address: string | undefined) => {
    if (address !== undefined && isUsable(spec, address)) taken.add(address);
  };
  let servedPods = 0;
  for (const pod of facts.pods.values()) {
    if (pod.spec.hostNetwork === true || isTerminal(pod)) continue;
    const own = podIps(pod);
    for (const address of own) take(address);
    if (own.some((address) => isUsable(spec, address)) || waitsFor(facts, pod, metadata.name)) servedPods++;
  }
  for (const { spec: held } of facts.podEnis.values())
    for (const { ipv4 } of held.allocations ?? []) take(ipv4);
  for (const address of foreign) take(address);
  const totalAddresses = usableCount(spec);
  const availableAddresses = totalAddresses - taken.size;
  const shortBy = Math.max(0, 2 * servedPods - availableAddresses);
  return { totalAddresses, availableAddresses, servedPods, shortBy };
}

/** A pod without an address waits for one of the first vSwitch of its node; one that is being deleted for none. */
function waitsFor({ nodeConfigs }: CapacityFacts, pod: Pod, subnet: string): boolean {
  const { nodeName } = pod.spec;
  if (nodeName === undefined || pod.metadata.deletionTimestamp !== undefined || podIps(pod).length > 0)
    return false;
  if (wantsOwnNetwork(pod)) return false;
  return nodeConfigs.get(nodeName)?.status?.vSwitchIDs?.[0] === subnet;
}
