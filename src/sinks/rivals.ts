// Two sinks with one place: each would write over what the other has put there, and both would say that they hold their list.
import type { AddressList, AddressListSink } from "../api/kinds/address-list.ts";

export interface Rival {
  readonly list: string;
  readonly sink: string;
}

/**
 * Returns who has a sink's place already: a sink of an older list, or an earlier one of the same list.
 * @param isHere whether a sink is on the machine in question
 */
export function rivalOf(
  lists: Iterable<AddressList>,
  isHere: (sink: AddressListSink) => boolean,
  own: AddressList,
  sink: AddressListSink,
): Rival | undefined {
  const places = new Set(placesOf(own.metadata.name, sink));
  const before = [...lists].filter((list) => isBefore(list, own));
  for (const list of [...before.toSorted((a, b) => (isBefore(a, b) ? -1 : 1)), own])
    for (const other of list.spec.sinks ?? []) {
      if (list === own && other.name === sink.name) return undefined;
      if (isHere(other) && placesOf(list.metadata.name, other).some((one) => places.has(one)))
        return { list: list.metadata.name, sink: other.name };
    }
  return undefined;
}

function isBefore({ metadata: a }: AddressList, { metadata: b }: AddressList): boolean {
  const [since, other] = [a.creationTimestamp ?? "", b.creationTimestamp ?? ""];
  return since === other ? a.name < b.name : since < other;
}

/**
 * What a sink writes as a whole; in one pg_hba.conf and one security group each list has a part of its own. What the server
 * behind an URL makes of several lists is its own business.
 */
function placesOf(list: string, sink: AddressListSink): string[] {
  const { file, nginx, haproxy, nft, postgres, configMap, rds, redis, securityGroup } = sink;
  const path = (file ?? nginx ?? haproxy)?.path;
  if (path !== undefined) return [`file ${path}`];
  if (postgres) return [`file ${postgres.path}, list ${list}`];
  if (nft) {
    const { family, table, ipv4Set, ipv6Set } = nft;
    return [ipv4Set, ipv6Set].flatMap((set) => (set === undefined ? [] : `set ${family} ${table} ${set}`));
  }
  if (configMap) return [`ConfigMap ${configMap.namespace}/${configMap.name}`];
  if (securityGroup) return [`group ${securityGroup.region} ${securityGroup.group}, list ${list}`];
  const [kind, cloud] = rds ? ["rds", rds] : ["redis", redis];
  return cloud ? [`${kind} ${cloud.region} ${cloud.instance} ${cloud.listName ?? `trunkline_${list}`}`] : [];
}
