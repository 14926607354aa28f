// Subnets of one's own switches: each is a VLAN (or a plain network) that nodes are on, and there is no cloud to ask. The
// book of interfaces and addresses is in the store, one object a subnet; links are made by the node (links.ts).
import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { nodeKind } from "../../api/kinds/core.ts";
import { securityGroupKind } from "../../api/kinds/security-group.ts";
import { type Subnet, subnetKind } from "../../api/kinds/subnet.ts";
import { type LedgerInterface, type SubnetLedger, subnetLedgerKind } from "../../api/kinds/subnet-ledger.ts";
import { hasRange, isUsable, subnetGateway, usableAddresses, usableCount } from "../../api/subnets.ts";
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import type { Store } from "../../store/store.ts";
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

export interface VlanOptions {
  readonly store: Store;
  /** Ids of the groups that filters of the network itself enforce; the nodes enforce those that are objects. */
  readonly securityGroupIDs: readonly string[];
  /** Milliseconds since 1970, for stamps. */
  readonly now?: () => number;
}

/** A kernel link takes many addresses, and a node many links: these are where somebody has surely made a mistake. */
const limits = { adapters: 64, ipv4PerAdapter: 1024, memberAdapterLimit: 0 } as const;
/** Other nodes write, too: each time somebody gets on, so as many tries as there may be nodes that write at once. */
const ATTEMPTS = 64;
const PAUSE_MS = 20;
/** Assignments that are remembered: more than anybody repeats. */
const REMEMBERED = 8;

type Entries = readonly LedgerInterface[];

export function vlanProvider(options: VlanOptions): CloudProvider {
  return new VlanProvider(options);
}

class VlanProvider implements CloudProvider {
  readonly #options: VlanOptions;

  constructor(options: VlanOptions) {
    this.#options = options;
  }

