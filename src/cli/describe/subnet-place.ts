// Where in the network around the cluster a pod's address stands: interface, subnet and groups.
import { nodeKind, type Pod, podIps } from "../../api/kinds/core.ts";
import { ipPoolKind } from "../../api/kinds/ip-pool.ts";
import { nodeConfigKind } from "../../api/kinds/node-config.ts";
import { podEniKind } from "../../api/kinds/pod-eni.ts";
import { subnetKind } from "../../api/kinds/subnet.ts";
import { type Kind, type KubeObject, keyOf } from "../../api/object.ts";
import { podInterface } from "../../plan/subnets/pod-interface.ts";
import type { Store } from "../../store/store.ts";
import type { Lines } from "./lines.ts";

/** Returns nothing for pods whose addresses are of no subnet. @throws `store.…` */
export async function subnetLines(store: Store, pod: Pod): Promise<Lines> {
  if (podIps(pod).length === 0) return [];
  const all = async <T extends KubeObject>(kind: Kind<T>): Promise<ReadonlyMap<string, T>> =>
    new Map((await store.list(kind)).items.map((object) => [keyOf(object), object]));
  const subnets = await all(subnetKind);
  if (subnets.size === 0) return [];
  const found = podInterface(
    {
      subnets,
      pools: await all(ipPoolKind),
      podEnis: await all(podEniKind),
      nodeConfigs: await all(nodeConfigKind),
      nodes: await all(nodeKind),
    },
    pod,
  );
  if (!found) return [];
  const { kind, id, vid, vSwitchID, securityGroupIDs, held } = found;
  const spec = subnets.get(vSwitchID)?.spec;
  const whose = held ? `by PodENI/${keyOf(pod)}` : `of node ${pod.spec.nodeName ?? ""}`;
  const vlan = vid === undefined ? "" : `, VLAN ${vid}`;
  return [
    ["Interface", `${id ?? "not told yet"} (${kind}${vlan}, ${whose})`],
    ["Subnet", spec ? `${vSwitchID} (${spec.cidr}, zone ${spec.zone})` : vSwitchID],
    ["Security groups", securityGroupIDs.join(", ") || "<none>"],
  ];
}
