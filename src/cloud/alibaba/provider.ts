// Subnets of Alibaba Cloud: ECS's elastic network interfaces in VPC's vSwitches. A thin client of its own: the official SDK
// takes 80 MB and does not repeat throttled calls by itself.
import { setTimeout as pause } from "node:timers/promises";
import { TrunklineError } from "../../base/errors.ts";
import {
  type AssignAddresses,
  type AttachInterface,
  type CloudCall,
  type CloudProvider,
  type CreateInterface,
  cloudCodeOf,
  type InterfaceFilter,
  isWanted,
} from "../provider.ts";
import type { CloudInterface, CloudSubnet, InstanceLimits } from "../types.ts";
import {
  type EniAnswer,
  type InstanceTypeAnswer,
  interfaceOf,
  limitsOf,
  subnetOf,
  type VSwitchAnswer,
} from "./answers.ts";
import { Client, type ClientOptions } from "./client.ts";

export interface AlibabaOptions extends ClientOptions {
  /** Between looks at what is on its way, in milliseconds. */
  readonly lookMs?: number;
}

const PAGE = 100;
const IDS_A_CALL = 100;
const ADDRESSES_A_CALL = 10;
const LOOK_MS = 500;
const LOOKS = 40;
const gone = "InvalidEniId.NotFound";
const wrongState = "InvalidOperation.InvalidEniState";
/** The address is not on the interface any more. */
const unassigned = "InvalidIp.IpUnassigned";

export function alibabaProvider(options: AlibabaOptions): CloudProvider {
  return new AlibabaProvider(options);
}

class AlibabaProvider implements CloudProvider {
  readonly #client: Client;
  readonly #lookMs: number;
  readonly #limits = new Map<string, Promise<InstanceLimits>>();

  constructor(options: AlibabaOptions) {
    this.#client = new Client(options);
    this.#lookMs = options.lookMs ?? LOOK_MS;
  }

