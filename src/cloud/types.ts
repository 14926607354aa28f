// What a provider of subnets knows: vSwitches, security groups and the interfaces that stand in them, in the words of
// Alibaba Cloud's VPC and ECS interfaces, as Terway's users know them.

/** Primary: the machine's own, which never carries pods. Member: a VLAN of a trunk. */
export type InterfaceType = "Primary" | "Secondary" | "Trunk" | "Member";

export type InterfaceStatus = "Available" | "Attaching" | "InUse" | "Detaching";

export interface CloudInterface {
  readonly id: string;
  readonly type: InterfaceType;
  readonly status: InterfaceStatus;
  readonly vSwitchID: string;
  readonly zone: string;
  /** The machine that it is attached to, also by way of a trunk. */
  readonly instanceID?: string;
  /** Of a member: the trunk that carries it. */
  readonly trunkENIID?: string;
  /** Of a member: the 802.1Q id on its trunk, 1 to 4094. */
  readonly vid?: number;
  /** Lower case, colons. */
  readonly mac: string;
  readonly securityGroupIDs: readonly string[];
  /** IPv4 without prefix length; the first one is the interface's primary address. */
  readonly addresses: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  /** RFC 3339, by the provider's clock. */
  readonly createdAt: string;
}

export interface CloudSubnet {
  readonly id: string;
  readonly zone: string;
  readonly cidr: string;
  readonly gateway: string;
  /** 802.1Q id on the nodes' parent links, where the provider has VLANs. */
  readonly vlan?: number;
  /** Addresses that can be given at all, and those that are free now. */
  readonly total: number;
  readonly available: number;
}

/** What a machine may have. */
export interface InstanceLimits {
  readonly instanceID: string;
  /** Interfaces, its own (primary) one included; members of a trunk do not count. */
  readonly adapters: number;
  /** IPv4 addresses an interface. */
  readonly ipv4PerAdapter: number;
  /** Members of its trunk; 0: it can have no trunk. */
  readonly memberAdapterLimit: number;
}

const creatorTag = "creator";
const creatorName = "trunkline";
const clusterTag = "trunkline.dev/cluster";
/** Whose pool the interface belongs to: the node's name. */
export const nodeTag = "trunkline.dev/node";

/** Which PodENI the interface was made for: its uid. */
export const podEniTag = "trunkline.dev/pod-eni";
/** Whose trunk the interface is: the node's name. */
export const trunkTag = "trunkline.dev/trunk-of";

/** Returns the cluster that interfaces were made for: the first that one of ours names. */
export function clusterOf(interfaces: readonly Pick<CloudInterface, "tags">[]): string | undefined {
  return interfaces.find(({ tags }) => tags[creatorTag] === creatorName)?.tags[clusterTag];
}

/** Returns the tags of everything that is made for a cluster. */
export function ourTags(cluster: string): Readonly<Record<string, string>> {
  return { [creatorTag]: creatorName, [clusterTag]: cluster };
}
