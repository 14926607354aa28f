// One block of this node's own, as a pure state machine: which addresses are free and since when, held, or lent.
import { type Cidr, cidrContains, cidrSize, formatIp, nthIp, parseCidr, parseIp } from "../base/ip.ts";

export interface LentAddress {
  readonly node: string;
  readonly seq: number;
}

export interface RestingAddress {
  readonly address: string;
  /** When it was released (ms). */
  readonly since: number;
}

export class OwnBlock {
  readonly cidr: Cidr;
  readonly text: string;
  readonly pool: string;
  readonly uid: string;
  /** It is being given up: nothing more is handed out of it. */
  releasing = false;
  /** Held or lent ordinals; the others are in `#queue`. */
  readonly #taken = new Set<number>();
  readonly #lent = new Map<number, LentAddress>();
  /** Free ordinals, longest-free first. */
  readonly #queue: number[];
  /** When an ordinal was last released; those never used are not in it. */
  readonly #freedAt = new Map<number, number>();
  #unknownBefore: number | undefined;

  constructor(facts: { readonly cidr: string; readonly pool: string; readonly uid: string }) {
    this.text = facts.cidr;
    this.cidr = parseCidr(facts.cidr);
    this.pool = facts.pool;
    this.uid = facts.uid;
    this.#queue = Array.from({ length: this.size }, (_, ordinal) => ordinal);
  }

  get size(): number {
    return Number(cidrSize(this.cidr));
  }

  get lent(): ReadonlyMap<number, LentAddress> {
    return this.#lent;
  }

  /** How many addresses pods of this node hold. */
  get held(): number {
    return this.#taken.size - this.#lent.size;
  }

  has(address: string): boolean {
    return cidrContains(this.cidr, parseIp(address));
  }

  addressOf(ordinal: number): string {
    return formatIp(nthIp(this.cidr, BigInt(ordinal)));
  }

  ordinalOf(address: string): number {
    return Number(parseIp(address).value - this.cidr.base);
  }

  isFree(address: string): boolean {
    return !this.#taken.has(this.ordinalOf(address));
  }

  /** Returns the address that is free the longest if it has rested for `cooldownMs`, without taking it. */
  peek(now: number, cooldownMs: number): string | undefined {
    const ordinal = this.#queue[0];
    if (ordinal === undefined || this.#rests(ordinal, now, cooldownMs)) return undefined;
    return this.addressOf(ordinal);
  }

  #rests(ordinal: number, now: number, cooldownMs: number): boolean {
    const freed = this.#freedAt.get(ordinal);
    return freed !== undefined && freed + cooldownMs > now;
  }

  /** Takes a free address out of the queue; taking a taken one changes nothing. */
  take(address: string): void {
    const ordinal = this.ordinalOf(address);
    if (this.#taken.has(ordinal)) return;
    this.#taken.add(ordinal);
    this.#queue.splice(this.#queue.indexOf(ordinal), 1);
  }

  /** Puts an address back, at the queue's end; it rests from `at` (ms) on. Freeing a free one changes nothing. */
  free(address: string, at: number): void {
    const ordinal = this.ordinalOf(address);
    if (!this.#taken.delete(ordinal)) return;
    this.#lent.delete(ordinal);
    this.#rest(ordinal, at);
  }

  isLent(address: string): boolean {
    return this.#lent.has(this.ordinalOf(address));
  }

  /** A loan is over, and the address is somebody's here all the same. */
  forgetLoan(address: string): void {
    this.#lent.delete(this.ordinalOf(address));
  }

  lend(address: string, loan: LentAddress): void {
    this.take(address);
    this.#lent.set(this.ordinalOf(address), loan);
  }

  /** Nothing is known of this block's past before `at` (ms): every free address rests from then on, to the end. */
  restAll(at: number): void {
    this.#unknownBefore = at;
    for (const ordinal of this.#queue) this.#freedAt.set(ordinal, at);
  }

  /** Before when (ms) nothing is known of the block's past; undefined: all of it is known. */
  get unknownBefore(): number | undefined {
    return this.#unknownBefore;
  }

  /**
   * Returns how many addresses rest and may be taken before they have rested to the end. One that rests because its past
   * is not known may still be in use: it is not among them.
   */
  resting(now: number, cooldownMs: number): number {
    let count = 0;
    for (const ordinal of this.#queue) if (this.#mayEnd(ordinal, now, cooldownMs)) count++;
    return count;
  }

  /** Returns the one of these that has rested the longest of those that `may` be taken, and when (ms) it was released; or undefined. */
  longestResting(
    now: number,
    cooldownMs: number,
    may: (address: string) => boolean,
  ): RestingAddress | undefined {
    for (const ordinal of this.#queue) {
      if (!this.#mayEnd(ordinal, now, cooldownMs)) continue;
      const address = this.addressOf(ordinal);
      if (may(address)) return { address, since: this.#freedAt.get(ordinal) ?? now };
    }
    return undefined;
  }

  #mayEnd(ordinal: number, now: number, cooldownMs: number): boolean {
    const since = this.#freedAt.get(ordinal);
    const known = since !== undefined && since > (this.#unknownBefore ?? Number.NEGATIVE_INFINITY);
    return known && this.#rests(ordinal, now, cooldownMs);
  }

  /** Restores what a compacted journal says: this free address was released at that time. */
  restoreFreed(address: string, at: number): void {
    if (!this.has(address)) return;
    const ordinal = this.ordinalOf(address);
    if (this.#taken.has(ordinal)) return;
    this.#queue.splice(this.#queue.indexOf(ordinal), 1);
    this.#rest(ordinal, at);
  }

  #rest(ordinal: number, at: number): void {
    this.#freedAt.set(ordinal, at);
    // Nearly always the end; a replayed journal can bring an earlier time.
    let place = this.#queue.length;
    while (place > 0 && (this.#freedAt.get(this.#queue[place - 1] ?? 0) ?? 0) > at) place--;
    this.#queue.splice(place, 0, ordinal);
  }

  /** Release times of free addresses, oldest first. */
  freed(): (readonly [address: string, at: number])[] {
    return this.#queue.flatMap((ordinal) => {
      const at = this.#freedAt.get(ordinal);
      return at === undefined ? [] : [[this.addressOf(ordinal), at] as const];
    });
  }

  /** Counts free addresses, and those among them that still rest. */
  figures(now: number, cooldownMs: number): { used: number; lent: number; free: number; cooling: number } {
    const cooling = this.#queue.filter((ordinal) => this.#rests(ordinal, now, cooldownMs)).length;
    return { used: this.held, lent: this.#lent.size, free: this.#queue.length - cooling, cooling };
  }

  /** Returns when (ms) the next resting address may be used, or undefined if none rests. */
  soonest(now: number, cooldownMs: number): number | undefined {
    const first = this.#queue.find((ordinal) => this.#rests(ordinal, now, cooldownMs));
    return first === undefined ? undefined : (this.#freedAt.get(first) ?? now) + cooldownMs;
  }
}
