// The node's pool: interfaces in the vSwitches of its configuration, and addresses on them that wait for pods. One worker
// makes all calls, one after the other, so that whoever waits shares them: pods that come together are one call.
import { randomUUID } from "node:crypto";
import path from "node:path";
import { equalJson } from "../../api/equal.ts";
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import type { NodeInterface } from "../../api/kinds/node-config.ts";
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { type CloudProvider, isExhausted, isFull, isThrottled } from "../../cloud/provider.ts";
import {
  type CloudInterface,
  type CloudSubnet,
  type InstanceLimits,
  nodeTag,
  ourTags,
} from "../../cloud/types.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { waitsElsewhere, waitsForAddress, wantsOwnNetwork } from "../../plan/subnets/demand.ts";
import type { NodeConfigResult } from "../../plan/subnets/node-config.ts";
import { attachInterface, createInterface, insisting, removeInterface } from "./interface-life.ts";
import { type Holder, type OwnInterface, PoolBook } from "./pool-book.ts";

export interface SubnetPoolOptions {
  readonly node: string;
  readonly cluster: string;
  readonly provider: CloudProvider;
  readonly facts: ClusterFacts;
  readonly stateDir: string;
  readonly logger: Logger;
  /** How long a freed address rests, in milliseconds. */
  readonly restMs: number;
  readonly config: () => NodeConfigResult | undefined;
  /** The provider's id of this machine; undefined while nobody has said it. */
  readonly instanceID: () => string | undefined;
  /** Every pod of the node has an interface to itself. */
  readonly isExclusive: () => boolean;
  /** Interfaces or their addresses have changed. */
  readonly changed: () => void;
  /** Addresses have come while nobody waited here for one; those pods may be tried again. */
  readonly came: () => void;
}

type Applied = Extract<NodeConfigResult, { state: "applied" }>;

/** The most addresses that one call assigns. */
const ASSIGN_MOST = 10;
/** How long an ADD waits for an address, in milliseconds. */
const WAIT_MS = 20_000;
/** After this, a pod that waits for a throttled call is told so. */
const THROTTLED_MS = 5000;
const RETRY_MS = 8000;
/** Between tries that somebody asked for. */
const LEAST_MS = 200;
const BACKOFF_MS = [200, 5000] as const;
const SYNC_MS = 600_000;

interface Waiter {
  readonly holder: Holder;
  readonly resolve: (address: string) => void;
  readonly reject: (error: unknown) => void;
  readonly since: number;
}

