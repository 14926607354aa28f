// Listens for others that say they have an address of ours (RFC 5227, 2.4). IPv4 only: ARP is all that is looked at, so
// that ordinary traffic costs nothing.
import type { Kernel, Link } from "../../../kernel/kernel.ts";
import { arpSender, ETHERTYPE_ARP } from "../../../kernel/sockets/announce.ts";

export class AddressConflicts {
  readonly #kernel: Kernel;
  /** Addresses that somebody else was heard to have, with the time (milliseconds since the process began) and by whom. */
  readonly #heard = new Map<string, { readonly at: number; readonly mac: string }>();
  #watch: { readonly link: number; stop(): void } | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Listens on a link from now on. */
  listen(link: Link): void {
    if (this.#watch?.link === link.index) return;
    this.stop();
    const { sockets } = this.#kernel;
    const fd = sockets.openPacket(link.index, ETHERTYPE_ARP);
    const watch = sockets.receivePackets(fd, ({ direction, bytes }) => {
      const sender = direction === "in" ? arpSender(bytes) : undefined;
      if (sender && sender.mac !== link.mac)
        this.#heard.set(sender.address, { at: performance.now(), mac: sender.mac });
    });
    this.#watch = {
      link: link.index,
      stop: () => {
        watch.stop();
        sockets.close(fd);
      },
    };
  }

  /** Returns who else was heard to have the address within the last `ms` milliseconds, by hardware address. */
  heard(address: string, ms: number): string | undefined {
    const last = this.#heard.get(address);
    return last !== undefined && performance.now() - last.at < ms ? last.mac : undefined;
  }

  stop(): void {
    this.#watch?.stop();
    this.#watch = undefined;
    this.#heard.clear();
  }
}
