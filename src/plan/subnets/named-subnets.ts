// Which subnets anybody names: eni-config and what may be laid over it, and PodNetworkings.
import type { ConfigMap } from "../../api/kinds/core.ts";
import type { PodNetworking } from "../../api/kinds/pod-networking.ts";
import { readJsonText } from "../../base/json-text.ts";

const namespace = "kube-system";
const settingsKey = "eni_conf";

/** Returns the ids, sorted. A text that cannot be read names nothing here: the nodes say what is wrong with it. */
export function namedSubnets(
  configMaps: Iterable<ConfigMap>,
  podNetworkings: Iterable<PodNetworking>,
): readonly string[] {
  const ids = new Set<string>();
  for (const { metadata, data } of configMaps) {
    const text = data?.[settingsKey];
    if (metadata.namespace !== namespace || text === undefined) continue;
    for (const id of idsOf(text)) ids.add(id);
  }
  for (const { spec } of podNetworkings) for (const id of spec.vSwitchOptions ?? []) ids.add(id);
  return [...ids].toSorted();
}

function idsOf(text: string): string[] {
  const reading = readJsonText(text);
  const zones = "why" in reading ? undefined : (reading.value as { vswitches?: unknown } | null)?.vswitches;
  if (typeof zones !== "object" || zones === null) return [];
  return Object.values(zones)
    .flat()
    .filter((id): id is string => typeof id === "string" && id !== "");
}
