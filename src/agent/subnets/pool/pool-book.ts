// What a node knows of its interfaces and their addresses: which pod has which, and which rest. No calls, no waiting.
//
// Who has an address is not written down here: the journal of endpoints says it, and is read at start. The interfaces are,
// so that pods' traffic is led rightly by an agent that starts while the provider is away.
import path from "node:path";
import { JournalFile } from "../../../base/journal/file.ts";
import type { Logger } from "../../../base/log.ts";
import { readList, writeList } from "../list-file.ts";

export interface OwnInterface {
  readonly id: string;
  readonly mac: string;
  readonly vSwitchID: string;
  readonly cidr: string;
  readonly gateway: string;
  readonly securityGroupIDs: readonly string[];
  /** Of the configuration that it was made by. */
  readonly hash: string;
  /** Number of its routing table, from 1; never that of another interface that is there. */
  readonly slot: number;
  /** The first is the interface's own, which stays with it. */
  readonly addresses: readonly string[];
  /** It is being given back: no more addresses are taken of it. */
  readonly leaving?: boolean;
}

export interface Holder {
  readonly key: string;
  readonly uid: string;
}

export class PoolBook {
  readonly #file: JournalFile;
  readonly #now: () => number;
  readonly #restMs: number;
  readonly #interfaces = new Map<string, OwnInterface>();
  readonly #holders = new Map<string, Holder>();
  readonly #addressOf = new Map<string, string>();
  /** When addresses without a pod were last had by one. */
  readonly #freedAt = new Map<string, number>();

  /** @param now milliseconds of a clock that only goes forward */
  constructor(
    folder: string,
    options: { readonly now: () => number; readonly restMs: number; readonly logger: Logger },
  ) {
    this.#file = new JournalFile(path.join(folder, "interfaces.json"));
    this.#now = options.now;
    this.#restMs = options.restMs;
    for (const one of readFile(this.#file, options.logger)) {
      this.#interfaces.set(one.id, one);
      // Whoever had them last may have let them go a moment before this agent started.
      for (const address of one.addresses) this.#freedAt.set(address, this.#now());
    }
  }

  get interfaces(): ReadonlyMap<string, OwnInterface> {
    return this.#interfaces;
  }

  /** Writes an interface down, new or changed; addresses that are new have never been a pod's. */
  put(one: OwnInterface): void {
    this.#interfaces.set(one.id, one);
    this.#save();
  }

  remove(id: string): void {
    const one = this.#interfaces.get(id);
    if (!one) return;
    for (const address of one.addresses) this.#freedAt.delete(address);
    this.#interfaces.delete(id);
    this.#save();
  }

  freeSlot(): number {
    const taken = new Set([...this.#interfaces.values()].map(({ slot }) => slot));
    let slot = 1;
    while (taken.has(slot)) slot++;
    return slot;
  }

  hold(address: string, holder: Holder): void {
    this.#holders.set(address, holder);
    this.#addressOf.set(holder.key, address);
    this.#freedAt.delete(address);
  }

  addressOf(key: string): string | undefined {
    return this.#addressOf.get(key);
  }

  holderOf(address: string): Holder | undefined {
    return this.#holders.get(address);
  }

  /** The uids of the pods that have an address. */
  get podUids(): ReadonlySet<string> {
    return new Set([...this.#holders.values()].map(({ uid }) => uid));
  }

  /** Returns whether there was anything to release. */
  release(key: string): boolean {
    const address = this.#addressOf.get(key);
    if (address === undefined) return false;
    this.#addressOf.delete(key);
    this.#holders.delete(address);
    this.#freedAt.set(address, this.#now());
    return true;
  }

  usedOf({ addresses }: OwnInterface): number {
    return addresses.filter((address) => this.#holders.has(address)).length;
  }

  /**
   * Returns the addresses of an interface that may be given out now, the longest free first, and its own one last: that
   * can only be given back together with the interface, so it is better that a pod has another one.
   */
  idleOf({ addresses }: OwnInterface): string[] {
    const now = this.#now();
    const since = (address: string) => this.#freedAt.get(address) ?? Number.NEGATIVE_INFINITY;
    const idle = addresses.filter(
      (address) => !this.#holders.has(address) && since(address) + this.#restMs <= now,
    );
    return idle.toSorted((a, b) =>
      a === addresses[0] ? 1 : b === addresses[0] ? -1 : since(a) - since(b) || 0,
    );
  }

  /** Milliseconds until the next address that rests has rested; undefined if none does. */
  nextRested(): number | undefined {
    const now = this.#now();
    const waits = [...this.#interfaces.values()]
      .flatMap(({ addresses }) => addresses)
      .flatMap((address) => (this.#holders.has(address) ? [] : (this.#freedAt.get(address) ?? [])))
      .map((at) => at + this.#restMs - now)
      .filter((wait) => wait > 0);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  #save(): void {
    writeList(this.#file, this.#interfaces.values());
  }
}

/** What cannot be read is no loss: the provider knows the interfaces as well, and is asked at start. */
function readFile(file: JournalFile, logger: Logger): readonly OwnInterface[] {
  return readList(file, isInterface, (why) =>
    logger.error(
      { file: file.path, why },
      "the list of the node's interfaces cannot be read: asking the provider",
    ),
  );
}

function isInterface(value: unknown): value is OwnInterface {
  const one = (value ?? {}) as Readonly<Record<keyof OwnInterface, unknown>>;
  const isList = (list: unknown) => Array.isArray(list) && list.every((item) => typeof item === "string");
  return (
    [one.id, one.mac, one.vSwitchID, one.cidr, one.gateway, one.hash].every(
      (text) => typeof text === "string",
    ) &&
    typeof one.slot === "number" &&
    isList(one.securityGroupIDs) &&
    isList(one.addresses)
  );
}
