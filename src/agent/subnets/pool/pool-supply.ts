// Where a pool's addresses come from and go: interfaces that are made and given back, addresses that are assigned and taken
// off. Every call to the provider that changes anything for a node's pool is made here, one after the other.
import { randomUUID } from "node:crypto";
import { equalJson } from "../../../api/equal.ts";
import { hasRange, subnetGateway, usableCount } from "../../../api/subnets.ts";
import { TrunklineError } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import {
  attachInterface,
  createInterface,
  insisting,
  removeInterface,
} from "../../../cloud/interface-life.ts";
import { type CloudProvider, isExhausted, isFull, isThrottled } from "../../../cloud/provider.ts";
import {
  type CloudInterface,
  type CloudSubnet,
  type InstanceLimits,
  nodeTag,
  ourTags,
} from "../../../cloud/types.ts";
import type { ClusterFacts } from "../../../plan/facts.ts";
import type { NodeConfigResult } from "../../../plan/subnets/node-config.ts";
import type { OwnInterface, PoolBook } from "./pool-book.ts";

export type Applied = Extract<NodeConfigResult, { state: "applied" }>;

export interface PoolSupplyOptions {
  readonly node: string;
  readonly cluster: string;
  readonly provider: CloudProvider;
  readonly logger: Logger;
  readonly book: PoolBook;
  readonly facts: Pick<ClusterFacts, "subnets">;
  readonly signal: AbortSignal;
  /** The provider's id of this machine; undefined while nobody has said it. */
  readonly instanceID: () => string | undefined;
  /** Every pod of the node has an interface to itself. */
  readonly isExclusive: () => boolean;
  /** Interfaces or their addresses have changed. */
  readonly changed: () => void;
}

/** The most addresses that one call assigns. */
const ASSIGN_MOST = 10;

/** All methods @throws `cloud.…`, `subnet.no-instance` */
export class PoolSupply {
  readonly #options: PoolSupplyOptions;
  #limits: InstanceLimits | undefined;
  readonly #subnets = new Map<string, CloudSubnet>();
  /** Interfaces that were made, and that the provider was too busy to attach; by id. */
  readonly #halfway = new Map<string, { readonly made: CloudInterface; readonly hash: string }>();

  constructor(options: PoolSupplyOptions) {
    this.#options = options;
  }

  /** The machine's limits, where they are known. */
  get limits(): InstanceLimits | undefined {
    const limits = this.#limits;
    return limits && this.#options.isExclusive() ? { ...limits, ipv4PerAdapter: 1 } : limits;
  }

  /** @throws `subnet.no-instance` */
  instance(): string {
    const { node, instanceID } = this.#options;
    const id = instanceID();
    if (id === undefined) throw new TrunklineError("subnet.no-instance", { node });
    return id;
  }

  /**
   * Gets that many addresses more.
   * @param spare how many beyond these are welcome by the same calls, and no reason for another one
   * @param came called whenever some have come, with how many
   * @throws `subnet.exhausted`, `subnet.node-full` where there are fewer
   */
  async grow(
    config: Applied,
    wanted: number,
    spare: (vSwitchID: string) => number,
    came: (count: number) => void,
  ): Promise<void> {
    const { node } = this.#options;
    let short = wanted;
    const exhausted: string[] = [];
    const limits = await this.#knownLimits();
    for (const { made, hash } of this.#halfway.values()) {
      await this.#finish(made, hash);
      short -= made.addresses.length;
      came(made.addresses.length);
    }
    if (short <= 0) return;
    for (const vSwitchID of await this.#inOrder(config)) {
      try {
        while (short > 0) {
          const got = await this.#more(config, limits, vSwitchID, short + spare(vSwitchID));
          if (got === 0) break;
          short -= got;
          came(got);
        }
      } catch (error) {
        if (!isExhausted(error)) throw error;
        exhausted.push(vSwitchID);
      }
      if (short <= 0) return;
    }
    if (exhausted.length > 0) {
      const total = exhausted.length === 1 ? this.#totalOf(exhausted[0] ?? "") : null;
      throw new TrunklineError("subnet.exhausted", { zone: config.zone ?? "", vSwitchIDs: exhausted, total });
    }
    const interfaces = Math.min(limits.adapters - 1, config.settings.maxInterfaces ?? limits.adapters);
    throw new TrunklineError("subnet.node-full", { node, interfaces, addresses: limits.ipv4PerAdapter });
  }

