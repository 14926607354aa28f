// Who signs his packets: the kernel counts what is wrong with signatures, and does not say of whom. Raw sockets see what
// peers send before the kernel judges it, so while a session hangs and something is counted, they tell whose it was.
import type { Sockets } from "../../kernel/kernel.ts";

const TCP = 6;
const SYN = 0x02;
const OPTION_END = 0;
const OPTION_NOTHING = 1;
/** RFC 2385 */
const OPTION_MD5 = 19;

/** What a peer was seen to send; times are those of the clock that is given. */
export interface Testimony {
  /** Whatever came since then was seen. */
  readonly since: number;
  /** When a connection was last asked for, or agreed to, with a signature. */
  readonly signedAt?: number;
  readonly unsignedAt?: number;
}

interface Watched {
  testimony: Testimony;
  stop(): void;
}

export class SignatureWitness {
  readonly #sockets: Sockets;
  readonly #now: () => number;
  readonly #watched = new Map<string, Watched>();

  constructor(sockets: Sockets, now: () => number) {
    this.#sockets = sockets;
    this.#now = now;
  }

  /** Watches these addresses from now on, and no others. Who cannot be watched is nobody that anything is known of. */
  watch(peers: ReadonlySet<string>): void {
    for (const [peer, { stop }] of this.#watched) {
      if (peers.has(peer)) continue;
      stop();
      this.#watched.delete(peer);
    }
    for (const peer of peers) if (!this.#watched.has(peer)) this.#begin(peer);
  }

  of(peer: string): Testimony | undefined {
    return this.#watched.get(peer)?.testimony;
  }

  #begin(peer: string): void {
    const family = peer.includes(":") ? 6 : 4;
    let fd: number;
    try {
      // Connected: the kernel hands over what comes from this address only, and nothing that merely passes the node.
      fd = this.#sockets.openRaw(family, TCP, { to: peer });
    } catch {
      // No way leads there, or the node may not: the counters are all that is left.
      return;
    }
    const reading = this.#sockets.receiveRaw(fd, (packet) => {
      const signed = isSigned(family === 4 ? packet.subarray(((packet[0] ?? 0) & 0x0f) * 4) : packet);
      if (signed !== undefined)
        watched.testimony = { ...watched.testimony, [signed ? "signedAt" : "unsignedAt"]: this.#now() };
    });
    const watched: Watched = {
      testimony: { since: this.#now() },
      stop: () => {
        reading.stop();
        this.#sockets.close(fd);
      },
    };
    this.#watched.set(peer, watched);
  }
}

/** Returns whether a segment that begins a connection is signed; undefined for all other segments. */
export function isSigned(segment: Uint8Array): boolean | undefined {
  const flags = segment[13];
  if (flags === undefined || (flags & SYN) === 0) return undefined;
  const end = Math.min(segment.length, (segment[12]! >> 4) * 4);
  for (let at = 20; at < end; ) {
    const kind = segment[at];
    if (kind === OPTION_END) break;
    if (kind === OPTION_MD5) return true;
    at += kind === OPTION_NOTHING ? 1 : Math.max(2, segment[at + 1] ?? 2);
  }
  return false;
}
