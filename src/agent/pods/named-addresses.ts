// The addresses that the cluster's pods name, kept up to date pod by pod: a cluster has a hundred thousand of them, and
// the allocator may ask at every ADD.
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";

const none: readonly string[] = [];

export class NamedAddresses implements Pick<ReadonlySet<string>, "has"> {
  readonly #pods: ReadonlyMap<string, Pod>;
  readonly #ofPod = new Map<string, readonly string[]>();
  /** How many pods name an address: for a while the next pod with it and the last one both do. */
  readonly #counts = new Map<string, number>();

  /** @param pods a live map, by key */
  constructor(pods: ReadonlyMap<string, Pod>) {
    this.#pods = pods;
  }

  /** Looks again at pods that have changed; "all": at every one. */
  follow(changed: ReadonlySet<string> | "all"): void {
    if (changed !== "all") {
      for (const key of changed) this.#look(key);
      return;
    }
    this.#ofPod.clear();
    this.#counts.clear();
    for (const key of this.#pods.keys()) this.#look(key);
  }

  has(address: string): boolean {
    return this.#counts.has(address);
  }

  #look(key: string): void {
    const pod = this.#pods.get(key);
    // One that has ended names nothing any more.
    const now = pod === undefined || isTerminal(pod) ? none : podIps(pod);
    for (const address of now) this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1);
    for (const address of this.#ofPod.get(key) ?? none) {
      const left = (this.#counts.get(address) ?? 0) - 1;
      if (left > 0) this.#counts.set(address, left);
      else this.#counts.delete(address);
    }
    if (now.length > 0) this.#ofPod.set(key, now);
    else this.#ofPod.delete(key);
  }
}
