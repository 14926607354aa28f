// A node's addresses: handed out from memory and written to a journal, and taken back. Long because whatever changes what is
// held goes through here, one owner's requests one after the other; what is decided by stands elsewhere (pick, claiming,
// recovery, leaks, the caretaker).
import { addressBlockKind } from "../api/kinds/address-block.ts";
import { isError, TrunklineError, textOf } from "../base/errors.ts";
import { damageOf } from "../base/journal/lines.ts";
import { type Logger, silent } from "../base/log.ts";
import { Turns } from "../base/turns.ts";
import { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import { Caretaker } from "./caretaker.ts";
import { provide } from "./claiming.ts";
import { systemClock } from "./clock.ts";
import { defaultSettings, type IpamSettings, type NodeContext, type UsedAddress } from "./context.ts";
import { figuresOf, type NodeFigures } from "./figures.ts";
import { fileDisk } from "./journal/disk.ts";
import { Journal, type JournalDisk } from "./journal/journal.ts";
import type { JournalRecord } from "./journal/records.ts";
import { Leaks, type Living } from "./leaks.ts";
import { Ledger } from "./ledger.ts";
import { pick } from "./pick.ts";
import { isRecovered, recoveredFor } from "./recovery.ts";
import {
  type Clock,
  type HeldAddress,
  type Holding,
  type Owner,
  ownerKey,
  samePod,
  type Want,
} from "./types.ts";

export interface NodeIpamOptions {
  readonly store: Store;
  readonly node: string;
  /** The folder of the journal, or a disk of one's own. */
  readonly journal: string | JournalDisk;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly settings?: Partial<IpamSettings>;
  /** Addresses that something on this node uses; asked only when the journal is lost or damaged. */
  readonly inUse?: () => Promise<readonly UsedAddress[]>;
  /**
   * Addresses that the cluster's objects show as some pod's: until a pod's object is gone, others would see its address
   * with two pods. Asked before an address is taken that has not rested to the end.
   */
  readonly isNamed?: (address: string) => boolean;
  /** Pause after a failed watch, first and longest, in milliseconds. */
  readonly backoffMs?: readonly [first: number, longest: number];
}

export interface AllocateRequest {
  readonly owner: Owner;
  /** One for each family that the pod gets; either all are met or none. */
  readonly wants: readonly Want[];
}

const CLOSING_MS = 2000;

export class NodeIpam {
  readonly #context: NodeContext;
  readonly #ledger = new Ledger();
  readonly #journal: Journal;
  readonly #caretaker: Caretaker;
  #registered = true;
  #wanted: ReadonlySet<string> | undefined;
  /** The pools of each request under way, whatever the pools' own selectors say. */
  readonly #askedFor = new Set<readonly Want[]>();
  readonly #perOwner = new Map<string, Promise<unknown>>();
  readonly #searches = new Turns();
  /** Why the last search for more addresses failed, and when (ms): whoever comes right after need not search again. */
  #dry: { readonly at: number; readonly key: string; readonly error: unknown } | undefined;
  #damage: string | undefined;
  readonly #leaks = new Leaks();

  constructor(options: NodeIpamOptions) {
    const clock = options.clock ?? systemClock;
    const logger = options.logger ?? silent;
    const disk = typeof options.journal === "string" ? fileDisk(options.journal) : options.journal;
    this.#journal = new Journal(disk, () => this.#ledger.snapshot());
    const arrival = new Map<string, number>();
    const view = new Informer(options.store, addressBlockKind, {
      logger,
      ...(options.backoffMs ? { backoffMs: options.backoffMs } : {}),
    });
    this.#context = {
      node: options.node,
      store: options.store,
      clock,
      logger,
      settings: { ...defaultSettings, ...options.settings },
      ledger: this.#ledger,
      journal: this.#journal,
      view,
      arrival,
      ready: new Set(),
      withdrawn: new Set(),
      loans: new Map(),
      requestsSeen: new Map(),
      time: () => this.#ledger.timeOf(clock),
      session: () => this.#caretaker.session,
      wantedPools: () => this.#wanted?.union(this.#poolsAskedFor()),
      inUse: options.inUse ?? (() => Promise.resolve([])),
      isNamed: options.isNamed ?? (() => false),
      commit: (records, how) => this.#commit(records, how),
      until: (condition, ms) => this.#caretaker.until(condition, ms),
    };
    this.#caretaker = new Caretaker(this.#context, arrival);
  }

  /**
   * Reads the journal and begins to follow the store. What is held is known when it settles; new addresses are handed
   * out once the store has confirmed the blocks. Neither a journal that cannot be read nor a disk that cannot be written
   * keeps it from starting: see `fault`.
   */
  async start(): Promise<void> {
    const { clock, logger, settings } = this.#context;
    const { records, bad, torn, unreadable, copy } = await this.#journal.load();
    for (const record of records) this.#ledger.apply(record);
    this.#ledger.apply(this.#ledger.clockRecord(clock));
    if (unreadable !== undefined || bad.length > 0) {
      this.#damage = damageOf(this.#journal.path, { bad, unreadable, copy });
      logger.error({ lines: bad, torn, copy, damage: this.#damage }, "the journal of addresses is damaged");
      this.#distrust();
    } else if (await this.#missesSomething()) this.#distrust();
    this.#ledger.apply({ op: "cooldown", ms: settings.cooldownMs });
    await this.#journal.flush().catch((error: unknown) => {
      // The caretaker tries again with every pass, and nothing is handed out before it gets through.
      logger.error({ error: textOf(error) }, "the journal of addresses cannot be written");
    });
    this.#caretaker.start();
  }

  /** What of the journal could not be read at the start, in words; undefined where all could be. */
  get damage(): string | undefined {
    return this.#damage;
  }

  /** A pod that runs has an address of an own block which the journal, whole as it seems, knows nothing of. */
  async #missesSomething(): Promise<boolean> {
    const known = new Set(
      [...this.#ledger.holdings.values()].flatMap(({ addresses }) => addresses.map((held) => held.address)),
    );
    const missing = (await this.#context.inUse()).filter(
      ({ address }) => !known.has(address) && this.#ledger.blockOf(address) !== undefined,
    );
    const facts = { journal: this.#journal.path, missing };
    if (missing.length > 0 && this.#ledger.whole)
      this.#context.logger.error(facts, "pods use addresses that the journal does not know");
    return missing.length > 0;
  }

  /** Why nothing can be handed out: the journal cannot be written. Undefined when it can. */
  get fault(): string | undefined {
    return this.#journal.fault?.message;
  }

  /** Settles when the store has confirmed this node's blocks once. */
  async ready(ms = Number.POSITIVE_INFINITY): Promise<boolean> {
    return this.#caretaker.until(() => this.#caretaker.verified, ms);
  }

  /** Ends for good. What is held stays held. */
  async close(): Promise<void> {
    await this.#caretaker.close();
    // What it has claimed is in the store, and would be without a line in the journal. One that waits for another node's
    // answer, or for a store that is away, is not waited for.
    await this.#searches.settled(CLOSING_MS);
    await this.#journal.close();
  }

  /**
   * Says whether the store has this node's Node object. Without it others may take over its blocks, so nothing new is
   * handed out; when it is back, every block is written as ours again before it is used.
   */
  setRegistered(registered: boolean): void {
    if (registered === this.#registered) return;
    this.#registered = registered;
    if (registered) this.#caretaker.renew();
  }

  /**
   * Says which pools this node may use at present without being asked for by name; empty blocks of others are given up
   * at once.
   */
  setWantedPools(names: ReadonlySet<string>): void {
    this.#wanted = names;
    this.#caretaker.kick();
  }

  /** What is held, by `containerId/ifName`. */
  get holdings(): ReadonlyMap<string, Holding> {
    return this.#ledger.holdings;
  }

  /** Returns who holds an address on this node. */
  holderOf(address: string): Holding | undefined {
    return this.#ledger.holderOf(address);
  }

  figures(): NodeFigures {
    return figuresOf(this.#context);
  }

  /**
   * Gives the owner an address for each want; the same owner gets the same answer again. It is in the journal when it
   * settles. @throws `ipam.exhausted`, `ipam.not-ready`, `ipam.store`, `ipam.address-in-use`, `ipam.address-elsewhere`,
   * `ipam.journal`
   */
  allocate(request: AllocateRequest): Promise<Holding> {
    return this.#inTurn(ownerKey(request.owner), async () => {
      // A block that is claimed for this request is empty until the address is taken of it.
      this.#askedFor.add(request.wants);
      try {
        return await this.#allocate(request);
      } finally {
        this.#askedFor.delete(request.wants);
      }
    });
  }

  #poolsAskedFor(): ReadonlySet<string> {
    return new Set(
      [...this.#askedFor].flatMap((wants) => wants.flatMap(({ pools }) => pools)).map(({ name }) => name),
    );
  }

  /**
   * Frees what the owner holds, and what was found in use for its pod after the journal was lost. Returns what was
   * freed; nothing if it was freed before.
   */
  release(owner: Pick<Owner, "containerId" | "ifName"> & Partial<Owner>): Promise<Holding[]> {
    return this.#inTurn(ownerKey(owner), () => {
      const found = [...this.#ledger.holdings.values()].filter(
        (holding) =>
          ownerKey(holding.owner) === ownerKey(owner) ||
          (isRecovered(holding.owner) && samePod(holding.owner, owner)),
      );
      return this.#free(found);
    });
  }

  /** Frees everything of a pod: for when the runtime's names for its sandboxes are gone. */
  releasePod(pod: Pick<Owner, "uid"> & Partial<Owner>): Promise<Holding[]> {
    return this.#free([...this.#ledger.holdings.values()].filter((holding) => samePod(holding.owner, pod)));
  }

  /**
   * Frees what holds an address, if it is still that allocation.
   * @throws `ipam.stale-release` if another one holds it by now, or none
   */
  async releaseAddress(address: string, seq: number): Promise<Holding[]> {
    const holding = this.#ledger.holderOf(address);
    if (holding?.seq !== seq)
      throw new TrunklineError("ipam.stale-release", { address, asked: seq, current: holding?.seq ?? null });
    return this.#free([holding]);
  }

  /** Frees what belongs to nothing that lives, once that was so for `graceMs`. Returns what was freed. */
  collect(living: Living, graceMs: number): Promise<Holding[]> {
    const all = [...this.#ledger.holdings.values()];
    return this.#free(this.#leaks.due(all, living, this.#context.time(), graceMs));
  }

  /**
   * Returns what the owner holds, as `allocate` would answer it again, whatever became of the pools; undefined if it holds
   * nothing. @throws `ipam.address-elsewhere`, `ipam.journal`
   */
  held(owner: Pick<Owner, "containerId" | "ifName">): Promise<Holding | undefined> {
    return this.#inTurn(ownerKey(owner), () => this.#held(owner));
  }

  async #held(owner: Pick<Owner, "containerId" | "ifName">): Promise<Holding | undefined> {
    const known = this.#ledger.holdingOf(owner);
    // In memory is not enough for an answer: its write may have failed.
    if (known) await this.#journal.flush();
    return known && whole(known);
  }

  async #allocate(request: AllocateRequest): Promise<Holding> {
    const known = await this.#held(request.owner);
    if (known) return known;
    for (;;) {
      await this.#assertReady();
      const recovered = recoveredFor(this.#ledger, request);
      if (recovered) {
        const addresses = recovered.flatMap((holding) => holding.addresses);
        return this.#hold(request.owner, addresses, recovered);
      }
      const addresses = request.wants.map((want) => pick(this.#context, want));
      const missing = request.wants[addresses.indexOf(undefined)];
      if (!missing) return this.#hold(request.owner, addresses as HeldAddress[], []);
      await this.#provide(missing);
    }
  }

  /** Writes a new holding, which takes the place of `instead`. */
  async #hold(
    owner: Owner,
    addresses: readonly HeldAddress[],
    instead: readonly Holding[],
  ): Promise<Holding> {
    const at = this.#context.clock.now();
    const holding: Holding = { seq: this.#ledger.nextSeq(), at, owner, addresses };
    // The new one first: its addresses are then not freed with the old one.
    const freed = this.#context.time();
    const over = instead.map(({ seq }) => ({ op: "free" as const, seq, at: freed }));
    try {
      // Not forced to the disk: it outlives this process, and a loss of power takes the pod along.
      await this.#commit([{ op: "hold", ...holding }, ...over], { sync: false });
    } catch (error) {
      // What was taken over is in use: that stays held, by whichever name. Anything else is free again, which has to
      // be written as well: the failed line may be on the disk, or in a compacted journal that was written since.
      if (instead.length === 0) await this.#undo(holding);
      throw error;
    }
    return holding;
  }

  async #undo(holding: Holding): Promise<void> {
    try {
      await this.#free([holding]);
    } catch (error) {
      // The next write that succeeds is of the whole state, and so of this as well.
      if (!isError(error, "ipam.journal")) throw error;
    }
  }

  async #assertReady(): Promise<void> {
    const { node, settings } = this.#context;
    if (!this.#registered)
      throw new TrunklineError("ipam.not-ready", { node, why: "its Node object is gone" });
    // The blocks may wait for nothing else.
    if (this.#journal.fault !== undefined) await this.#journal.flush();
    if (!(await this.ready(settings.borrowWaitMs)))
      throw new TrunklineError("ipam.not-ready", { node, why: "the store has not confirmed its blocks yet" });
  }

  /** One search at a time: whoever waited may find an address without a search of his own. */
  #provide(want: Want): Promise<void> {
    return this.#searches.run(async () => {
      if (pick(this.#context, want)) return;
      const key = JSON.stringify([want.family, want.address, want.pools]);
      const now = this.#context.time();
      if (this.#dry?.key === key && now - this.#dry.at < 500) throw this.#dry.error;
      try {
        await provide(this.#context, want);
      } catch (error) {
        this.#dry = { at: this.#context.time(), key, error };
        throw error;
      }
    });
  }

  async #free(holdings: readonly Holding[]): Promise<Holding[]> {
    const at = this.#context.time();
    const records = holdings.map(({ seq }) => ({ op: "free" as const, seq, at }));
    if (records.length === 0) return [];
    // Not synced: only a loss of power could undo it, and that ends the pods as well; the next collection frees it.
    await this.#commit(records, { sync: false });
    return [...holdings];
  }

  async #commit(records: readonly JournalRecord[], how: { readonly sync: boolean }): Promise<void> {
    for (const record of records) this.#ledger.apply(record);
    await this.#journal.append(records, how);
  }

  /** Operations of one owner never run beside each other. */
  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const earlier = this.#perOwner.get(key);
    const own = (async () => {
      // Its failure was its own caller's affair.
      await earlier?.catch(() => undefined);
      return work();
    })();
    this.#perOwner.set(key, own);
    try {
      return await own;
    } finally {
      if (this.#perOwner.get(key) === own) this.#perOwner.delete(key);
    }
  }

  /**
   * A damaged journal: what it says is held stays so, what it says is free rests first, and no number is given a second
   * time. What else it may have said is looked for by `recover`.
   */
  #distrust(): void {
    const now = this.#context.time();
    this.#ledger.whole = false;
    for (const block of this.#ledger.blocks.values()) block.restAll(now);
    this.#ledger.apply({ op: "next", seq: this.#ledger.nextSeq() + numbersLost });
  }
}

/** More numbers than the lines of a journal that may be lost from sight could have used. */
const numbersLost = 1_000_000;

/** @throws `ipam.address-elsewhere` when the store has taken an address of it away */
function whole(holding: Holding): Holding {
  const lost = holding.addresses.find((held) => held.lost);
  if (!lost) return holding;
  throw new TrunklineError("ipam.address-elsewhere", {
    address: lost.address,
    why: "its block was taken from this node while the pod held it; the pod must be started anew",
  });
}
