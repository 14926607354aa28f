// The lab's cloud: vSwitches, groups, machines with limits, and interfaces, with the manners of the real one (it is slow,
// it throttles, it loses answers) wherever somebody asks for them. What it gives out becomes links by way of `wiring`.
import { setTimeout as pause } from "node:timers/promises";
import type { Subnet } from "../../api/kinds/subnet.ts";
import { isUsable, subnetGateway, usableAddresses, usableCount } from "../../api/subnets.ts";
import { TrunklineError } from "../../base/errors.ts";
import {
  type AssignAddresses,
  type AttachInterface,
  type CloudCall,
  type CloudProvider,
  type CreateInterface,
  type InterfaceFilter,
  isWanted,
} from "../provider.ts";
import type { CloudInterface, CloudSubnet, InstanceLimits } from "../types.ts";
import type { CloudState, StoredInterface } from "./state.ts";

export interface LabCloudOptions {
  readonly state: CloudState;
  readonly subnets: readonly (Pick<Subnet["spec"], "zone" | "cidr" | "gateway" | "vlan"> & {
    readonly id: string;
  })[];
  readonly securityGroupIDs: readonly string[];
  readonly instances: readonly InstanceLimits[];
  /** Milliseconds since 1970, for stamps. */
  readonly now: () => number;
  /** Makes links of what is attached. Called in turn, once an interface's state has changed. */
  readonly wiring?: (changed: CloudInterface, gone: boolean) => void | Promise<void>;
  /** The state has changed. */
  readonly save?: (state: CloudState) => void;
  /** Ends the caller's process, if it can be ended. */
  readonly kill?: (caller: string) => void;
}

/** How long a caller waits who gets no answer, in milliseconds. */
const PATIENCE_MS = 1000;
const MOST_VID = 4094;
const ASSIGN_MOST = 10;

export class LabCloud {
  readonly #options: LabCloudOptions;
  readonly #state: CloudState;
  /** When calls were let through within the last second. */
  #recent: number[] = [];

  constructor(options: LabCloudOptions) {
    this.#options = options;
    this.#state = options.state;
  }

  get state(): CloudState {
    return this.#state;
  }

