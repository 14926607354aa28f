// What a pool remembers of the last call that failed: whether it is of any use to ask again, and when to.
import { isError, type TrunklineError } from "../../../base/errors.ts";

const RETRY_MS = 8000;
/**
 * A provider counts all nodes' calls together: the longest pause is so much for each node whose pods wait, within these ends. Fewer
 * nodes try sooner, so that no call that may be made is left over; very many do not keep the provider busy with refusing.
 */
const PAUSE_MS = { first: 800, perNode: 30, least: 250, most: 30_000 } as const;
/** A little earlier than the retry that is planned, so that this one is not refused itself. */
const MARGIN_MS = 200;

export class Setback {
  readonly #steady: () => number;
  readonly #random: () => number;
  #error: TrunklineError | undefined;
  #throttles = 0;
  /** When to try again where the provider asked for patience. */
  #notBefore = Number.NEGATIVE_INFINITY;
  /** Where a vSwitch or the machine had nothing left: until when nobody asks again, and what other nodes had before that call. */
  #drained: { readonly until: number; readonly elsewhere: number } | undefined;

  /**
   * @param steady milliseconds of a clock that only goes forward
   * @param random from 0 to 1
   */
  constructor(steady: () => number, random: () => number = Math.random) {
    this.#steady = steady;
    this.#random = random;
  }

  /** What the last call failed for; undefined after one that did not. */
  get error(): TrunklineError | undefined {
    return this.#error;
  }

  get isThrottled(): boolean {
    return this.#throttles > 0;
  }

  /** There is not enough for all: who waits the longest comes first. */
  get isDrained(): boolean {
    return this.#drained !== undefined;
  }

  /** For how long nobody asks the provider, as it has asked for patience, in milliseconds. */
  get patienceMs(): number {
    return this.#throttles === 0 ? 0 : Math.max(0, this.#notBefore - this.#steady());
  }

  over(): void {
    this.#error = undefined;
    this.#throttles = 0;
  }

  /**
   * A call has failed. Returns when to try again, in milliseconds.
   * @param elsewhere what other nodes had before it was made: what they have given back since then is worth a try
   * @param contenders where calls are throttled: nodes, this one included, whose pods wait for addresses
   */
  note(error: TrunklineError, throttled: boolean, elsewhere: number, contenders = 1): number {
    this.#error = error;
    this.#throttles = throttled ? this.#throttles + 1 : 0;
    // A machine that is full, or a vSwitch, is so for all who come next: one call every now and then is enough to know.
    if (isError(error, "subnet.exhausted") || isError(error, "subnet.node-full"))
      this.#drained = { until: this.#steady() + RETRY_MS - MARGIN_MS, elsewhere };
    if (!throttled) return RETRY_MS;
    const { first, perNode, least, most } = PAUSE_MS;
    // Who was refused the most often comes the soonest, so that no node is the last by far.
    const longest = Math.min(Math.max((contenders * perNode) / (1 + this.#throttles / 6), least), most);
    // Nodes that were refused together must not come back together, nor all in the second half of a pause.
    const retryMs = Math.min(first * 2 ** (this.#throttles - 1), longest) * (0.1 + 0.9 * this.#random());
    this.#notBefore = this.#steady() + retryMs;
    return retryMs;
  }

  /** Returns why it is of no use to ask the provider now; undefined where it may be. */
  hopeless(elsewhere: number): TrunklineError | undefined {
    if (!this.#drained || !this.#error) return undefined;
    // Others have given addresses back.
    const isOver = this.#steady() >= this.#drained.until || elsewhere < this.#drained.elsewhere;
    if (isOver) this.#drained = undefined;
    return isOver ? undefined : this.#error;
  }
}
