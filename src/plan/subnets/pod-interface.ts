// On which interface a pod's address stands, told from objects: the pod's own by its PodENI, else one of its node's.
import { type Pod, podIps } from "../../api/kinds/core.ts";
import type { ClusterFacts } from "../facts.ts";
import { subnetOf } from "./of-address.ts";
import { isExclusiveNode, type OwnKind, podUidAnnotation } from "./own-interface.ts";

type Facts = Pick<ClusterFacts, "subnets" | "pools" | "podEnis" | "nodeConfigs" | "nodes">;

export interface PodInterface {
  readonly kind: "shared" | OwnKind;
  readonly address: string;
  /** The provider's id; undefined where nobody has said it yet. */
  readonly id: string | undefined;
  readonly vSwitchID: string;
  /** Of a trunk's member. */
  readonly vid: number | undefined;
  readonly securityGroupIDs: readonly string[];
  /** A PodENI holds it for the pod. */
  readonly held: boolean;
}

/** Returns the interface that a pod's address stands on; undefined for pods without an address of a subnet. */
export function podInterface(facts: Facts, pod: Pod): PodInterface | undefined {
  if (pod.spec.hostNetwork === true) return undefined;
  const ips = podIps(pod);
  const { name, namespace = "default", uid } = pod.metadata;
  const podEni = facts.podEnis.get(`${namespace}/${name}`);
  const own = podEni?.metadata.annotations?.[podUidAnnotation] === uid ? podEni : undefined;
  const allocation = own?.spec.allocations?.find(({ ipv4 }) => ipv4 !== undefined && ips.includes(ipv4));
  if (allocation?.ipv4 !== undefined) {
    const { id, vSwitchID = "", securityGroupIDs = [] } = allocation.eni;
    const info = own?.status?.eniInfos?.[id];
    const kind = info?.type === "Member" || allocation.eni.attachmentOptions?.trunk ? "trunk" : "exclusive";
    const common = { kind, address: allocation.ipv4, id, vSwitchID, held: true } as const;
    return { ...common, vid: info?.vid, securityGroupIDs };
  }
  for (const address of ips) {
    const subnet = subnetOf(facts, address);
    if (!subnet) continue;
    const node = pod.spec.nodeName ?? "";
    const { interfaces = [], securityGroupIDs: usual = [] } = facts.nodeConfigs.get(node)?.status ?? {};
    const found = interfaces.find((one) => one.addresses?.includes(address));
    return {
      kind: isExclusiveNode(facts.nodes.get(node)) ? "exclusive" : "shared",
      address,
      id: found?.id,
      vSwitchID: subnet.metadata.name,
      vid: undefined,
      securityGroupIDs: found?.securityGroupIDs ?? usual,
      held: false,
    };
  }
  return undefined;
}