  /** Returns the cloud as one of its customers sees it. */
  for(caller: string): CloudProvider {
    const call = <T>(name: CloudCall, work: (half: boolean) => T | Promise<T>) =>
      this.#call(caller, name, work);
    return {
      describeSubnets: (ids) =>
        call("DescribeVSwitches", () => this.subnets().filter(({ id }) => ids.includes(id))),
      describeSecurityGroups: (ids) =>
        call("DescribeSecurityGroups", () => this.securityGroups().filter((id) => ids.includes(id))),
      describeInterfaces: (filter) => call("DescribeNetworkInterfaces", () => this.interfaces(filter)),
      describeInstance: async (id) => this.#instance(id, "DescribeNetworkInterfaces"),
      createInterface: (request) => call("CreateNetworkInterface", (half) => this.#create(request, half)),
      attachInterface: (request) => call("AttachNetworkInterface", (half) => this.#attach(request, half)),
      detachInterface: (request) => call("DetachNetworkInterface", () => this.#detach(request)),
      deleteInterface: (id) => call("DeleteNetworkInterface", () => this.#delete(id)),
      assignAddresses: (request) => call("AssignPrivateIpAddresses", (half) => this.#assign(request, half)),
      unassignAddresses: (id, addresses) =>
        call("UnassignPrivateIpAddresses", () => this.#unassign(id, addresses)),
    };
  }

  subnets(): CloudSubnet[] {
    return this.#options.subnets
      .filter(({ id }) => !this.#state.hidden.includes(id))
      .map((subnet) => ({
        id: subnet.id,
        zone: subnet.zone,
        cidr: subnet.cidr,
        gateway: subnetGateway(subnet),
        ...(subnet.vlan !== undefined && { vlan: subnet.vlan }),
        total: usableCount(subnet),
        available: usableCount(subnet) - this.#taken(subnet.id).size,
      }));
  }

  securityGroups(): string[] {
    return this.#options.securityGroupIDs.filter((id) => !this.#state.hidden.includes(id));
  }

  interfaces(filter: InterfaceFilter = {}): CloudInterface[] {
    return this.#state.interfaces.filter((one) => isWanted(one, filter)).map((one) => this.#seen(one));
  }

  /** Hides a vSwitch or group as if it were deleted, or shows it again. @throws `lab.cloud-unknown` */
  hide(id: string, hidden: boolean): void {
    const known = [...this.#options.subnets.map((one) => one.id), ...this.#options.securityGroupIDs];
    if (!known.includes(id)) throw new TrunklineError("lab.cloud-unknown", { id, known });
    this.#state.hidden = this.#state.hidden.filter((one) => one !== id).concat(hidden ? [id] : []);
    this.#save();
  }

  /** Makes somebody else's interface, beside all faults and limits of calls. @throws `cloud.refused` */
  addForeign(vSwitchID: string, address: string | undefined, tags: Readonly<Record<string, string>>): string {
    const type = "Secondary" as const;
    const request = {
      token: "",
      vSwitchID,
      securityGroupIDs: [],
      type,
      tags,
      ...(address !== undefined && { address }),
    };
    return this.#make(request, 1).id;
  }

  /** Takes an interface away, whoever's it is. @throws `cloud.refused` */
  async removeForeign(id: string): Promise<void> {
    const found = this.#interface(id, "DeleteNetworkInterface");
    this.#state.interfaces = this.#state.interfaces.filter((one) => one !== found);
    this.#save();
    await this.#options.wiring?.(this.#seen(found), true);
  }

  /** Makes links of all that is attached already: after a lab is started again. */
  async rewire(): Promise<void> {
    // Members stand on their trunks.
    const order = this.#state.interfaces.toSorted(
      (a, b) => Number(b.type === "Trunk") - Number(a.type === "Trunk"),
    );
    for (const one of order)
      if (one.status === "InUse" && one.type !== "Primary")
        await this.#options.wiring?.(this.#seen(one), false);
  }

  async #call<T>(caller: string, name: CloudCall, work: (half: boolean) => T | Promise<T>): Promise<T> {
    this.#state.calls[name] ??= { made: 0, failed: 0 };
    const count = this.#state.calls[name];
    count.made++;
    try {
      const { latencyMs, down } = this.#state.settings;
      if (latencyMs > 0) await pause(latencyMs);
      if (down) return await this.#noAnswer(name, "the lab's provider is down");
      if (this.#isThrottled())
        throw refused(name, "Throttling", "Request was denied due to request throttling.");
      const effect = this.#takeFault(name);
      if (effect === undefined) return await work(false);
      return await this.#faulty(caller, name, effect, work);
    } catch (error) {
      count.failed++;
      throw error;
    } finally {
      this.#save();
    }
  }

  async #faulty<T>(
    caller: string,
    name: CloudCall,
    effect: string,
    work: (half: boolean) => T | Promise<T>,
  ): Promise<T> {
    if (effect === "throttle")
      throw refused(name, "Throttling", "Request was denied due to request throttling.");
    if (effect.startsWith("error:"))
      throw refused(name, effect.slice("error:".length), "asked for by a fault");
    if (effect === "half") return await work(true);
    const isKill = effect.startsWith("kill-");
    if (effect === "lost" || effect === "kill-after") await work(false);
    if (isKill) this.#options.kill?.(caller);
    return this.#noAnswer(name, isKill ? "the caller was to be killed" : "asked for by a fault");
  }

  async #noAnswer(call: CloudCall, why: string): Promise<never> {
    await pause(PATIENCE_MS);
    throw new TrunklineError("cloud.no-answer", { call, why });
  }

  #isThrottled(): boolean {
    const { callsPerSecond } = this.#state.settings;
    if (callsPerSecond <= 0) return false;
    const now = performance.now();
    this.#recent = this.#recent.filter((at) => now - at < 1000);
    if (this.#recent.length >= callsPerSecond) return true;
    this.#recent.push(now);
    return false;
  }

  #takeFault(name: CloudCall): string | undefined {
    const fault = this.#state.faults.find(({ call }) => call === name || call === "*");
    if (!fault) return undefined;
    fault.left--;
    if (fault.left <= 0) this.#state.faults = this.#state.faults.filter((one) => one !== fault);
    return fault.effect;
  }

  #create(request: CreateInterface, half: boolean): CloudInterface {
    const { token, securityGroupIDs, addressCount = 1 } = request;
    const made = this.#state.tokens[token];
    const before =
      typeof made === "string" ? this.#state.interfaces.find(({ id }) => id === made) : undefined;
    if (before) return this.#seen(before);
    const call = "CreateNetworkInterface";
    const unknown = securityGroupIDs.find((id) => !this.securityGroups().includes(id));
    if (securityGroupIDs.length === 0) throw refused(call, "MissingParameter", "SecurityGroupId");
    if (unknown !== undefined) throw refused(call, "InvalidSecurityGroupId.NotFound", unknown);
    const fresh = this.#make(request, half ? 1 : addressCount);
    this.#state.tokens[token] = fresh.id;
    if (half) throw refused(call, "InternalError", "The interface was made with one address only.");
    return this.#seen(fresh);
  }

  #make(request: Omit<CreateInterface, "token">, count: number): StoredInterface {
    const { vSwitchID, securityGroupIDs, type, tags, address } = request;
    const subnet = this.#subnet(vSwitchID, "CreateNetworkInterface");
    if (address !== undefined && (!isUsable(subnet, address) || this.#taken(vSwitchID).has(address)))
      throw refused("CreateNetworkInterface", "InvalidIp.IpAssigned", address);
    const others = this.#freeAddresses(vSwitchID, "CreateNetworkInterface", count, address);
    const number = this.#state.nextId++;
    const hex = number.toString(16).padStart(6, "0");
    const fresh: StoredInterface = {
      id: `eni-lab${hex}`,
      type,
      status: "Available",
      vSwitchID,
      mac: `00:16:3e:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`,
      securityGroupIDs: [...securityGroupIDs],
      addresses: others,
      tags,
      createdAt: new Date(this.#options.now()).toISOString(),
    };
    this.#state.interfaces.push(fresh);
    this.#save();
    return fresh;
  }

  async #attach({ id, instanceID, trunkENIID }: AttachInterface, half: boolean): Promise<void> {
    const call = "AttachNetworkInterface";
    const found = this.#interface(id, call);
    if (found.status === "InUse" && found.instanceID === instanceID && found.trunkENIID === trunkENIID)
      return;
    if (found.status !== "Available") throw refused(call, "InvalidOperation.InvalidEniState", found.status);
    const limits = this.#instance(instanceID, call);
    const mine = this.#state.interfaces.filter((one) => one.instanceID === instanceID);
    const members = mine.filter(({ type }) => type === "Member");
    if (trunkENIID === undefined && mine.length - members.length >= limits.adapters)
      throw refused(call, "EniPerInstanceLimitExceeded", instanceID);
    if (found.addresses.length > limits.ipv4PerAdapter)
      throw refused(call, "InvalidOperation.Ipv4CountExceeded", id);
    if (trunkENIID !== undefined) {
      if (!mine.some((one) => one.id === trunkENIID && one.type === "Trunk"))
        throw refused(call, "InvalidParameter.TrunkNetworkInstanceId", trunkENIID);
      if (members.length >= limits.memberAdapterLimit)
        throw refused(call, "InvalidOperation.MemberCountExceeded", instanceID);
      const taken = new Set(members.map(({ vid }) => vid));
      found.vid =
        Array.from({ length: MOST_VID }, (_, at) => at + 1).find((vid) => !taken.has(vid)) ?? MOST_VID;
      found.trunkENIID = trunkENIID;
      found.type = "Member";
    }
    found.instanceID = instanceID;
    found.status = "Attaching";
    if (half) return;
    await this.#options.wiring?.(this.#seen(found), false);
    found.status = "InUse";
  }

  async #detach({ id }: AttachInterface): Promise<void> {
    const found = this.#interface(id, "DetachNetworkInterface");
    if (found.status === "Available") return;
    const before = this.#seen(found);
    found.status = "Available";
    delete found.instanceID;
    delete found.trunkENIID;
    delete found.vid;
    if (found.type === "Member") found.type = "Secondary";
    await this.#options.wiring?.(before, true);
  }

  #delete(id: string): void {
    const found = this.#state.interfaces.find((one) => one.id === id);
    if (!found) return;
    if (found.status !== "Available")
      throw refused("DeleteNetworkInterface", "InvalidOperation.InvalidEniState", found.status);
    this.#state.interfaces = this.#state.interfaces.filter((one) => one !== found);
  }

  async #assign({ token, id, count }: AssignAddresses, half: boolean): Promise<readonly string[]> {
    const before = this.#state.tokens[token];
    if (Array.isArray(before)) return before;
    const call = "AssignPrivateIpAddresses";
    const found = this.#interface(id, call);
    if (count > ASSIGN_MOST)
      throw refused(call, "InvalidParameter.SecondaryPrivateIpAddressCount", `${count}`);
    const limit = found.instanceID === undefined ? undefined : this.#instance(found.instanceID, call);
    if (limit && found.addresses.length + count > limit.ipv4PerAdapter)
      throw refused(call, "InvalidOperation.Ipv4CountExceeded", id);
    const given = this.#freeAddresses(found.vSwitchID, call, half ? Math.max(1, count >> 1) : count);
    found.addresses = [...found.addresses, ...given];
    this.#state.tokens[token] = given;
    if (found.status === "InUse") await this.#options.wiring?.(this.#seen(found), false);
    if (half) throw refused(call, "InternalError", "Some addresses were assigned, and some were not.");
    return given;
  }

  async #unassign(id: string, addresses: readonly string[]): Promise<void> {
    const found = this.#interface(id, "UnassignPrivateIpAddresses");
    if (addresses.includes(found.addresses[0] ?? ""))
      throw refused("UnassignPrivateIpAddresses", "InvalidIp.Primary", addresses[0] ?? "");
    found.addresses = found.addresses.filter((address) => !addresses.includes(address));
    if (found.status === "InUse") await this.#options.wiring?.(this.#seen(found), false);
  }

