// The node's pool: interfaces in the vSwitches of its configuration, and addresses on them that wait for pods. One worker
// goes round after round, so that whoever waits shares its calls: pods that come together are one.
import path from "node:path";
import type { NodeInterface } from "../../../api/kinds/node-config.ts";
import { TrunklineError, textOf } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import { type CloudProvider, isThrottled } from "../../../cloud/provider.ts";
import type { InstanceLimits } from "../../../cloud/types.ts";
import { systemClock } from "../../../ipam/clock.ts";
import type { Clock } from "../../../ipam/types.ts";
import type { ClusterFacts } from "../../../plan/facts.ts";
import { waitsElsewhere } from "../../../plan/subnets/demand.ts";
import type { NodeConfigResult } from "../../../plan/subnets/node-config.ts";
import { type Holder, type OwnInterface, PoolBook } from "./pool-book.ts";
import { PoolDemand } from "./pool-demand.ts";
import { Setback } from "./pool-setback.ts";
import { type Applied, fits, PoolSupply, type PoolSupplyOptions } from "./pool-supply.ts";
import { Burst, Swarm } from "./pool-swarm.ts";
import { turnOf, Yielding } from "./pool-turns.ts";
import { PoolWaiters } from "./pool-waiters.ts";

export interface SubnetPoolOptions extends Omit<PoolSupplyOptions, "book" | "signal"> {
  readonly provider: CloudProvider;
  readonly facts: ClusterFacts;
  /** Nodes with pods that have no address yet. */
  readonly needyNodes?: () => Iterable<string>;
  readonly stateDir: string;
  readonly logger: Logger;
  /** How long a freed address rests, in milliseconds. */
  readonly restMs: number;
  readonly config: () => NodeConfigResult | undefined;
  /** There are so many addresses that no ADD here waits for, or may have; the oldest pods that wait may be tried again. */
  readonly came: (count: number) => void;
  /** Of rests and of the time between tries; default: the machine's. */
  readonly clock?: Pick<Clock, "steady" | "sleep"> | undefined;
}

/** How long an ADD waits for an address, in milliseconds. */
const WAIT_MS = 20_000;
/** After this, who waits for a throttled call is told so. Its ADD waits on: to fail it would cost a new sandbox and three writes a pod. */
const THROTTLED_MS = 5000;
/** Between tries that somebody asked for. */
const LEAST_MS = 200;
const SYNC_MS = 600_000;
/** Between what was given back and a look at what that makes superfluous. */
const GATHER_MS = 50;
/** The same where nobody waits for it: what is to be kept ready, and what is superfluous. Also, no pod that comes is held up. */
const UPKEEP_MS = 500;

interface Superfluous {
  readonly one: OwnInterface;
  readonly back: readonly string[] | "all";
  /** A pod of another node waits for it. */
  readonly isWanted: boolean;
}

export class SubnetPool {
  readonly book: PoolBook;
  readonly #options: SubnetPoolOptions;
  readonly #clock: Pick<Clock, "steady" | "sleep">;
  readonly #supply: PoolSupply;
  readonly #demand: PoolDemand;
  readonly #waiters: PoolWaiters;
  readonly #setback: Setback;
  readonly #yielding: Yielding;
  readonly #swarm: Swarm;
  readonly #burst: Burst;
  readonly #ending = new AbortController();
  /** What the provider holds for us may be another than the book says. */
  #unsure = true;
  #syncedAt = Number.NEGATIVE_INFINITY;
  #waking: AbortController | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  /** When to do what has to be done and nobody waits for; undefined where there is nothing of the kind. */
  #upkeepAt: number | undefined;
  #running: Promise<void> | undefined;

