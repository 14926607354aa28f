// What the far side sees of one pod, exactly, and the range that the address is of: one answer for `trunkline allowlist`, for
// objects of kind AddressList, and for the agent that asks whether a pod's address is admitted already.
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import { keyOf } from "../../api/object.ts";
import { hostRange } from "../../base/ip.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { podNetworkingAnnotation } from "../../plan/subnets/demand.ts";
import { subnetOf } from "../../plan/subnets/of-address.ts";
import { holderOf } from "../../plan/subnets/pod-eni/ledger.ts";
import { isHeld } from "../../plan/subnets/pod-eni/words.ts";
import { type End, isOnNode, nodeOf } from "../ends.ts";
import { type Explanation, explain, sourceAsked } from "../explain.ts";
import type { Judges } from "../judges/judge.ts";
import type { Port } from "../ports.ts";
import type { Provenance } from "../provenance.ts";

export interface RangeSource {
  readonly range: string;
  readonly why: string;
}

export interface FoundSource extends RangeSource {
  /** What is seen of this very pod; undefined: it has no address yet. */
  readonly exact: string | undefined;
  /** Where `range` is one address of a subnet, all of that may be admitted instead, for the addresses to come. */
  readonly wider?: RangeSource;
}

/** All that decides flows; or what decides their sources, as far as objects tell. */
export type SourceJudges = Judges | Pick<Judges, "source">;

/** Returns what is seen of one pod, or why nothing can be told. */
export function sourcesOf(
  facts: ClusterFacts,
  judges: SourceJudges,
  end: End,
  to: End,
  port: Port | "icmp" | undefined,
): readonly FoundSource[] | string {
  if (end.addresses.length === 0) return ofConfiguration(facts, end);
  const { from, sourceSeen, reason, unknown, others } = seen(facts, judges, end, to, port);
  if (unknown !== undefined && sourceSeen === undefined) return unknown;
  const exact = asRange(sourceSeen ?? from.address);
  if (sourceSeen !== undefined && others.length > 0) {
    const why = `an address of ${nodeOf(end) ?? "its node"}: its routes decide which of them the far side sees`;
    return [sourceSeen, ...others].map(asRange).map((range) => ({ exact: range, range, why }));
  }
  if (sourceSeen !== undefined && sourceSeen !== from.address)
    return [{ exact, range: exact, why: `what the far side sees: ${reason}` }];
  if (isOnNode(end)) return [{ exact, range: exact, why: `the address of ${nodeOf(end) ?? "its node"}` }];
  const subnet = subnetOf(facts, from.address);
  if (subnet) {
    const { name } = subnet.metadata;
    const { cidr } = subnet.spec;
    const podEni = holderOf(facts, from.address);
    if (podEni && isHeld(podEni)) return [heldSource(podEni, exact, subnet)];
    if (podEni) {
      const network = podEni.metadata.annotations?.[podNetworkingAnnotation] ?? "";
      const why = `all of vSwitch ${name}, which PodNetworking ${network} has its pods in`;
      return [{ exact, range: cidr, why }];
    }
    return [{ exact, range: cidr, why: `all of vSwitch ${name}, which ${decider(end)} has its pods in` }];
  }
  return [{ exact, range: from.block ?? exact, why: from.reason }];
}

/** Returns what is said of an address that is held for a pod, whether or not it is there. */
export function heldSource(podEni: PodENI, exact: string, subnet: Subnet | undefined): FoundSource {
  const key = keyOf(podEni);
  const why = `held for pod ${key} (PodENI/${key}), whichever node it is on`;
  if (!subnet) return { exact, range: exact, why };
  const all = `the wider choice: all of vSwitch ${subnet.metadata.name}, so that pods to come need no change`;
  return { exact, range: exact, why, wider: { range: subnet.spec.cidr, why: all } };
}

interface Seen {
  readonly from: Provenance;
  readonly sourceSeen: string | undefined;
  readonly reason: string;
  readonly unknown: string | undefined;
  /** Addresses that may be seen instead, as far as objects tell. */
  readonly others: readonly string[];
}

/** Where the network is known whole, other programs' rules count; elsewhere only what objects decide. */
function seen(
  facts: ClusterFacts,
  judges: SourceJudges,
  end: End,
  to: End,
  port: Port | "icmp" | undefined,
): Seen {
  const told: Pick<Explanation, "from" | "snat" | "unknown"> & { readonly others?: readonly string[] } =
    needsAll(judges) ? explain(facts, judges, end, to, port) : sourceAsked(facts, judges, end, to, port);
  const { from, snat, unknown = [], others = [] } = told;
  const { sourceSeen, reason, action } = snat;
  // Of a pod whose packets are dropped the far side sees nothing.
  const doubts = action === "Drop" ? [reason] : unknown;
  return { from, sourceSeen, reason, unknown: doubts.length > 0 ? doubts.join(", ") : undefined, others };
}

function needsAll(judges: SourceJudges): judges is Judges {
  return "policies" in judges && (judges.network !== undefined || judges.stale.size > 0);
}

function decider(end: End): string {
  const node = nodeOf(end);
  return node === undefined ? "the network" : `the configuration of node ${node} (NodeConfig/${node})`;
}

/** A pod that waits: the vSwitches of its node's configuration are all that it can get. */
function ofConfiguration(facts: ClusterFacts, end: End): readonly FoundSource[] | string {
  const node = nodeOf(end);
  if (node === undefined) return "it has no node yet";
  if (isOnNode(end)) {
    const object = facts.nodes.get(node);
    return (object ? nodeIps(object) : []).map((ip) => ({
      exact: asRange(ip),
      range: asRange(ip),
      why: `the address of ${node}`,
    }));
  }
  const ids = facts.nodeConfigs.get(node)?.status?.vSwitchIDs ?? [];
  const ranges = ids.flatMap((id) => facts.subnets.get(id)?.spec.cidr ?? []);
  if (ranges.length === 0) return "it has no address yet";
  return ranges.map((range, at) => ({
    exact: undefined,
    range,
    why: `all of vSwitch ${ids[at]}, which ${decider(end)} has its pods in`,
  }));
}

/** An address, or a range of addresses from which the kernel picks one (`FIRST-LAST`), as it is admitted. */
export function asRange(text: string): string {
  return text.includes("/") || text.includes("-") ? text : hostRange(text);
}