  #freeAddresses(vSwitchID: string, call: CloudCall, count: number, first?: string): string[] {
    const taken = this.#taken(vSwitchID);
    const free: string[] = first === undefined ? [] : [first];
    for (const address of usableAddresses(this.#subnet(vSwitchID, call))) {
      if (free.length >= count) break;
      if (!taken.has(address) && address !== first) free.push(address);
    }
    if (free.length < count) throw refused(call, "InvalidVSwitchId.IpNotEnough", vSwitchID);
    return free;
  }

  #taken(vSwitchID: string): Set<string> {
    return new Set(
      this.#state.interfaces
        .filter((one) => one.vSwitchID === vSwitchID)
        .flatMap(({ addresses }) => addresses),
    );
  }

  #subnet(id: string, call: CloudCall) {
    const found = this.#options.subnets.find((one) => one.id === id);
    if (!found || this.#state.hidden.includes(id)) throw refused(call, "InvalidVSwitchId.NotFound", id);
    return found;
  }

  #interface(id: string, call: CloudCall): StoredInterface {
    const found = this.#state.interfaces.find((one) => one.id === id);
    if (!found) throw refused(call, "InvalidEniId.NotFound", id);
    return found;
  }

  #instance(id: string, call: CloudCall): InstanceLimits {
    const found = this.#options.instances.find((one) => one.instanceID === id);
    if (!found) throw refused(call, "InvalidInstanceId.NotFound", id);
    return found;
  }

  #seen(one: StoredInterface): CloudInterface {
    const zone = this.#options.subnets.find(({ id }) => id === one.vSwitchID)?.zone ?? "";
    return structuredClone({ ...one, zone });
  }

  #save(): void {
    this.#options.save?.(this.#state);
  }
}

function refused(call: CloudCall, cloudCode: string, message: string): TrunklineError<"cloud.refused"> {
  return new TrunklineError("cloud.refused", { call, cloudCode, message });
}
