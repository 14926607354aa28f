// The parts of ECS's and VPC's answers that are read, and what becomes of them.
import { subnetGateway, usableCount } from "../../api/subnets.ts";
import type {
  CloudInterface,
  CloudSubnet,
  InstanceLimits,
  InterfaceStatus,
  InterfaceType,
} from "../types.ts";

export interface EniAnswer {
  readonly NetworkInterfaceId: string;
  readonly Type?: string;
  readonly Status?: string;
  readonly MacAddress?: string;
  readonly VSwitchId?: string;
  readonly ZoneId?: string;
  readonly InstanceId?: string;
  readonly PrivateIpAddress?: string;
  readonly PrivateIpSets?: {
    readonly PrivateIpSet?: readonly { readonly PrivateIpAddress?: string; readonly Primary?: boolean }[];
  };
  readonly SecurityGroupIds?: { readonly SecurityGroupId?: readonly string[] };
  readonly Tags?: {
    readonly Tag?: readonly {
      readonly TagKey?: string;
      readonly TagValue?: string;
      readonly Key?: string;
      readonly Value?: string;
    }[];
  };
  readonly CreationTime?: string;
  readonly Attachment?: {
    readonly InstanceId?: string;
    readonly TrunkNetworkInterfaceId?: string;
    /** Of a member: its VLAN id. */
    readonly DeviceIndex?: number;
  };
}

const statuses: Readonly<Record<string, InterfaceStatus>> = {
  Available: "Available",
  InUse: "InUse",
  Attaching: "Attaching",
  Creating: "Attaching",
  Linking: "Attaching",
};
const types: readonly InterfaceType[] = ["Primary", "Secondary", "Trunk", "Member"];

/** Returns an interface as all providers tell of them. A state that is not known is none in which anything may be done. */
export function interfaceOf(eni: EniAnswer): CloudInterface {
  const sets = eni.PrivateIpSets?.PrivateIpSet ?? [];
  const primary = sets.find((one) => one.Primary === true)?.PrivateIpAddress ?? eni.PrivateIpAddress;
  const all = sets.flatMap(({ PrivateIpAddress }) => PrivateIpAddress ?? []);
  const others = all.filter((address) => address !== primary);
  const { InstanceId, TrunkNetworkInterfaceId, DeviceIndex } = eni.Attachment ?? {};
  const instanceID = eni.InstanceId || InstanceId || undefined;
  const type = types.find((one) => one === eni.Type) ?? "Secondary";
  const isMember = type === "Member" || (TrunkNetworkInterfaceId ?? "") !== "";
  return {
    id: eni.NetworkInterfaceId,
    type: isMember ? "Member" : type,
    status: statuses[eni.Status ?? ""] ?? "Detaching",
    vSwitchID: eni.VSwitchId ?? "",
    zone: eni.ZoneId ?? "",
    ...(instanceID !== undefined && { instanceID }),
    ...(isMember && TrunkNetworkInterfaceId && { trunkENIID: TrunkNetworkInterfaceId }),
    ...(isMember && DeviceIndex && { vid: DeviceIndex }),
    mac: (eni.MacAddress ?? "").toLowerCase(),
    securityGroupIDs: eni.SecurityGroupIds?.SecurityGroupId ?? [],
    addresses: [...(primary === undefined ? [] : [primary]), ...others],
    tags: Object.fromEntries(
      (eni.Tags?.Tag ?? []).map(({ TagKey, TagValue, Key, Value }) => [
        TagKey ?? Key ?? "",
        TagValue ?? Value ?? "",
      ]),
    ),
    createdAt: eni.CreationTime ?? "",
  };
}

export interface VSwitchAnswer {
  readonly VSwitchId: string;
  readonly ZoneId: string;
  readonly CidrBlock: string;
  readonly AvailableIpAddressCount: number;
}

/** @throws `base.cidr` */
export function subnetOf({
  VSwitchId,
  ZoneId,
  CidrBlock,
  AvailableIpAddressCount,
}: VSwitchAnswer): CloudSubnet {
  const range = { cidr: CidrBlock };
  return {
    id: VSwitchId,
    zone: ZoneId,
    cidr: CidrBlock,
    gateway: subnetGateway(range),
    total: usableCount(range),
    available: AvailableIpAddressCount,
  };
}

export interface InstanceTypeAnswer {
  readonly EniQuantity?: number;
  readonly EniPrivateIpAddressQuantity?: number;
  readonly EniTotalQuantity?: number;
  readonly EniTrunkSupported?: boolean;
}

export function limitsOf(instanceID: string, type: InstanceTypeAnswer): InstanceLimits {
  const { EniQuantity = 0, EniPrivateIpAddressQuantity = 0, EniTotalQuantity = 0, EniTrunkSupported } = type;
  return {
    instanceID,
    adapters: EniQuantity,
    ipv4PerAdapter: EniPrivateIpAddressQuantity,
    memberAdapterLimit: EniTrunkSupported === true ? Math.max(0, EniTotalQuantity - EniQuantity) : 0,
  };
}
