// Changes of objects that no plan is made from. Every kubelet writes its Node when it has pulled an image, and every few
// minutes because it lives; every agent writes on BGPPeers how its sessions stand, and on its blocks how full they are; a
// Subnet says how much is left of it, which is less with every pod. With thousands of nodes somebody always does, and each
// would have every node plan anew.
import { equalJson } from "../api/equal.ts";
import { addressBlockKind } from "../api/kinds/address-block.ts";
import type { Condition } from "../api/kinds/core.ts";
import { nodeKind } from "../api/kinds/core.ts";
import { bgpPeerKind } from "../api/kinds/routing/bgp.ts";
import { type Subnet, subnetKind } from "../api/kinds/subnet.ts";
import type { KubeObject } from "../api/object.ts";
import type { ObjectChange } from "../store/informer.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Of a Node's status: what its kubelet holds, and no more. */
const kubeletsOwn = ["images", "volumesInUse", "volumesAttached", "runtimeHandlers"];
const serversOwn = ["resourceVersion", "managedFields"];

/** What plans are made from of an object's status, where that is not all of it. */
const plannedStatus: ReadonlyMap<string, (status: Fields) => Fields> = new Map([
  [nodeKind.plural, nodeStatus],
  [bgpPeerKind.plural, () => ({})],
  [addressBlockKind.plural, () => ({})],
  [subnetKind.plural, subnetStatus],
]);

/**
 * Returns whether an object of that kind (plural) has changed in nothing that plans are made from: most changes of pods on other
 * nodes are of what is not even kept of them.
 */
export function isIdleChange(kind: string, { type, object, previous }: ObjectChange<KubeObject>): boolean {
  if (type !== "modified") return false;
  const status = plannedStatus.get(kind) ?? ((all: Fields) => all);
  // What is left is of use to who waits, once it is more than it was.
  if (kind === subnetKind.plural && leftOf(object) > leftOf(previous)) return false;
  return equalJson(planned(previous, status), planned(object, status));
}

function planned(object: KubeObject, ofStatus: (status: Fields) => Fields): Fields {
  const { metadata, status, ...rest } = object as KubeObject & { readonly status?: Fields };
  return {
    ...rest,
    metadata: without(metadata as unknown as Fields, serversOwn),
    status: ofStatus(status ?? {}),
  };
}

function nodeStatus(status: Fields): Fields {
  const { conditions } = status;
  return {
    ...without(status, kubeletsOwn),
    ...(Array.isArray(conditions) && {
      conditions: conditions.map((one: Fields) => without(one, ["lastHeartbeatTime"])),
    }),
  };
}

function subnetStatus({ conditions }: Fields): Fields {
  const said = Array.isArray(conditions) ? (conditions as readonly Condition[]) : [];
  return { conditions: said.map(({ type, status, reason }) => [type, status, reason]) };
}

function leftOf(subnet: KubeObject): number {
  return (subnet as Subnet).status?.availableAddresses ?? 0;
}

function without(fields: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}