  constructor(options: SubnetPoolOptions) {
    const { clock = systemClock, stateDir, restMs, logger } = options;
    this.#options = options;
    this.#clock = clock;
    const now = () => clock.steady();
    this.book = new PoolBook(path.join(stateDir, "subnets"), { now, restMs, logger });
    const { book } = this;
    this.#supply = new PoolSupply({ ...options, book, signal: this.#ending.signal });
    this.#demand = new PoolDemand({ ...options, book });
    this.#setback = new Setback(now);
    this.#yielding = new Yielding(now);
    this.#swarm = new Swarm(now);
    this.#burst = new Burst(now);
    this.#waiters = new PoolWaiters(
      WAIT_MS,
      () => this.#setback.error ?? ofProvider("it takes too long", this.#setback.isThrottled),
    );
  }

  /** The machine's limits, where they are known. */
  get limits(): InstanceLimits | undefined {
    return this.#supply.limits;
  }

  /** A vSwitch or the machine had nothing left, and somebody here may have wanted it. */
  get isDrained(): boolean {
    return this.#setback.isDrained;
  }

  /**
   * Returns an address for that holder, the same one as long as it is not released.
   * @param told hears what it waits for where that takes long
   * @throws `subnet.exhausted`, `subnet.node-full`, `subnet.provider`, `subnet.no-instance`
   */
  async allocate(holder: Holder, told?: (error: Error) => void): Promise<string> {
    const ready = this.book.addressOf(holder.key) ?? this.#take(holder);
    if (ready !== undefined) {
      this.poke(UPKEEP_MS);
      return ready;
    }
    const hopeless = this.#hopeless();
    if (hopeless) throw hopeless;
    const waiting = this.#waiters.wait(holder, told);
    this.poke();
    return await waiting;
  }

  /** Gives back what a holder has; returns whether it had anything. */
  release(key: string): boolean {
    const released = this.book.release(key);
    if (released) {
      this.#options.changed();
      this.poke(GATHER_MS);
    }
    return released;
  }

  /** Something has changed that may help those who wait, or make addresses superfluous. */
  poke(afterMs = 0): void {
    if (this.#ending.signal.aborted) return;
    const at = this.#clock.steady() + afterMs;
    if (at >= this.#dueAt) return;
    // With a reason of its own: making an error for each would cost more than the timer.
    this.#waking?.abort("sooner");
    this.#dueAt = at;
    const waking = new AbortController();
    this.#waking = waking;
    void this.#clock.sleep(afterMs, waking.signal).then(() => {
      if (!waking.signal.aborted) this.#start();
    });
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    this.#waking?.abort();
    this.#waiters.reject(ofProvider("the agent ends", false));
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
    const config = this.#applied();
    if (!config) return;
    // Before any call: what others give back while one is under way is not known to it.
    const elsewhere = this.#demand.elsewhere(config.vSwitchIDs);
    try {
      await this.#keep(config);
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      this.#options.logger.warn({ error: textOf(error) }, "the pool of addresses could not be kept");
      this.#failed(error, elsewhere);
    }
    this.#serve();
  }

  async #keep(config: Applied): Promise<void> {
    this.#supply.instance();
    if (this.#unsure || this.#clock.steady() - this.#syncedAt > SYNC_MS) {
      await this.#supply.sync(config);
      this.#unsure = false;
      this.#syncedAt = this.#clock.steady();
    }
    this.#serve();
    const waiting = this.#demand.waiting(this.#waiters.holders);
    const least = config.vSwitchIDs.length > 0 ? config.settings.minPoolSize : 0;
    const idle = this.#idle(config);
    const short = waiting + least - idle;
    const hopeless = short > 0 ? this.#hopeless() : undefined;
    if (hopeless) {
      this.#waiters.reject(hopeless);
      this.#wakeForRested();
      if (this.#idle(config) > 0) this.#options.came(this.#idle(config));
      return;
    }
    const patienceMs = this.#setback.patienceMs;
    if (short > 0 && patienceMs > 0) {
      // Whoever comes meanwhile shares the next try.
      this.poke(patienceMs);
      return;
    }
    if (waiting > idle && this.#isGathering(waiting - idle, this.#supply.hasRoom(config))) return;
    if (short > 0 && (waiting > idle || this.#isTime())) {
      const { facts, node } = this.#options;
      const share = this.#yielding.share(short, turnOf(facts, node, config.vSwitchIDs));
      if (share > 0) await this.#grow(config, share);
      // What an older configuration has left is looked at then.
      this.poke(LEAST_MS);
    } else if (short <= 0) await this.#shrink(config, waiting);
    this.#setback.over();
    this.#wakeForRested();
  }

  /** Returns whether more pods may be on their way; then a later round will look again. */
  #isGathering(short: number, hasRoom: boolean): boolean {
    const leftMs = this.#swarm.leftMs(short, hasRoom);
    if (leftMs > 0) this.poke(leftMs);
    return leftMs > 0;
  }

  /** Returns whether what nobody waits for is to be done now; if not, a later round will. */
  #isTime(): boolean {
    const now = this.#clock.steady();
    this.#upkeepAt ??= now + UPKEEP_MS;
    if (now >= this.#upkeepAt) {
      this.#upkeepAt = undefined;
      return true;
    }
    this.poke(this.#upkeepAt - now);
    return false;
  }

  async #grow(config: Applied, short: number): Promise<void> {
    const isWaitedFor = this.#waiters.holders.length > 0;
    let got = 0;
    try {
      const came = (count: number) => {
        got += count;
        this.#serve();
      };
      await this.#supply.grow(config, short, (vSwitchID) => this.#spare(config, vSwitchID), came);
    } finally {
      if (got > 0 && isWaitedFor) this.#burst.note(config.settings.maxPoolSize, got);
      else if (got > 0) this.#options.came(got);
    }
  }

  /**
   * Where there is plenty, the next few pods are not worth a call each: as many as may be kept anyway come along; and where
   * pods keep coming, as many as have come lately, so that twenty pods cost a node four or five calls.
   */
  #spare(config: Applied, vSwitchID: string): number {
    const { facts, node } = this.#options;
    const { maxPoolSize, minPoolSize } = config.settings;
    const isScarce =
      this.#setback.isDrained ||
      (facts.subnets.get(vSwitchID)?.status?.shortBy ?? 0) > 0 ||
      waitsElsewhere(facts, node, vSwitchID);
    return isScarce
      ? 0
      : Math.max(0, maxPoolSize - minPoolSize, this.#burst.leftMs(maxPoolSize) > 0 ? this.#burst.got : 0);
  }

  /** Gives back what is superfluous: all of an old configuration, more than the most, and all where others wait for it. */
  async #shrink(config: Applied, waiting: number): Promise<void> {
    const over = this.#superfluous(config, waiting);
    // What has come in vain goes back then.
    const leftMs = this.#burst.leftMs(config.settings.maxPoolSize);
    if (leftMs > 0) this.poke(leftMs + 1);
    if (over.length === 0) this.#upkeepAt = undefined;
    else if (over.some(({ isWanted }) => isWanted) || this.#isTime())
      // One after the other, and each time anew: pods come while a call is under way.
      for (let [next] = over; next; [next] = this.#superfluous(config, waiting))
        if (next.back === "all") await this.#supply.giveBack(next.one);
        else await this.#supply.unassign(next.one, next.back);
  }

  #superfluous(config: Applied, waiting: number): readonly Superfluous[] {
    const { facts, node } = this.#options;
    const { maxPoolSize, minPoolSize } = config.settings;
    const found: Superfluous[] = [];
    const isGrowing = this.#burst.leftMs(maxPoolSize) > 0 && this.#burst.calls > 1;
    let keep = waiting + Math.max(maxPoolSize, isGrowing ? this.#burst.got : 0);
    for (const one of [...this.book.interfaces.values()].toSorted(
      (a, b) => this.book.usedOf(b) - this.book.usedOf(a),
    )) {
      const idle = this.book.idleOf(one);
      // Where nothing is idle, nobody asks who waits: that takes a look at every pod.
      const isWanted = idle.length > 0 && waitsElsewhere(facts, node, one.vSwitchID);
      const may = !fits(one, config) || one.leaving ? 0 : isWanted ? waiting + minPoolSize : keep;
      if (idle.length === one.addresses.length && may <= 0) {
        found.push({ one, back: "all", isWanted });
        continue;
      }
      const over = Math.max(idle.length - Math.max(may, 0), 0);
      const back = idle.filter((address) => address !== one.addresses[0]).slice(0, over);
      if (back.length > 0) found.push({ one, back, isWanted });
      keep -= idle.length - back.length;
    }
    return found;
  }

  #wakeForRested(): void {
    const rested = this.book.nextRested();
    if (rested !== undefined) this.poke(rested + 1);
  }

  /** @param elsewhere what other nodes had before the call that has failed */
  #failed(error: unknown, elsewhere: number): void {
    const expected = error instanceof TrunklineError && error.code.startsWith("subnet.");
    const throttled = isThrottled(error);
    // After a refusal of any other kind something may have been done by halves.
    if (!expected && !throttled) this.#unsure = true;
    const told = expected ? error : ofProvider(textOf(error), throttled);
    const retryMs = this.#setback.note(
      told,
      throttled,
      elsewhere,
      throttled ? this.#demand.contenders(this.#options.needyNodes?.() ?? []) : 1,
    );
    if (throttled) this.#waiters.tell(told, THROTTLED_MS);
    else this.#waiters.reject(told);
    this.poke(retryMs);
  }

  #hopeless(): TrunklineError | undefined {
    return this.#setback.hopeless(this.#demand.elsewhere(this.#applied()?.vSwitchIDs ?? []));
  }

  #serve(): void {
    this.#waiters.serve((holder) => this.#take(holder));
    // What is left is for pods that wait for the next try of theirs, and are older than all that have come.
    const config = this.#waiters.holders.length > 0 ? this.#applied() : undefined;
    if (config && this.#idle(config) > 0) this.#options.came(this.#idle(config));
  }

  #take(holder: Holder): string | undefined {
    const config = this.#applied();
    if (!config) return undefined;
    const usable = [...this.book.interfaces.values()].filter((one) => !one.leaving && fits(one, config));
    // Also once a drained vSwitch may be asked again: the oldest ones wait for their next try, and the youngest has just come.
    if (this.#idle(config) <= this.#demand.olderThan(holder)) return undefined;
    // The fullest first, so that others run empty and can be given back.
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

  #applied(): Applied | undefined {
    const config = this.#options.config();
    return config?.state === "applied" ? config : undefined;
  }

  #idle(config: Applied): number {
    return [...this.book.interfaces.values()]
      .filter((one) => !one.leaving && fits(one, config))
      .reduce((sum, one) => sum + this.book.idleOf(one).length, 0);
  }
}

function ofProvider(why: string, throttled: boolean): TrunklineError<"subnet.provider"> {
  return new TrunklineError("subnet.provider", { throttled, why });
}