  async describeSubnets(ids: readonly string[]): Promise<readonly CloudSubnet[]> {
    const found: CloudSubnet[] = [];
    for (const VSwitchId of new Set(ids)) {
      const answer = await this.#client.call<{ VSwitches?: { VSwitch?: readonly VSwitchAnswer[] } }>(
        "vpc",
        "DescribeVSwitches",
        { VSwitchId },
      );
      // A filter that an interface does not know is ignored by it: then it would have named all.
      const one = answer.VSwitches?.VSwitch?.find((each) => each.VSwitchId === VSwitchId);
      if (one) found.push(subnetOf(one));
    }
    return found;
  }

  async describeSecurityGroups(ids: readonly string[]): Promise<readonly string[]> {
    const found = new Set<string>();
    for (const some of chunks([...new Set(ids)], IDS_A_CALL)) {
      const parameters = { SecurityGroupIds: JSON.stringify(some), MaxResults: `${PAGE}` };
      type Answer = { SecurityGroups?: { SecurityGroup?: readonly { SecurityGroupId: string }[] } };
      for await (const answer of this.#pages<Answer>("DescribeSecurityGroups", parameters))
        for (const { SecurityGroupId } of answer.SecurityGroups?.SecurityGroup ?? [])
          found.add(SecurityGroupId);
    }
    return ids.filter((id) => found.has(id));
  }

  async describeInterfaces(filter: InterfaceFilter): Promise<readonly CloudInterface[]> {
    const { ids, instanceID, vSwitchID, tags = {} } = filter;
    const common: Record<string, string> = {
      MaxResults: `${PAGE}`,
      ...(instanceID !== undefined && { InstanceId: instanceID }),
      ...(vSwitchID !== undefined && { VSwitchId: vSwitchID }),
      ...listed("Tag", Object.entries(tags), ([Key, Value]) => ({ Key, Value })),
    };
    const found = new Map<string, CloudInterface>();
    for (const some of ids === undefined ? [undefined] : chunks(ids, IDS_A_CALL)) {
      const parameters = { ...common, ...listed("NetworkInterfaceId", some ?? [], (id) => id) };
      type Answer = { NetworkInterfaceSets?: { NetworkInterfaceSet?: readonly EniAnswer[] } };
      // One that is being deleted may be listed for a while; it is gone all the same once nothing can be done with it.
      for await (const answer of this.#pages<Answer>("DescribeNetworkInterfaces", parameters))
        for (const eni of answer.NetworkInterfaceSets?.NetworkInterfaceSet ?? [])
          found.set(eni.NetworkInterfaceId, interfaceOf(eni));
    }
    return [...found.values()].filter((one) => isWanted(one, filter));
  }

  describeInstance(instanceID: string): Promise<InstanceLimits> {
    const known = this.#limits.get(instanceID) ?? this.#readLimits(instanceID);
    this.#limits.set(instanceID, known);
    known.catch(() => this.#limits.delete(instanceID));
    return known;
  }

  async createInterface(request: CreateInterface): Promise<CloudInterface> {
    const { token, vSwitchID, securityGroupIDs, type, address, addressCount = 1, tags } = request;
    const answer = await this.#client.call<EniAnswer>("ecs", "CreateNetworkInterface", {
      ClientToken: token,
      VSwitchId: vSwitchID,
      InstanceType: type,
      ...listed("SecurityGroupIds", securityGroupIDs, (id) => id),
      ...(address !== undefined && { PrimaryIpAddress: address }),
      ...(addressCount > 1 && { SecondaryPrivateIpAddressCount: `${addressCount - 1}` }),
      ...listed("Tag", Object.entries(tags), ([Key, Value]) => ({ Key, Value })),
    });
    const id = answer.NetworkInterfaceId;
    const made = await this.#look(
      "CreateNetworkInterface",
      id,
      (one) => one?.status === "Available" || one?.status === "InUse",
    );
    // Made, and gone again: somebody has taken it away.
    if (!made) throw refused("CreateNetworkInterface", gone, id);
    return made;
  }

  async attachInterface({ id, instanceID, trunkENIID }: AttachInterface): Promise<void> {
    const isThere = (one: CloudInterface | undefined) =>
      one?.instanceID === instanceID && one.trunkENIID === trunkENIID && one.status !== "Detaching";
    await this.#unlessDone(id, isThere, () =>
      this.#client.call("ecs", "AttachNetworkInterface", {
        NetworkInterfaceId: id,
        InstanceId: instanceID,
        ...(trunkENIID !== undefined && { TrunkNetworkInstanceId: trunkENIID }),
      }),
    );
  }

  async detachInterface({ id, instanceID, trunkENIID }: AttachInterface): Promise<void> {
    // Who asks may not know that it is a member; the interface does.
    const [now] = await this.describeInterfaces({ ids: [id] });
    if (!now) throw refused("DetachNetworkInterface", gone, id);
    if (now.status === "Available" || now.status === "Detaching") return;
    const trunk = now.trunkENIID ?? trunkENIID;
    await this.#unlessDone(
      id,
      (one) => one?.status === "Available" || one?.status === "Detaching",
      () =>
        this.#client.call("ecs", "DetachNetworkInterface", {
          NetworkInterfaceId: id,
          InstanceId: now.instanceID ?? instanceID,
          ...(trunk !== undefined && { TrunkNetworkInstanceId: trunk }),
        }),
    );
  }

  async deleteInterface(id: string): Promise<void> {
    try {
      await this.#client.call("ecs", "DeleteNetworkInterface", { NetworkInterfaceId: id });
    } catch (error) {
      if (cloudCodeOf(error) === gone) return;
      throw error;
    }
    await this.#look("DeleteNetworkInterface", id, (one) => one === undefined);
  }

  async assignAddresses({ token, id, count }: AssignAddresses): Promise<readonly string[]> {
    type Answer = {
      AssignedPrivateIpAddressesSet?: { PrivateIpSet?: { PrivateIpAddress?: readonly string[] } };
    };
    const answer = await this.#client.call<Answer>("ecs", "AssignPrivateIpAddresses", {
      ClientToken: token,
      NetworkInterfaceId: id,
      SecondaryPrivateIpAddressCount: `${count}`,
    });
    return answer.AssignedPrivateIpAddressesSet?.PrivateIpSet?.PrivateIpAddress ?? [];
  }

  async unassignAddresses(id: string, addresses: readonly string[]): Promise<void> {
    for (const some of chunks(addresses, ADDRESSES_A_CALL)) {
      try {
        await this.#unassign(id, some);
      } catch (error) {
        if (cloudCodeOf(error) !== unassigned) throw error;
        const [now] = await this.describeInterfaces({ ids: [id] });
        const left = some.filter((address) => now?.addresses.includes(address));
        if (left.length > 0) await this.#unassign(id, left);
      }
    }
  }

  async #unassign(id: string, addresses: readonly string[]): Promise<void> {
    const parameters = {
      NetworkInterfaceId: id,
      ...listed("PrivateIpAddress", addresses, (address) => address),
    };
    await this.#client.call("ecs", "UnassignPrivateIpAddresses", parameters);
  }

  async #readLimits(instanceID: string): Promise<InstanceLimits> {
    type Instances = { Instances?: { Instance?: readonly { InstanceId: string; InstanceType: string }[] } };
    const instances = await this.#client.call<Instances>("ecs", "DescribeInstances", {
      InstanceIds: JSON.stringify([instanceID]),
    });
    const instance = instances.Instances?.Instance?.find((one) => one.InstanceId === instanceID);
    if (!instance)
      throw new TrunklineError("cloud.refused", {
        call: "DescribeInstances",
        cloudCode: "InvalidInstanceId.NotFound",
        message: instanceID,
      });
    const name = instance.InstanceType;
    type Types = {
      InstanceTypes?: { InstanceType?: readonly (InstanceTypeAnswer & { InstanceTypeId: string })[] };
    };
    const types = await this.#client.call<Types>("ecs", "DescribeInstanceTypes", { "InstanceTypes.1": name });
    const type = types.InstanceTypes?.InstanceType?.find((one) => one.InstanceTypeId === name);
    if (!type)
      throw new TrunklineError("cloud.refused", {
        call: "DescribeInstanceTypes",
        cloudCode: "InvalidInstanceType.NotFound",
        message: name,
      });
    return limitsOf(instanceID, type);
  }

  /** Makes a call; where it is refused for the interface's state, that may be because all is done already. */
  async #unlessDone(
    id: string,
    isDone: (one: CloudInterface | undefined) => boolean,
    call: () => Promise<unknown>,
  ): Promise<void> {
    try {
      await call();
    } catch (error) {
      if (cloudCodeOf(error) !== wrongState) throw error;
      const [now] = await this.describeInterfaces({ ids: [id] });
      if (!isDone(now)) throw error;
    }
  }

  /** Looks at an interface until it is as wanted. @throws `cloud.no-answer` if it takes too long */
  async #look(
    call: CloudCall,
    id: string,
    isAsWanted: (one: CloudInterface | undefined) => boolean,
  ): Promise<CloudInterface | undefined> {
    for (let left = LOOKS; left > 0; left--) {
      const [one] = await this.describeInterfaces({ ids: [id] });
      if (isAsWanted(one)) return one;
      await pause(this.#lookMs);
    }
    throw new TrunklineError("cloud.no-answer", { call, why: `${id} does not get there` });
  }

  async *#pages<T>(action: string, parameters: Readonly<Record<string, string>>): AsyncGenerator<T> {
    let next: string | undefined;
    do {
      const more = next === undefined ? {} : { NextToken: next };
      const answer = await this.#client.call<object>("ecs", action, { ...parameters, ...more });
      yield answer as Awaited<T>;
      next = (answer as { NextToken?: string }).NextToken || undefined;
    } while (next !== undefined);
  }
}

/** Returns the parameters of a list: `Name.1`, `Name.2`, or `Name.1.Key`, … */
function listed<T>(
  name: string,
  values: readonly T[],
  write: (value: T) => string | Readonly<Record<string, string>>,
): Record<string, string> {
  const entries = values.flatMap((value, at) => {
    const written = write(value);
    if (typeof written === "string") return [[`${name}.${at + 1}`, written]];
    return Object.entries(written).map(([key, one]) => [`${name}.${at + 1}.${key}`, one]);
  });
  return Object.fromEntries(entries) as Record<string, string>;
}

function chunks<T>(values: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / most) }, (_, at) =>
    values.slice(at * most, (at + 1) * most),
  );
}

function refused(call: CloudCall, cloudCode: string, message: string) {
  return new TrunklineError("cloud.refused", { call, cloudCode, message });
}