  /** Returns whether an interface that is there takes more addresses. */
  hasRoom(config: Applied): boolean {
    const most = this.limits?.ipv4PerAdapter ?? 1;
    return [...this.#options.book.interfaces.values()].some(
      (one) => !one.leaving && fits(one, config) && one.addresses.length < most,
    );
  }

  /** Gives an interface back, with all its addresses. */
  async giveBack(one: OwnInterface): Promise<void> {
    const { provider, book, logger, signal, changed } = this.#options;
    logger.info({ interface: one.id, vSwitchID: one.vSwitchID }, "giving an interface back");
    this.#put({ ...one, leaving: true });
    await removeInterface(provider, one.id, this.instance(), signal);
    book.remove(one.id);
    changed();
  }

  /** Gives addresses of an interface back. First out of the book: nobody gets one of them in the meantime. */
  async unassign(one: OwnInterface, back: readonly string[]): Promise<void> {
    if (back.length === 0) return;
    this.#put({ ...one, addresses: one.addresses.filter((address) => !back.includes(address)) });
    await insisting(() => this.#options.provider.unassignAddresses(one.id, back));
  }

  /** Makes the book equal to what the provider has for this node. */
  async sync({ hash }: Applied): Promise<void> {
    const { provider, logger, book, changed } = this.#options;
    const instanceID = this.instance();
    // Also where nothing is to be had of vSwitches here: the node says what it can take.
    if (this.#limits === undefined) {
      await this.#knownLimits();
      changed();
    }
    const found = await provider.describeInterfaces({ tags: this.#tags() });
    this.#halfway.clear();
    // The machine's own interface carries no pods, whatever its tags say.
    const present = new Map(found.filter(({ type }) => type === "Secondary").map((one) => [one.id, one]));
    for (const one of book.interfaces.values()) {
      const now = present.get(one.id);
      if (now?.status === "InUse" && now.instanceID === instanceID) {
        if (!equalJson(now.addresses, one.addresses)) this.#put({ ...one, addresses: now.addresses });
        continue;
      }
      const facts = { interface: one.id, status: now?.status ?? "gone" };
      logger.error(facts, "an interface of the node's is not as it was");
      if (!now) {
        book.remove(one.id);
        changed();
      }
    }
    for (const one of present.values()) {
      const known = book.interfaces.get(one.id);
      if (known && one.status === "InUse") continue;
      await this.#adopt(one, known?.hash ?? hash);
    }
  }

  /** Gets at most that many addresses of a vSwitch by one call, on an interface that is there or a new one; 0: no room. */
  async #more(config: Applied, limits: InstanceLimits, vSwitchID: string, wanted: number): Promise<number> {
    const { provider, book } = this.#options;
    const roomy = [...book.interfaces.values()].find(
      (one) =>
        !one.leaving &&
        one.vSwitchID === vSwitchID &&
        fits(one, config) &&
        one.addresses.length < limits.ipv4PerAdapter,
    );
    if (roomy) {
      const most = Math.min(wanted, limits.ipv4PerAdapter - roomy.addresses.length, ASSIGN_MOST);
      return await this.#asMany(vSwitchID, most, async (count) => {
        const token = randomUUID();
        const given = await insisting(() => provider.assignAddresses({ token, id: roomy.id, count }));
        this.#put({ ...roomy, addresses: [...roomy.addresses, ...given] });
        return given;
      });
    }
    // The machine's own interface carries no pods and counts.
    const most = Math.min(limits.adapters - 1, config.settings.maxInterfaces ?? limits.adapters);
    if (most - book.interfaces.size <= 0) return 0;
    return await this.#asMany(vSwitchID, Math.min(wanted, limits.ipv4PerAdapter), (count) =>
      this.#make(config, vSwitchID, count),
    );
  }

  /** Where there are fewer than asked for, those that there are. */
  async #asMany(
    vSwitchID: string,
    most: number,
    call: (count: number) => Promise<readonly string[]>,
  ): Promise<number> {
    try {
      return (await call(most)).length;
    } catch (error) {
      if (!isExhausted(error) || most === 1) throw error;
      const left = (await this.#subnetOf(vSwitchID))?.available ?? 0;
      if (left === 0) throw error;
      return (await call(Math.min(left, most))).length;
    }
  }

  async #make(config: Applied, vSwitchID: string, addressCount: number): Promise<readonly string[]> {
    const { provider } = this.#options;
    const { securityGroupIDs, settings, hash } = config;
    const tags = { ...settings.tags, ...this.#tags() };
    const type = "Secondary" as const;
    const made = await createInterface(provider, { vSwitchID, securityGroupIDs, type, addressCount, tags });
    await this.#finish(made, hash);
    return made.addresses;
  }

  /** Attaches what was made; where the provider asks for patience, the next try goes on with this interface. */
  async #finish(made: CloudInterface, hash: string): Promise<void> {
    const { provider, signal } = this.#options;
    try {
      await this.#adopt(made, hash);
      this.#halfway.delete(made.id);
    } catch (error) {
      if (isThrottled(error)) this.#halfway.set(made.id, { made, hash });
      else this.#halfway.delete(made.id);
      // The machine takes no more than it has: then nobody shall count this one as ours.
      if (isFull(error)) await removeInterface(provider, made.id, this.instance(), signal);
      throw error;
    }
  }

  /** Takes an interface that is ours into use. */
  async #adopt(made: CloudInterface, hash: string): Promise<void> {
    const { provider, logger, book, signal } = this.#options;
    const subnet = await this.#rangeOf(made.vSwitchID);
    if (!subnet) return;
    const attached =
      made.status === "InUse" ? made : await attachInterface(provider, made.id, this.instance(), signal);
    const { id, mac, vSwitchID, securityGroupIDs, addresses } = attached;
    const { cidr, gateway } = subnet;
    const slot = book.interfaces.get(id)?.slot ?? book.freeSlot();
    logger.info({ interface: id, vSwitchID, addresses: addresses.length }, "an interface is in use");
    this.#put({ id, mac, vSwitchID, cidr, gateway, securityGroupIDs, hash, slot, addresses });
  }

  #put(one: OwnInterface): void {
    this.#options.book.put(one);
    this.#options.changed();
  }

  #tags(): Readonly<Record<string, string>> {
    const { cluster, node } = this.#options;
    return { ...ourTags(cluster), [nodeTag]: node };
  }

  async #knownLimits(): Promise<InstanceLimits> {
    const instanceID = this.instance();
    this.#limits ??= await insisting(() => this.#options.provider.describeInstance(instanceID));
    return this.limits ?? this.#limits;
  }

  /** Range and gateway never change: the object says them, and saves a call. */
  async #rangeOf(id: string): Promise<Pick<CloudSubnet, "cidr" | "gateway"> | undefined> {
    const spec = this.#options.facts.subnets.get(id)?.spec;
    if (spec && hasRange(spec)) return { cidr: spec.cidr, gateway: subnetGateway(spec) };
    return this.#subnets.get(id) ?? (await this.#subnetOf(id));
  }

  #totalOf(id: string): number | null {
    const spec = this.#options.facts.subnets.get(id)?.spec;
    return spec ? usableCount(spec) : (this.#subnets.get(id)?.total ?? null);
  }

  async #subnetOf(id: string): Promise<CloudSubnet | undefined> {
    const [found] = await insisting(() => this.#options.provider.describeSubnets([id]));
    if (found) this.#subnets.set(id, found);
    return found;
  }

  async #inOrder({ vSwitchIDs, settings }: Applied): Promise<readonly string[]> {
    if (vSwitchIDs.length < 2 || settings.selection === "ordered") return vSwitchIDs;
    if (settings.selection === "random") return shuffled(vSwitchIDs);
    const found = await insisting(() => this.#options.provider.describeSubnets(vSwitchIDs));
    const free = new Map(found.map(({ id, available }) => [id, available]));
    return vSwitchIDs.toSorted((a, b) => (free.get(b) ?? 0) - (free.get(a) ?? 0));
  }
}

/** Returns whether an interface is as the configuration has it now. */
export function fits({ vSwitchID, securityGroupIDs }: OwnInterface, config: Applied): boolean {
  return (
    config.vSwitchIDs.includes(vSwitchID) && equalJson(securityGroupIDs.toSorted(), config.securityGroupIDs)
  );
}

function shuffled<T>(values: readonly T[]): readonly T[] {
  return values
    .map((value) => ({ value, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
