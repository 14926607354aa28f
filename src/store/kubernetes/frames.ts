// WebSocket frames (RFC 6455, 5.2), as far as an API server's streams need them: no extensions, whole messages.

export interface Frame {
  /** 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
  readonly kind: number;
  readonly payload: Buffer;
}

const CONTINUES = 0;
/** More than any answer that a command of ours prints, bytes. */
const LONGEST = 64 << 20;

/** Puts messages together from pieces of a stream. */
export class FrameReader {
  #rest = Buffer.alloc(0);
  #begun: { readonly kind: number; readonly parts: Buffer[] } | undefined;

  /** Returns the messages that are whole by now. @throws Error for what is no WebSocket stream, or too long */
  take(piece: Uint8Array): Frame[] {
    this.#rest = Buffer.concat([this.#rest, piece]);
    const whole: Frame[] = [];
    for (;;) {
      const frame = readFrame(this.#rest);
      if (frame === undefined) return whole;
      this.#rest = this.#rest.subarray(frame.size);
      // Control frames come between the pieces of a message.
      if (frame.kind >= 8) whole.push(frame);
      else {
        if (frame.kind !== CONTINUES) this.#begun = { kind: frame.kind, parts: [] };
        if (this.#begun === undefined) throw new Error("a piece of a message that was never begun");
        this.#begun.parts.push(frame.payload);
        if (!frame.isLast) continue;
        whole.push({ kind: this.#begun.kind, payload: Buffer.concat(this.#begun.parts) });
        this.#begun = undefined;
      }
    }
  }
}

function readFrame(bytes: Buffer) {
  if (bytes.length < 2) return undefined;
  const first = bytes.readUInt8(0);
  const second = bytes.readUInt8(1);
  // Reserved bits belong to extensions; a server masks nothing (5.1).
  if ((first & 0x70) !== 0 || (second & 0x80) !== 0) throw new Error("no WebSocket frame of a server");
  const short = second & 0x7f;
  const header = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < header) return undefined;
  const length =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  if (length > LONGEST) throw new Error(`a frame of ${length} bytes`);
  const size = header + length;
  if (bytes.length < size) return undefined;
  return {
    kind: first & 0x0f,
    isLast: (first & 0x80) !== 0,
    payload: Buffer.from(bytes.subarray(header, size)),
    size,
  };
}

/** Returns a client's control frame of at most 125 bytes; its mask is zeros, which 5.3 allows and TLS makes no worse. */
export function controlFrame(kind: 8 | 10, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([0x80 | kind, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
