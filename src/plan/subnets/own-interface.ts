// The interface that a pod has to itself, read from its PodENI: a whole interface of the machine, or a member of its
// trunk. What of a PodENI does not fit the pod that asks is never used: it may be of an earlier pod of the same name, of
// another machine, or half way to either.
import type { Node } from "../../api/kinds/core.ts";
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import { subnetGateway } from "../../api/subnets.ts";
import { tryParseCidr, tryParseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../facts.ts";
import { waitReasonOf } from "./pod-eni/words.ts";

/** Uid of the pod that a PodENI serves. */
export const podUidAnnotation = "k8s.aliyun.com/pod-uid";
/** Label of nodes whose pods have an interface each; its value is `eniOnly`. */
const exclusiveLabel = "k8s.aliyun.com/exclusive-mode-eni-type";

/** Returns whether every pod of a node has an interface to itself. */
export function isExclusiveNode(node: Pick<Node, "metadata"> | undefined): boolean {
  return node?.metadata.labels?.[exclusiveLabel] === "eniOnly";
}

/** Returns the provider's id of a node's machine: the part of its providerID behind the region. */
export function instanceOf(node: Pick<Node, "spec"> | undefined): string | undefined {
  const id = node?.spec?.providerID;
  return id?.slice(id.lastIndexOf(".") + 1);
}

export type OwnKind = "exclusive" | "trunk";

export interface OwnAddress {
  /** The provider's id of the interface. */
  readonly id: string;
  readonly kind: OwnKind;
  readonly mac: string;
  /** Of a trunk's member. */
  readonly trunkENIID?: string;
  readonly vid?: number;
  readonly vSwitchID: string;
  readonly cidr: string;
  readonly gateway: string;
  /** IPv4, without prefix length. */
  readonly address: string;
  readonly securityGroupIDs: readonly string[];
}

/** What a PodENI has for a pod: an interface, or what it lacks still, in words that follow "waits for". */
export type OwnInterfaceResult =
  | { readonly ready: OwnAddress }
  | { readonly lacks: string; readonly reason?: string };

/**
 * Returns the interface that a pod has to itself.
 * @param instanceID the provider's id of this machine
 */
export function ownInterfaceOf(
  facts: Pick<ClusterFacts, "subnets">,
  podEni: PodENI | undefined,
  uid: string,
  instanceID: string | undefined,
): OwnInterfaceResult {
  if (!podEni)
    return { lacks: "its PodENI, which the controller makes: is it running?", reason: "ControllerAway" };
  const { metadata, spec, status } = podEni;
  const of = metadata.annotations?.[podUidAnnotation];
  const { phase = "", msg } = status ?? {};
  if (of !== uid) {
    const lacks = "its PodENI to be given over: it is an earlier pod's of that name";
    // Nobody has even begun to take it from the earlier pod, or to give it to this one.
    const isIdle = metadata.deletionTimestamp === undefined && (phase === "Bind" || phase === "Unbind");
    return isIdle && waitReasonOf(msg) === undefined
      ? { lacks: `${lacks}; is the controller running?`, reason: "ControllerAway" }
      : { lacks, ...reasonIn(msg) };
  }
  const because = msg === undefined || msg === "" ? "" : ` (${msg})`;
  if (metadata.deletionTimestamp !== undefined) return { lacks: "a new PodENI: this one is being deleted" };
  if (phase !== "Bind")
    return { lacks: `its PodENI to be in phase Bind; it is in '${phase}'${because}`, ...reasonIn(msg) };
  if (instanceID === undefined || status?.instanceID !== instanceID)
    return {
      lacks: `its interface to be attached here; it is attached to ${status?.instanceID ?? "nothing"}`,
    };
  // Several interfaces a pod are refused at admission.
  const first = spec.allocations?.[0];
  if (!first) return { lacks: "an allocation in its PodENI" };
  const { id, mac, vSwitchID, securityGroupIDs = [] } = first.eni;
  const info = status.eniInfos?.[id];
  if (info?.status !== "Bind") return { lacks: `interface ${id} to be attached` };
  const subnet = facts.subnets.get(vSwitchID ?? "")?.spec;
  const cidr = subnet?.cidr ?? first.ipv4CIDR;
  const address = first.ipv4 === undefined ? undefined : tryParseIp(first.ipv4);
  if (mac === undefined || vSwitchID === undefined || address?.family !== 4 || first.ipv4 === undefined)
    return { lacks: `the address of interface ${id} in its PodENI` };
  if (cidr === undefined || !tryParseCidr(cidr)) return { lacks: `the range of vSwitch ${vSwitchID}` };
  const isMember = info.type === "Member";
  if (isMember && (info.vid === undefined || status.trunkENIID === undefined))
    return { lacks: `the VLAN id of interface ${id}` };
  return {
    ready: {
      id,
      kind: isMember ? "trunk" : "exclusive",
      mac: mac.toLowerCase(),
      ...(isMember && { trunkENIID: status.trunkENIID!, vid: info.vid! }),
      vSwitchID,
      cidr,
      gateway: subnetGateway({ cidr, ...(subnet?.gateway !== undefined && { gateway: subnet.gateway }) }),
      address: first.ipv4,
      securityGroupIDs: securityGroupIDs.toSorted(),
    },
  };
}

function reasonIn(msg: string | undefined): { readonly reason?: string } {
  const reason = waitReasonOf(msg);
  return reason === undefined ? {} : { reason };
}
