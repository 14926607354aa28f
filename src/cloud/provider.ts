// What Trunkline asks of a provider of subnets. Every implementation runs the suite in provider.suite.ts.
//
// A call that fails says either what the provider refused (`cloud.refused`, nothing was done unless said otherwise) or
// that there was no answer (`cloud.no-answer`, and it may have been done). A call that makes something carries a token:
// repeated with the same one it does nothing twice, and answers as the first time.

import type { Node } from "../api/kinds/core.ts";
import type { Subnet } from "../api/kinds/subnet.ts";
import { isError } from "../base/errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { CloudInterface, CloudSubnet, InstanceLimits, InterfaceStatus, InterfaceType } from "./types.ts";

export interface CreateInterface {
  /** Idempotency token: at most 64 ASCII characters, new for every interface that is wanted. */
  readonly token: string;
  readonly vSwitchID: string;
  /** One to ten. */
  readonly securityGroupIDs: readonly string[];
  readonly type: Exclude<InterfaceType, "Primary" | "Member">;
  /** This very address as its primary one; default: any. */
  readonly address?: string;
  /** How many addresses it has in all, the primary one included; default 1. */
  readonly addressCount?: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface AttachInterface {
  readonly id: string;
  readonly instanceID: string;
  /** Makes it a member of that trunk of the machine. */
  readonly trunkENIID?: string;
}

export interface AssignAddresses {
  readonly token: string;
  readonly id: string;
  /** How many more, at least 1. */
  readonly count: number;
}

/** All given conditions must hold. */
export interface InterfaceFilter {
  readonly ids?: readonly string[];
  readonly instanceID?: string;
  readonly vSwitchID?: string;
  readonly type?: InterfaceType;
  readonly status?: InterfaceStatus;
  /** Every one of them with that value. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** Returns whether all conditions of a filter hold for an interface. */
export function isWanted(
  one: Omit<CloudInterface, "zone">,
  { ids, instanceID, vSwitchID, type, status, tags = {} }: InterfaceFilter,
): boolean {
  return (
    (ids?.includes(one.id) ?? true) &&
    (instanceID === undefined || one.instanceID === instanceID) &&
    (vSwitchID === undefined || one.vSwitchID === vSwitchID) &&
    (type === undefined || one.type === type) &&
    (status === undefined || one.status === status) &&
    Object.entries(tags).every(([key, value]) => one.tags[key] === value)
  );
}

/** @throws (all of them) `cloud.refused`, `cloud.no-answer` */
export interface CloudProvider {
  /** Returns those of the named vSwitches that exist. */
  describeSubnets(ids: readonly string[]): Promise<readonly CloudSubnet[]>;
  /** Returns the ids of those of the named groups that exist. */
  describeSecurityGroups(ids: readonly string[]): Promise<readonly string[]>;
  describeInterfaces(filter: InterfaceFilter): Promise<readonly CloudInterface[]>;
  /** Returns what a machine may have. Costs no call of the cloud's more than once. */
  describeInstance(instanceID: string): Promise<InstanceLimits>;
  /** Returns the interface, which is Available and attached to nothing. */
  createInterface(request: CreateInterface): Promise<CloudInterface>;
  /** Settles when the provider has begun; the interface is InUse some time later. Succeeds if it is so already. */
  attachInterface(request: AttachInterface): Promise<void>;
  /** Settles when the provider has begun; the interface is Available some time later. Succeeds if it is so already. */
  detachInterface(request: AttachInterface): Promise<void>;
  /** Deletes one that is Available; succeeds if there is none. To be believed only once it is listed no more. */
  deleteInterface(id: string): Promise<void>;
  /** Returns the addresses that it gave. */
  assignAddresses(request: AssignAddresses): Promise<readonly string[]>;
  /** Takes addresses (never the primary one) from an interface; those that it does not have are no error. */
  unassignAddresses(id: string, addresses: readonly string[]): Promise<void>;
}

/** Names of the cloud's calls, as in its documentation. */
export type CloudCall =
  | "CreateNetworkInterface"
  | "DescribeNetworkInterfaces"
  | "AttachNetworkInterface"
  | "DetachNetworkInterface"
  | "DeleteNetworkInterface"
  | "AssignPrivateIpAddresses"
  | "UnassignPrivateIpAddresses"
  | "DescribeVSwitches"
  | "DescribeSecurityGroups";

export const cloudCalls: readonly CloudCall[] = [
  "CreateNetworkInterface",
  "DescribeNetworkInterfaces",
  "AttachNetworkInterface",
  "DetachNetworkInterface",
  "DeleteNetworkInterface",
  "AssignPrivateIpAddresses",
  "UnassignPrivateIpAddresses",
  "DescribeVSwitches",
  "DescribeSecurityGroups",
];

/** Returns the provider's own code of a refusal, or undefined for any other error. */
export function cloudCodeOf(error: unknown): string | undefined {
  return isError(error, "cloud.refused") ? error.data.cloudCode : undefined;
}

/** Both mean that a vSwitch has no address left. */
const exhaustedCodes = new Set(["InvalidVSwitchId.IpNotEnough", "QuotaExceeded.PrivateIpAddress"]);
const fullCodes = new Set([
  "EniPerInstanceLimitExceeded",
  "InvalidOperation.EniCountExceeded",
  "InvalidOperation.Ipv4CountExceeded",
  "InvalidOperation.MemberCountExceeded",
]);

/** Returns whether the vSwitch had no address to give. */
export function isExhausted(error: unknown): boolean {
  return exhaustedCodes.has(cloudCodeOf(error) ?? "");
}

/** Returns whether the machine or the interface may have no more. */
export function isFull(error: unknown): boolean {
  return fullCodes.has(cloudCodeOf(error) ?? "");
}

/** Returns whether the provider asks for patience: the same call with the same token may succeed later. */
export function isThrottled(error: unknown): boolean {
  return /^Throttling(\.|$)/.test(cloudCodeOf(error) ?? "");
}

/** Returns whether nobody knows if the call was carried out. */
export function isUnanswered(error: unknown): boolean {
  return isError(error, "cloud.no-answer");
}

/** By name. */
export interface PlugFacts {
  readonly subnets: ReadonlyMap<string, Subnet>;
  readonly nodes: ReadonlyMap<string, Node>;
}

/** What a node has to know of an interface to have a link for it. */
export interface PluggedInterface {
  readonly id: string;
  readonly mac: string;
  readonly vSwitchID: string;
  readonly addresses: readonly string[];
}

/** Makes the node's links of what is attached to it, where no cloud plugs anything in. */
export interface Plugs {
  /** Makes the link of one interface, if it is not there; it answers for the addresses. @throws what the kernel says */
  plug(kernel: Kernel, one: PluggedInterface): void;
  /** The same for all; returns what went wrong, in words. */
  sync(kernel: Kernel, wanted: readonly PluggedInterface[]): readonly string[];
  /** Removes links of interfaces that are not wanted (by id). */
  tidy(kernel: Kernel, wanted: ReadonlySet<string>): Promise<void>;
}

/** What an agent is told of its provider of subnets. */
export interface ProviderPlace {
  readonly provider: CloudProvider;
  /** Who makes the links; undefined: the provider does. */
  readonly plugs?: ((place: { readonly facts: PlugFacts; readonly node: string }) => Plugs) | undefined;
  /** The provider knows machines by their nodes' names. */
  readonly machinesAreNodes?: boolean;
  /** Whether the provider enforces a security group whose rules Trunkline does not have; default: nobody does. */
  readonly filtersGroup?: (id: string) => boolean;
  /** Members of a trunk send and take with the trunk's MAC address, and not with their own. */
  readonly membersShareMac?: boolean;
  /** Name of the cluster, for the tags of what is made for it. */
  readonly cluster: string;
}
