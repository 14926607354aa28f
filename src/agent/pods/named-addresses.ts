// The addresses that the cluster's pods name, kept up to date pod by pod: a cluster has a hundred thousand of them, and
// the allocator may ask at every ADD.
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";

const none: readonly string[] = [];

/** Pods have one or two addresses; there may be as many as that of pods that are gone, and some. */
const MOST_ADDRESSES = 3;
const SLACK = 64;

export class NamedAddresses implements Pick<ReadonlySet<string>, "has"> {
  readonly #pods: ReadonlyMap<string, Pod>;
  /**
   * The pod that was seen with an address, by key, or all of them: for a while the next pod with it and the last one both
   * are. Whether one still names it is looked up when somebody asks.
   */
  readonly #seen = new Map<string, string | ReadonlySet<string>>();

  /** @param pods a live map, by key */
  constructor(pods: ReadonlyMap<string, Pod>) {
    this.#pods = pods;
  }

  /** Looks again at pods that have changed; "all": at every one. */
  follow(changed: ReadonlySet<string> | "all"): void {
    if (changed === "all") this.#seen.clear();
    for (const key of changed === "all" ? this.#pods.keys() : changed)
      for (const address of this.#addressesOf(key)) this.#note(address, key);
    // What pods left behind that are gone: looked for once it is more than what there is.
    if (changed !== "all" && this.#seen.size > MOST_ADDRESSES * this.#pods.size + SLACK) this.follow("all");
  }

  /** How many addresses are kept in memory. */
  get size(): number {
    return this.#seen.size;
  }

  has(address: string): boolean {
    const seen = this.#seen.get(address);
    if (seen === undefined) return false;
    const naming = keysOf(seen).filter((key) => this.#addressesOf(key).includes(address));
    const [only] = naming;
    if (only === undefined) this.#seen.delete(address);
    else this.#seen.set(address, naming.length === 1 ? only : new Set(naming));
    return only !== undefined;
  }

  #note(address: string, key: string): void {
    const seen = this.#seen.get(address);
    if (seen === undefined || seen === key) this.#seen.set(address, key);
    else this.#seen.set(address, new Set([...keysOf(seen), key]));
  }

  /** One that has ended names nothing any more. */
  #addressesOf(key: string): readonly string[] {
    const pod = this.#pods.get(key);
    return pod === undefined || isTerminal(pod) ? none : podIps(pod);
  }
}

function keysOf(seen: string | ReadonlySet<string>): readonly string[] {
  return typeof seen === "string" ? [seen] : [...seen];
}