export class SubnetPool {
  readonly book: PoolBook;
  readonly #options: SubnetPoolOptions;
  readonly #waiters = new Set<Waiter>();
  readonly #ending = new AbortController();
  #limits: InstanceLimits | undefined;
  #subnets = new Map<string, CloudSubnet>();
  /** What the provider holds for us may be another than the book says. */
  #unsure = true;
  #syncedAt = Number.NEGATIVE_INFINITY;
  #failure: { readonly error: TrunklineError; readonly at: number } | undefined;
  /** Where the vSwitches had nothing left: until when nobody asks again, and what other nodes had then. */
  #drained: { readonly until: number; readonly elsewhere: number } | undefined;
  #throttles = 0;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(options: SubnetPoolOptions) {
    this.#options = options;
    this.book = new PoolBook(path.join(options.stateDir, "subnets"), {
      now: () => performance.now(),
      restMs: options.restMs,
      logger: options.logger,
    });
  }

  /**
   * Returns an address for that holder, the same one as long as it is not released.
   * @throws `subnet.exhausted`, `subnet.node-full`, `subnet.provider`, `subnet.no-instance`
   */
  async allocate(holder: Holder): Promise<string> {
    const before = this.book.addressOf(holder.key);
    if (before !== undefined) return before;
    const ready = this.#take(holder);
    if (ready !== undefined) {
      this.poke();
      return ready;
    }
    const hopeless = this.#hopeless();
    if (hopeless) throw hopeless;
    return await this.#wait(holder);
  }

  /** Gives back what a holder has; returns whether it had anything. */
  release(key: string): boolean {
    const released = this.book.release(key);
    if (released) {
      this.#options.changed();
      this.poke();
    }
    return released;
  }

  /** Something has changed that may help those who wait, or make addresses superfluous. */
  poke(afterMs = 0): void {
    if (this.#ending.signal.aborted) return;
    const at = performance.now() + afterMs;
    if (at >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = at;
    this.#timer = setTimeout(() => this.#start(), afterMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    clearTimeout(this.#timer);
    for (const { reject } of this.#waiters) reject(this.#provider("the agent ends", false));
    this.#waiters.clear();
    await this.#running;
  }

  /** Returns what is told of the interfaces. */
  status(): NodeInterface[] {
    return [...this.book.interfaces.values()].map((one) => {
      const used = this.book.usedOf(one);
      const { id, vSwitchID, securityGroupIDs, mac, hash, addresses } = one;
      const idle = addresses.length - used;
      return { id, vSwitchID, securityGroupIDs, mac, hash, addresses: addresses.toSorted(), used, idle };
    });
  }

  /** Returns whether an interface is not as the configuration has it now. */
  isStale(one: OwnInterface): boolean {
    const config = this.#applied();
    return config !== undefined && !fits(one, config);
  }

  #wait(holder: Holder): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(this.#failure?.error ?? this.#provider("it takes too long", this.#throttles > 0));
      }, WAIT_MS);
      const end = () => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        holder,
        since: performance.now(),
        resolve: (address) => {
          end();
          resolve(address);
        },
        reject: (error) => {
          end();
          reject(error instanceof Error ? error : new Error(textOf(error)));
        },
      };
      this.#waiters.add(waiter);
      this.poke();
    });
  }

  #start(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (this.#running) {
      // It looks again when it has ended.
      void this.#running.then(() => this.poke());
      return;
    }
    this.#running = this.#round().finally(() => {
      this.#running = undefined;
    });
  }

  async #round(): Promise<void> {
    const { logger } = this.#options;
    const config = this.#applied();
    if (!config) return;
    try {
      const instanceID = this.#instance();
      if (this.#unsure || performance.now() - this.#syncedAt > SYNC_MS) await this.#sync(config, instanceID);
      this.#serve();
      const waiting = this.#waitingPods();
      const least = config.vSwitchIDs.length > 0 ? config.settings.minPoolSize : 0;
      const short = waiting + least - this.#idle(config);
      const hopeless = short > 0 ? this.#hopeless() : undefined;
      if (hopeless) {
        for (const waiter of this.#waiters) waiter.reject(hopeless);
        this.#wakeForRested();
        if (this.#idle(config) > 0) this.#options.came();
        return;
      }
      if (short > 0) {
        await this.#grow(config, instanceID, short);
        // What an older configuration has left is looked at then.
        this.poke(LEAST_MS);
      } else await this.#shrink(config, instanceID, waiting);
      this.#failure = undefined;
      this.#throttles = 0;
      this.#wakeForRested();
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      logger.warn({ error: textOf(error) }, "the pool of addresses could not be kept");
      this.#failed(error);
    }
    this.#serve();
  }

  #wakeForRested(): void {
    const rested = this.book.nextRested();
    if (rested !== undefined) this.poke(rested + 1);
  }

  #failed(error: unknown): void {
    const expected = error instanceof TrunklineError && error.code.startsWith("subnet.");
    // After a refusal of any other kind something may have been done by halves.
    if (!expected && !isThrottled(error)) this.#unsure = true;
    const throttled = isThrottled(error);
    const told = expected ? (error as TrunklineError) : this.#provider(textOf(error), throttled);
    const now = performance.now();
    this.#failure = { error: told, at: now };
    for (const waiter of this.#waiters)
      if (!throttled || now - waiter.since > THROTTLED_MS) waiter.reject(told);
    this.#throttles = throttled ? this.#throttles + 1 : 0;
    const [first, longest] = BACKOFF_MS;
    // Nodes that were refused together must not come back together.
    // A machine that is full, or a vSwitch, is so for all who come next: one call every now and then is enough to know.
    if (isError(told, "subnet.exhausted") || isError(told, "subnet.node-full"))
      this.#drained = { until: now + RETRY_MS - LEAST_MS, elsewhere: this.#elsewhere() };
    const backoff = Math.min(first * 2 ** this.#throttles, longest) * (0.5 + Math.random() / 2);
    this.poke(throttled ? backoff : RETRY_MS);
  }

  /** Returns why it is of no use to ask the provider now; undefined where it may be. */
  #hopeless(): TrunklineError | undefined {
    const drained = this.#drained;
    if (!drained || !this.#failure) return undefined;
    // Others have given addresses back.
    const isOver = performance.now() >= drained.until || this.#elsewhere() < drained.elsewhere;
    if (isOver) this.#drained = undefined;
    return isOver ? undefined : this.#failure.error;
  }

  /** How many addresses of this node's vSwitches other nodes have, as they say. */
  #elsewhere(): number {
    const { facts, node } = this.#options;
    const wanted = this.#applied()?.vSwitchIDs ?? [];
    return [...facts.nodeConfigs]
      .filter(([name]) => name !== node)
      .flatMap(([, { status }]) => status?.interfaces ?? [])
      .filter(({ vSwitchID }) => wanted.includes(vSwitchID))
      .reduce((sum, { used, idle }) => sum + used + idle, 0);
  }

  /** Gives addresses to those who wait, the longest first. */
  #serve(): void {
    for (const waiter of this.#waiters) {
      const address = this.#take(waiter.holder);
      if (address === undefined) return;
      waiter.resolve(address);
    }
  }

  #take(holder: Holder): string | undefined {
    const config = this.#applied();
    if (!config) return undefined;
    const usable = [...this.book.interfaces.values()].filter((one) => !one.leaving && fits(one, config));
    // The fullest first, so that others run empty and can be given back.
    if (this.#drained && this.#idle(config) <= this.#olderPods(holder)) return undefined;
    const order = (one: OwnInterface) => config.vSwitchIDs.indexOf(one.vSwitchID);
    usable.sort((a, b) => order(a) - order(b) || this.book.usedOf(b) - this.book.usedOf(a));
    for (const one of usable) {
      const [address] = this.book.idleOf(one);
      if (address === undefined) continue;
      this.book.hold(address, holder);
      this.#options.changed();
      return address;
    }
    return undefined;
  }

  /** How many pods of this node were told to wait and are older: where there is not enough for all, they come first. */
  #olderPods({ uid }: Holder): number {
    const { node, facts } = this.#options;
    const served = this.book.podUids;
    const here = [...facts.pods.values()].filter(({ spec }) => spec.nodeName === node);
    const own = here.find(({ metadata }) => metadata.uid === uid);
    const age = own?.metadata.creationTimestamp ?? "";
    return here.filter(
      (pod) => waitsForAddress(pod) && !served.has(pod.metadata.uid) && pod.metadata.creationTimestamp < age,
    ).length;
  }

  #applied(): Applied | undefined {
    const config = this.#options.config();
    return config?.state === "applied" ? config : undefined;
  }

  #instance(): string {
    const { node, instanceID } = this.#options;
    const id = instanceID();
    if (id === undefined) throw new TrunklineError("subnet.no-instance", { node });
    return id;
  }

  /** How many pods of this node have no address yet, those for which no ADD has come among them. */
  #waitingPods(): number {
    const served = this.book.podUids;
    const { node, facts } = this.#options;
    const waiting = new Set([...this.#waiters].map(({ holder }) => holder.uid));
    for (const pod of facts.pods.values())
      if (pod.spec.nodeName === node && needsAddress(pod) && !served.has(pod.metadata.uid))
        waiting.add(pod.metadata.uid);
    return Math.max(waiting.size, this.#waiters.size);
  }

  #idle(config: Applied): number {
    return [...this.book.interfaces.values()]
      .filter((one) => !one.leaving && fits(one, config))
      .reduce((sum, one) => sum + this.book.idleOf(one).length, 0);
  }

  async #grow(config: Applied, instanceID: string, wanted: number): Promise<void> {
    const { node } = this.#options;
    const waiters = this.#waiters.size;
    let short = wanted;
    const exhausted: string[] = [];
    const limits = await this.#limitsOf(instanceID);
    for (const vSwitchID of await this.#inOrder(config)) {
      try {
        while (short > 0) {
          const got = await this.#more(config, limits, vSwitchID, short);
          if (got === 0) break;
          short -= got;
          this.#serve();
        }
      } catch (error) {
        if (!isExhausted(error)) throw error;
        exhausted.push(vSwitchID);
      }
      if (short <= 0) break;
    }
    if (waiters === 0 && short < wanted) this.#options.came();
    if (short <= 0) return;
    if (exhausted.length > 0) {
      const total = exhausted.length === 1 ? (this.#subnets.get(exhausted[0] ?? "")?.total ?? null) : null;
      throw new TrunklineError("subnet.exhausted", { zone: config.zone ?? "", vSwitchIDs: exhausted, total });
    }
    const interfaces = Math.min(limits.adapters - 1, config.settings.maxInterfaces ?? limits.adapters);
    throw new TrunklineError("subnet.node-full", { node, interfaces, addresses: limits.ipv4PerAdapter });
  }

  /** Gets at most that many addresses of a vSwitch by one call, on an interface that is there or a new one; 0: no room. */
  async #more(config: Applied, limits: InstanceLimits, vSwitchID: string, wanted: number): Promise<number> {
    const { provider } = this.#options;
    const mine = [...this.book.interfaces.values()].filter((one) => !one.leaving);
    const roomy = mine.find(
      (one) =>
        one.vSwitchID === vSwitchID && fits(one, config) && one.addresses.length < limits.ipv4PerAdapter,
    );
    const asMany = async (most: number, call: (count: number) => Promise<readonly string[]>) => {
      try {
        return (await call(most)).length;
      } catch (error) {
        if (!isExhausted(error) || most === 1) throw error;
        const left = (await this.#subnetOf(vSwitchID))?.available ?? 0;
        if (left === 0) throw error;
        return (await call(Math.min(left, most))).length;
      }
    };
    if (roomy)
      return asMany(
        Math.min(wanted, limits.ipv4PerAdapter - roomy.addresses.length, ASSIGN_MOST),
        async (count) => {
          const token = randomUUID();
          const given = await insisting(() => provider.assignAddresses({ token, id: roomy.id, count }));
          this.#put({ ...roomy, addresses: [...roomy.addresses, ...given] });
          return given;
        },
      );
    // The machine's own interface carries no pods and counts.
    const room =
      Math.min(limits.adapters - 1, config.settings.maxInterfaces ?? limits.adapters) -
      this.book.interfaces.size;
    if (room <= 0) return 0;
    return asMany(Math.min(wanted, limits.ipv4PerAdapter), async (addressCount) => {
      const { securityGroupIDs, settings, hash } = config;
      const tags = { ...settings.tags, ...this.#tags() };
      const type = "Secondary" as const;
      const made = await createInterface(provider, { vSwitchID, securityGroupIDs, type, addressCount, tags });
      try {
        await this.#adopt(made, hash);
      } catch (error) {
        // The machine takes no more than it has: then nobody shall count this one as ours.
        if (isFull(error)) await removeInterface(provider, made.id, this.#instance(), this.#ending.signal);
        throw error;
      }
      return made.addresses;
    });
  }

  /** Takes an interface that is ours into use. */
  async #adopt(made: CloudInterface, hash: string): Promise<void> {
    const { provider, logger } = this.#options;
    const subnet = await this.#subnetOf(made.vSwitchID, true);
    if (!subnet) return;
    const attached =
      made.status === "InUse"
        ? made
        : await attachInterface(provider, made.id, this.#instance(), this.#ending.signal);
    const { id, mac, vSwitchID, securityGroupIDs, addresses } = attached;
    const { cidr, gateway } = subnet;
    const slot = this.book.interfaces.get(id)?.slot ?? this.book.freeSlot();
    logger.info({ interface: id, vSwitchID, addresses: addresses.length }, "an interface is in use");
    this.#put({ id, mac, vSwitchID, cidr, gateway, securityGroupIDs, hash, slot, addresses });
  }

  /** Gives back what is superfluous: all of an old configuration, more than the most, and all where others wait for it. */
  async #shrink(config: Applied, instanceID: string, waiting: number): Promise<void> {
    const { provider, facts, node, logger } = this.#options;
    const { maxPoolSize, minPoolSize } = config.settings;
    let keep = waiting + maxPoolSize;
    for (const one of [...this.book.interfaces.values()].toSorted(
      (a, b) => this.book.usedOf(b) - this.book.usedOf(a),
    )) {
      const idle = this.book.idleOf(one);
      const may =
        !fits(one, config) || one.leaving
          ? 0
          : waitsElsewhere(facts, node, one.vSwitchID)
            ? waiting + minPoolSize
            : keep;
      const over = idle.length - Math.max(may, 0);
      if (idle.length === one.addresses.length && may <= 0) {
        logger.info({ interface: one.id, vSwitchID: one.vSwitchID }, "giving an interface back");
        this.#put({ ...one, leaving: true });
        await removeInterface(provider, one.id, instanceID, this.#ending.signal);
        this.book.remove(one.id);
        this.#options.changed();
        continue;
      }
      const back = idle.filter((address) => address !== one.addresses[0]).slice(0, Math.max(over, 0));
      if (back.length > 0) {
        // First out of the book: nobody gets one of them in the meantime.
        this.#put({ ...one, addresses: one.addresses.filter((address) => !back.includes(address)) });
        await insisting(() => provider.unassignAddresses(one.id, back));
      }
      keep -= idle.length - back.length;
    }
  }

  /** Makes the book equal to what the provider has for this node. */
  async #sync({ hash }: Applied, instanceID: string): Promise<void> {
    const { provider, logger } = this.#options;
    const found = await provider.describeInterfaces({ tags: this.#tags() });
    const present = new Map(found.filter(({ type }) => type === "Secondary").map((one) => [one.id, one]));
    for (const one of this.book.interfaces.values()) {
      const now = present.get(one.id);
      if (now?.status === "InUse" && now.instanceID === instanceID) {
        if (!equalJson(now.addresses, one.addresses)) this.#put({ ...one, addresses: now.addresses });
        continue;
      }
      logger.error(
        { interface: one.id, status: now?.status ?? "gone" },
        "an interface of the node's is not as it was",
      );
      if (!now) {
        this.book.remove(one.id);
        this.#options.changed();
      }
    }
    for (const one of present.values()) {
      const known = this.book.interfaces.get(one.id);
      if (known && one.status === "InUse") continue;
      await this.#adopt(one, known?.hash ?? hash);
    }
    this.#unsure = false;
    this.#syncedAt = performance.now();
  }

  #put(one: OwnInterface): void {
    this.book.put(one);
    this.#options.changed();
  }

  #tags(): Readonly<Record<string, string>> {
    const { cluster, node } = this.#options;
    return { ...ourTags(cluster), [nodeTag]: node };
  }

  async #limitsOf(instanceID: string): Promise<InstanceLimits> {
    this.#limits ??= await insisting(() => this.#options.provider.describeInstance(instanceID));
    return this.limits ?? this.#limits;
  }

  /** Machine's limits, where they are known. */
  get limits(): InstanceLimits | undefined {
    return this.#limits && this.#options.isExclusive()
      ? { ...this.#limits, ipv4PerAdapter: 1 }
      : this.#limits;
  }

  async #subnetOf(id: string, known = false): Promise<CloudSubnet | undefined> {
    const before = this.#subnets.get(id);
    if (known && before) return before;
    const [found] = await insisting(() => this.#options.provider.describeSubnets([id]));
    if (found) this.#subnets.set(id, found);
    return found;
  }

  async #inOrder({ vSwitchIDs, settings }: Applied): Promise<readonly string[]> {
    if (vSwitchIDs.length < 2 || settings.selection === "ordered") return vSwitchIDs;
    if (settings.selection === "random") return vSwitchIDs.toSorted(() => Math.random() - 0.5);
    const found = await insisting(() => this.#options.provider.describeSubnets(vSwitchIDs));
    const free = new Map(found.map(({ id, available }) => [id, available]));
    return vSwitchIDs.toSorted((a, b) => (free.get(b) ?? 0) - (free.get(a) ?? 0));
  }

  #provider(why: string, throttled: boolean): TrunklineError<"subnet.provider"> {
    return new TrunklineError("subnet.provider", { throttled, why });
  }
}

function fits({ vSwitchID, securityGroupIDs }: OwnInterface, config: Applied): boolean {
  return (
    config.vSwitchIDs.includes(vSwitchID) && equalJson(securityGroupIDs.toSorted(), config.securityGroupIDs)
  );
}

/** Pods that are being deleted, and those that have ended, are no demand. */
function needsAddress(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    pod.spec.hostNetwork !== true &&
    !isTerminal(pod) &&
    podIps(pod).length === 0 &&
    !wantsOwnNetwork(pod)
  );
}
