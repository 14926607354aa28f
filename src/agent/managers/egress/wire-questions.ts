// Asks the wire whether somebody has an address before it is taken (RFC 5227, RFC 4862). Quicker than those say, because a
// pod's connections wait: a neighbour on the same link answers within a millisecond, or is not asked by anybody else either.
import { setTimeout as sleep } from "node:timers/promises";
import type { Kernel, Link } from "../../../kernel/kernel.ts";
import { addressProbe, claimant, ETHERTYPE_ARP, ETHERTYPE_IPV6 } from "../../../kernel/sockets/announce.ts";

const PROBES = 3;
const SPACING_MS = 100;

export class WireQuestions {
  readonly #kernel: Kernel;
  readonly #ending = new AbortController();
  readonly #asking = new Set<Promise<unknown>>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * Settles with the hardware address of whoever has an address, or is about to take it; undefined where nobody answers.
   * @throws (rejects) `kernel.…`; what aborts it where `stop` was called meanwhile
   */
  ask(address: string, link: Link): Promise<string | undefined> {
    const asked = this.#ask(address, link);
    const done: Promise<unknown> = asked.catch(() => {}).finally(() => this.#asking.delete(done));
    this.#asking.add(done);
    return asked;
  }

  /** Settles when nobody is asked any more. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#asking);
  }

  async #ask(address: string, link: Link): Promise<string | undefined> {
    const { sockets } = this.#kernel;
    const own = link.mac ?? "";
    const fd = sockets.openPacket(link.index, address.includes(":") ? ETHERTYPE_IPV6 : ETHERTYPE_ARP);
    const answer = Promise.withResolvers<string>();
    const watch = sockets.receivePackets(fd, ({ direction, bytes }) => {
      const mac = direction === "out" ? undefined : claimant(bytes, address);
      if (mac !== undefined && mac !== own) answer.resolve(mac);
    });
    try {
      for (let left = PROBES; left > 0; left--) {
        sockets.sendPacket(fd, link.index, addressProbe(address, own));
        const wait = sleep(SPACING_MS, undefined, { signal: this.#ending.signal });
        const mac = await Promise.race([answer.promise, wait]);
        if (mac !== undefined) return mac;
      }
      return undefined;
    } finally {
      watch.stop();
      sockets.close(fd);
    }
  }
}