  describeSubnets(ids: readonly string[]): Promise<readonly CloudSubnet[]> {
    return this.#ask("DescribeVSwitches", async (store) => {
      const found: CloudSubnet[] = [];
      for (const id of new Set(ids)) {
        const subnet = await store.get(subnetKind, id);
        // What has no range counts as absent: others are asked for as well.
        if (!subnet || !hasRange(subnet.spec)) continue;
        const ledger = await store.get(subnetLedgerKind, id);
        const { zone, cidr, vlan } = subnet.spec;
        const total = usableCount(subnet.spec);
        const available = total - takenOf(ledger?.spec.interfaces ?? []).size;
        const gateway = subnetGateway(subnet.spec);
        found.push({ id, zone, cidr, gateway, ...(vlan !== undefined && { vlan }), total, available });
      }
      return found;
    });
  }

  /** Those that the network's filters enforce, and those whose rules the nodes have. */
  describeSecurityGroups(ids: readonly string[]): Promise<readonly string[]> {
    return this.#ask("DescribeSecurityGroups", async (store) => {
      const { items } = await store.list(securityGroupKind);
      const known = new Set([
        ...this.#options.securityGroupIDs,
        ...items.map(({ metadata }) => metadata.name),
      ]);
      return ids.filter((id) => known.has(id));
    });
  }

  describeInterfaces(filter: InterfaceFilter): Promise<readonly CloudInterface[]> {
    return this.#ask("DescribeNetworkInterfaces", async (store) => {
      const [{ items: ledgers }, { items: subnets }] = [
        await store.list(subnetLedgerKind),
        await store.list(subnetKind),
      ];
      const zones = new Map(subnets.map(({ metadata, spec }) => [metadata.name, spec.zone]));
      return ledgers
        .flatMap(({ metadata, spec }) =>
          spec.interfaces.map((one) => shown(one, metadata.name, zones.get(metadata.name) ?? "")),
        )
        .filter((one) => isWanted(one, filter));
    });
  }

  async describeInstance(instanceID: string): Promise<InstanceLimits> {
    await this.#ask("DescribeNetworkInterfaces", (store) =>
      assertNode(store, instanceID, "DescribeNetworkInterfaces"),
    );
    return { instanceID, ...limits };
  }

  async createInterface(request: CreateInterface): Promise<CloudInterface> {
    const call = "CreateNetworkInterface";
    const { token, vSwitchID, securityGroupIDs, type, address, addressCount = 1, tags } = request;
    if (type === "Trunk")
      throw refused(call, "InvalidParameter.InstanceType", "nodes of provider vlan have no trunk");
    const known = await this.describeSecurityGroups(securityGroupIDs);
    const unknown = securityGroupIDs.find((id) => !known.includes(id));
    if (unknown !== undefined) throw refused(call, "InvalidSecurityGroupId.NotFound", unknown);
    return await this.#change(call, vSwitchID, (entries, { spec }) => {
      const before = entries.find((one) => one.token === token);
      if (before) return { entries, answer: shown(before, vSwitchID, spec.zone) };
      const taken = takenOf(entries);
      if (address !== undefined && (!isUsable(spec, address) || taken.has(address)))
        throw refused(call, "InvalidIp.IpAssigned", address);
      const id = `eni-${digits(`${vSwitchID} ${token}`, 12)}`;
      const fresh: LedgerInterface = {
        id,
        token,
        status: "Available",
        mac: `02${digits(`mac ${id}`, 10).replace(/../g, ":$&")}`,
        securityGroupIDs,
        addresses: freeAddresses(call, vSwitchID, spec, taken, addressCount, address),
        tags,
        createdAt: new Date(this.#options.now?.() ?? Date.now()).toISOString(),
      };
      return { entries: [...entries, fresh], answer: shown(fresh, vSwitchID, spec.zone) };
    });
  }

  async attachInterface({ id, instanceID, trunkENIID }: AttachInterface): Promise<void> {
    const call = "AttachNetworkInterface";
    if (trunkENIID !== undefined) throw refused(call, "InvalidParameter.TrunkNetworkInstanceId", trunkENIID);
    const mine = await this.describeInterfaces({ instanceID });
    await this.#ask(call, (store) => assertNode(store, instanceID, call));
    await this.#changeOne(call, id, (one) => {
      if (one.status === "InUse" && one.instanceID === instanceID) return one;
      if (one.status === "InUse") throw refused(call, "InvalidOperation.InvalidEniState", one.status);
      if (mine.length >= limits.adapters) throw refused(call, "EniPerInstanceLimitExceeded", instanceID);
      return { ...one, status: "InUse", instanceID };
    });
  }

  async detachInterface({ id }: AttachInterface): Promise<void> {
    await this.#changeOne("DetachNetworkInterface", id, ({ instanceID: _was, ...one }) => ({
      ...one,
      status: "Available",
    }));
  }

  async deleteInterface(id: string): Promise<void> {
    const call = "DeleteNetworkInterface";
    const [found] = await this.describeInterfaces({ ids: [id] });
    if (!found) return;
    await this.#change(call, found.vSwitchID, (entries) => {
      const one = entries.find((each) => each.id === id);
      if (one && one.status !== "Available")
        throw refused(call, "InvalidOperation.InvalidEniState", one.status);
      return { entries: entries.filter((each) => each !== one), answer: undefined };
    });
  }

  async assignAddresses({ token, id, count }: AssignAddresses): Promise<readonly string[]> {
    const call = "AssignPrivateIpAddresses";
    const changed = await this.#changeOne(call, id, (one, entries, { spec, metadata }) => {
      if (one.assigned?.some((each) => each.token === token)) return one;
      if (one.addresses.length + count > limits.ipv4PerAdapter)
        throw refused(call, "InvalidOperation.Ipv4CountExceeded", id);
      const addresses = freeAddresses(call, metadata.name, spec, takenOf(entries), count);
      const assigned = [...(one.assigned ?? []), { token, addresses }].slice(-REMEMBERED);
      return { ...one, addresses: [...one.addresses, ...addresses], assigned };
    });
    return changed.assigned?.find((each) => each.token === token)?.addresses ?? [];
  }

  async unassignAddresses(id: string, addresses: readonly string[]): Promise<void> {
    const call = "UnassignPrivateIpAddresses";
    await this.#changeOne(call, id, (one) => {
      const [primary = ""] = one.addresses;
      if (addresses.includes(primary)) throw refused(call, "InvalidIp.Primary", primary);
      return { ...one, addresses: one.addresses.filter((address) => !addresses.includes(address)) };
    });
  }

  async #changeOne(
    call: CloudCall,
    id: string,
    change: (
      one: LedgerInterface,
      all: Entries,
      subnet: Pick<Subnet, "spec" | "metadata">,
    ) => LedgerInterface,
  ): Promise<LedgerInterface> {
    const [found] = await this.describeInterfaces({ ids: [id] });
    if (!found) throw refused(call, "InvalidEniId.NotFound", id);
    return await this.#change(call, found.vSwitchID, (entries, subnet) => {
      const one = entries.find((each) => each.id === id);
      if (!one) throw refused(call, "InvalidEniId.NotFound", id);
      const changed = change(one, entries, subnet);
      return { entries: entries.map((each) => (each === one ? changed : each)), answer: changed };
    });
  }

  /** Reads a subnet's ledger and writes it changed; does so again where somebody else was quicker. */
  #change<T>(
    call: CloudCall,
    vSwitchID: string,
    change: (entries: Entries, subnet: Subnet) => { readonly entries: Entries; readonly answer: T },
  ): Promise<T> {
    return this.#ask(call, async (store) => {
      for (let left = ATTEMPTS; ; left--) {
        const subnet = await store.get(subnetKind, vSwitchID);
        if (!subnet) throw refused(call, "InvalidVSwitchId.NotFound", vSwitchID);
        const ledger = await store.get(subnetLedgerKind, vSwitchID);
        const before = ledger?.spec.interfaces ?? [];
        const { entries, answer } = change(before, subnet);
        if (entries === before) return answer;
        try {
          await writeLedger(store, vSwitchID, ledger, entries);
          return answer;
        } catch (error) {
          const isBeaten = ["store.conflict", "store.exists", "store.not-found"].some(
            (code) => isError(error) && error.code === code,
          );
          if (!isBeaten || left === 0) throw error;
          await pause(Math.random() * PAUSE_MS);
        }
      }
    });
  }

  /** A store that does not answer may have written all the same. */
  async #ask<T>(call: CloudCall, work: (store: Store) => Promise<T>): Promise<T> {
    try {
      return await work(this.#options.store);
    } catch (error) {
      if (isError(error) && error.code.startsWith("cloud.")) throw error;
      throw new TrunklineError("cloud.no-answer", { call, why: textOf(error) }, { cause: error });
    }
  }
}

