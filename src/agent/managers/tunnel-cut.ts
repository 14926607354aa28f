// Connections of pods that lead to nodes' ends of tunnels, and were open before these were known as such: rules ask for a
// connection's first packet only (plan/routing/tunnel-guard.ts), so these are forgotten, and their next packet is a first one.
import type { Conntrack } from "../../kernel/kernel.ts";
import { throughGuard } from "../../plan/routing/tunnel-guard.ts";
import type { TunnelType } from "../../plan/routing/tunnels.ts";

/** The kernel walks its whole table for every list: many nodes that come one after another share one. In milliseconds. */
const SPACING_MS = 5000;

export class TunnelCut {
  readonly #conntrack: Conntrack;
  readonly #renew: () => Promise<void>;
  #types: readonly TunnelType[] = [];
  #known: ReadonlySet<string> = new Set();
  #fresh = new Set<string>();
  #isAsked = false;
  #last = Number.NEGATIVE_INFINITY;

  /** @param renew has connections judged anew that pass rules by (flow tables) */
  constructor(conntrack: Conntrack, renew: () => Promise<void>) {
    this.#conntrack = conntrack;
    this.#renew = renew;
  }

  /**
   * The rules in force are of these types of tunnels, and these addresses, as kernels write them, are nodes'.
   * @param own says which addresses this machine has: whatever it takes for itself may end in a tunnel
   */
  note(types: readonly TunnelType[], addresses: readonly string[], own: () => readonly string[]): void {
    const isNewType = types.some((type) => !this.#types.includes(type));
    const known = new Set(addresses);
    for (const address of known) if (isNewType || !this.#known.has(address)) this.#fresh.add(address);
    if (isNewType) for (const address of own()) this.#fresh.add(address);
    this.#types = types;
    this.#known = known;
    if (types.length === 0) this.#fresh.clear();
  }

  /**
   * Cuts what is due.
   * @returns milliseconds after which it wants to be called again, told once, since it has just looked; 0: it need not be
   * @throws what the kernel refuses; it is due still
   */
  async run(): Promise<number> {
    if (this.#fresh.size === 0) return 0;
    const wait = this.#last + SPACING_MS - performance.now();
    if (wait > 0) {
      const isFirst = !this.#isAsked;
      this.#isAsked = true;
      return isFirst ? wait : 0;
    }
    this.#isAsked = false;
    const fresh = this.#fresh;
    let count = 0;
    for (const flow of await this.#conntrack.list()) {
      if (!throughGuard(flow, this.#types, fresh)) continue;
      this.#conntrack.remove(flow);
      count++;
    }
    if (count > 0) await this.#renew();
    this.#fresh = new Set();
    this.#last = performance.now();
    return 0;
  }
}
