// How a pod came by its address: which block of which pool, whose block it is, and why that pool.
import type { Pod } from "../api/kinds/core.ts";
import { cidrContains, tryParseCidr, tryParseIp } from "../base/ip.ts";
import { chooseAddresses, type Reason } from "../plan/addressing/choose.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { blockRange } from "../plan/routing/block-range.ts";
import { podNetworkingAnnotation } from "../plan/subnets/demand.ts";
import { subnetOf } from "../plan/subnets/of-address.ts";
import { podInterface } from "../plan/subnets/pod-interface.ts";
import type { End } from "./ends.ts";
import { isOnNode, nodeOf } from "./ends.ts";

export interface Provenance {
  /** The end that has the address. */
  readonly of: string;
  readonly address: string;
  readonly node?: string;
  readonly pool?: string;
  /** Range of the block. */
  readonly block?: string;
  /** The node that owns the block, where it is not the pod's own. */
  readonly lender?: string;
  /** Id of the vSwitch. */
  readonly vSwitch?: string;
  readonly reason: string;
  /** Why those pools, with the objects that decide it; as the objects stand now. */
  readonly chosen?: readonly Reason[];
}

/** Returns how an end came by one of its addresses. */
export function provenanceOf(facts: ClusterFacts, end: End, address: string): Provenance {
  const node = nodeOf(end);
  const base = { of: end.name, address, ...(node === undefined ? {} : { node }) };
  if (end.type === "address") return { ...base, reason: whyNobodys(facts, address) };
  if (end.type === "host") return { ...base, reason: "an address of a host outside of the cluster" };
  if (isOnNode(end)) {
    const why =
      end.type === "node" ? "the node's own address" : `hostNetwork: the pod uses the address of ${node}`;
    return { ...base, reason: why };
  }
  const ip = tryParseIp(address);
  for (const block of facts.blocks.values()) {
    const range = blockRange(block)?.range;
    if (!ip || !range || !cidrContains(range, ip)) continue;
    const { pool, cidr, node: owner } = block.spec;
    const whole = facts.pools.get(pool)?.spec.cidr;
    const loan = block.spec.loans?.find((one) => one.address === address);
    return {
      ...base,
      pool,
      block: cidr,
      ...(loan ? { lender: owner } : {}),
      reason: `from block ${cidr} of ${owner}${loan ? `, which lent it to ${loan.node}` : ""}, cut from pool ${pool}${whole === undefined ? ", which is no longer there" : ` (${whole})`}`,
      ...(end.type === "pod" && node !== undefined ? { chosen: choiceOf(facts, end.pod, node) } : {}),
    };
  }
  const subnet = subnetOf(facts, address);
  if (subnet) {
    const { name } = subnet.metadata;
    const { cidr, zone } = subnet.spec;
    const own = end.type === "pod" ? podInterface(facts, end.pod) : undefined;
    const source = own?.held
      ? `, on interface ${own.id}, which is the pod's alone (${own.kind}${own.vid === undefined ? "" : `, VLAN ${own.vid}`})`
      : node === undefined
        ? ""
        : `, by the configuration of ${node} (NodeConfig/${node})`;
    return { ...base, vSwitch: name, reason: `of vSwitch ${name} (${cidr}, zone ${zone})${source}` };
  }
  return { ...base, reason: "no block of any pool holds it" };
}

/** An address that nobody has may all the same be one that somebody could get. */
function whyNobodys(facts: ClusterFacts, address: string): string {
  const ip = tryParseIp(address);
  const holds = (text: string) => {
    const range = tryParseCidr(text);
    return ip !== undefined && range !== undefined && cidrContains(range, ip);
  };
  const block = [...facts.blocks.values()].find(({ spec }) => holds(spec.cidr));
  if (block) return `free: no pod has this address of block ${block.spec.cidr} of ${block.spec.node}`;
  const pool = [...facts.pools.values()].find(({ spec }) => holds(spec.cidr));
  if (pool) return `free: no node has claimed a block of pool ${pool.metadata.name} that holds it`;
  return "an address outside of the cluster that no object names";
}

/** What decided where a pod's address is from. */
export interface AddressDecision {
  readonly decidedBy: "PodNetworking" | "NodeConfig" | "annotation" | "pool";
  /** `KIND/NAME` */
  readonly object: string;
  readonly vSwitchID: string | null;
  readonly interface: "shared" | "trunk" | "exclusive" | null;
  readonly vid: number | null;
}

/** Returns what decided where a pod's address is from; undefined for all who are no pods with an address of their own. */
export function decisionAbout(facts: ClusterFacts, end: End, from: Provenance): AddressDecision | undefined {
  if (end.type !== "pod" || isOnNode(end)) return undefined;
  const { pool, node } = from;
  const { name, namespace = "default", annotations = {} } = end.pod.metadata;
  const found = podInterface(facts, end.pod);
  const place = found && { vSwitchID: found.vSwitchID, interface: found.kind, vid: found.vid ?? null };
  if (place && found.held) {
    const network = annotations[podNetworkingAnnotation];
    return network === undefined
      ? { decidedBy: "annotation", object: `Pod/${namespace}/${name}`, ...place }
      : { decidedBy: "PodNetworking", object: `PodNetworking/${network}`, ...place };
  }
  if (place) return { decidedBy: "NodeConfig", object: `NodeConfig/${node ?? ""}`, ...place };
  const ofNamespace = facts.namespaces.get(namespace)?.metadata.annotations ?? {};
  const asks = (texts: object) =>
    Object.keys(texts).some((key) => /^cni\.projectcalico\.org\/ip(v[46]pools|Addrs)$/.test(key));
  const none = { vSwitchID: null, interface: null, vid: null };
  if (asks(annotations)) return { decidedBy: "annotation", object: `Pod/${namespace}/${name}`, ...none };
  if (asks(ofNamespace)) return { decidedBy: "annotation", object: `Namespace/${namespace}`, ...none };
  return pool === undefined ? undefined : { decidedBy: "pool", object: `IPPool/${pool}`, ...none };
}

function choiceOf(facts: ClusterFacts, pod: Pod, node: string): readonly Reason[] {
  const { name, namespace = "default", annotations } = pod.metadata;
  return chooseAddresses(facts, { name, namespace, ...(annotations ? { annotations } : {}) }, node).reasons;
}