async function writeLedger(
  store: Store,
  name: string,
  before: SubnetLedger | undefined,
  interfaces: Entries,
) {
  const { apiVersion, kind } = subnetLedgerKind;
  if (before) await store.update(subnetLedgerKind, { ...before, spec: { interfaces } });
  else await store.create(subnetLedgerKind, { apiVersion, kind, metadata: { name }, spec: { interfaces } });
}

async function assertNode(store: Store, name: string, call: CloudCall): Promise<void> {
  if (!(await store.get(nodeKind, name))) throw refused(call, "InvalidInstanceId.NotFound", name);
}

function takenOf(entries: Entries): Set<string> {
  return new Set(entries.flatMap(({ addresses }) => addresses));
}

function freeAddresses(
  call: CloudCall,
  vSwitchID: string,
  spec: Subnet["spec"],
  taken: ReadonlySet<string>,
  count: number,
  first?: string,
): string[] {
  const free: string[] = first === undefined ? [] : [first];
  for (const address of usableAddresses(spec)) {
    if (free.length >= count) return free;
    if (!taken.has(address) && address !== first) free.push(address);
  }
  if (free.length < count) throw refused(call, "InvalidVSwitchId.IpNotEnough", vSwitchID);
  return free;
}

function shown(one: LedgerInterface, vSwitchID: string, zone: string): CloudInterface {
  const { token: _token, assigned: _assigned, ...rest } = one;
  return { ...rest, type: "Secondary", vSwitchID, zone };
}

function digits(text: string, count: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, count);
}

function refused(call: CloudCall, cloudCode: string, message: string) {
  return new TrunklineError("cloud.refused", { call, cloudCode, message });
}
