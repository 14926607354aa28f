// Netlink's wire form (netlink(7)): messages of a 16-byte header and a body, attributes of type, length and value,
// everything in host byte order and padded to four bytes. Trunkline runs on little-endian machines only (x86-64 and
// arm64), so host order is little-endian here. Nothing in this file does I/O.

export const HEADER_LENGTH = 16;

/** Message types that every netlink family shares. */
export const MessageType = { noop: 1, error: 2, done: 3, overrun: 4 } as const;

/** nlmsg_flags. */
export const Flag = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  dumpInterrupted: 0x10,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  /** NLM_F_ROOT | NLM_F_MATCH: list everything. */
  dump: 0x300,
  /** On an error message: the request's payload was left out. */
  capped: 0x100,
  /** On an error message: attributes with the kernel's own text follow. */
  ackAttributes: 0x200,
} as const;

const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;

function align(length: number): number {
  return (length + 3) & ~3;
}

/**
 * Writes one message at a time into a buffer that it keeps. `finish` returns a view that the next `begin` overwrites:
 * send it, or copy it, at once.
 */
export class MessageWriter {
  #bytes: Buffer;
  #at = 0;

  constructor(size = 1024) {
    this.#bytes = Buffer.alloc(size);
  }

  /** How many bytes of the message there are so far. */
  get length(): number {
    return this.#at;
  }

  begin(type: number, flags: number, sequence: number): this {
    this.#at = 0;
    this.#room(HEADER_LENGTH);
    this.#bytes.writeUInt32LE(0, 0);
    this.#bytes.writeUInt16LE(type, 4);
    this.#bytes.writeUInt16LE(flags, 6);
    this.#bytes.writeUInt32LE(sequence, 8);
    this.#bytes.writeUInt32LE(0, 12);
    this.#at = HEADER_LENGTH;
    return this;
  }

  u8(value: number): this {
    this.#room(1);
    this.#bytes[this.#at++] = value;
    return this;
  }

  u16(value: number): this {
    this.#room(2);
    this.#at = this.#bytes.writeUInt16LE(value, this.#at);
    return this;
  }

  /** A 16-bit number in network byte order (ports). */
  u16be(value: number): this {
    this.#room(2);
    this.#at = this.#bytes.writeUInt16BE(value, this.#at);
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#at = this.#bytes.writeUInt32LE(value >>> 0, this.#at);
    return this;
  }

  attribute(type: number, value: Uint8Array): this {
    this.#attributeHeader(type, value.length);
    this.#bytes.set(value, this.#at);
    return this.#pad(value.length);
  }

  attributeU8(type: number, value: number): this {
    this.#attributeHeader(type, 1);
    this.#bytes[this.#at] = value;
    return this.#pad(1);
  }

  attributeU16(type: number, value: number): this {
    this.#attributeHeader(type, 2);
    this.#bytes.writeUInt16LE(value, this.#at);
    return this.#pad(2);
  }

  attributeU16be(type: number, value: number): this {
    this.#attributeHeader(type, 2);
    this.#bytes.writeUInt16BE(value, this.#at);
    return this.#pad(2);
  }

  attributeU32(type: number, value: number): this {
    this.#attributeHeader(type, 4);
    this.#bytes.writeUInt32LE(value >>> 0, this.#at);
    return this.#pad(4);
  }

  attributeU32be(type: number, value: number): this {
    this.#attributeHeader(type, 4);
    this.#bytes.writeUInt32BE(value >>> 0, this.#at);
    return this.#pad(4);
  }

  /** A text with its closing zero byte. */
  attributeText(type: number, value: string): this {
    const length = Buffer.byteLength(value) + 1;
    this.#attributeHeader(type, length);
    this.#bytes.write(value, this.#at);
    this.#bytes[this.#at + length - 1] = 0;
    return this.#pad(length);
  }

  /** An attribute that holds what `body` writes. `flagged` sets NLA_F_NESTED, which rtnetlink's older parts do not set. */
  nest(type: number, body: () => void, flagged = true): this {
    const start = this.#at;
    this.#attributeHeader(flagged ? type | NESTED : type, 0);
    body();
    this.#bytes.writeUInt16LE(this.#at - start, start);
    return this;
  }

  /** Begins a nest, as `nest` does where there are very many; returns what `close` ends it by. */
  open(type: number): number {
    const start = this.#at;
    this.#attributeHeader(type | NESTED, 0);
    return start;
  }

  close(start: number): void {
    this.#bytes.writeUInt16LE(this.#at - start, start);
  }

  /** Adds an attribute of so many bytes, all 0, which `fill` writes at the place that it is told; returns what that does. */
  attributeOf<T>(type: number, length: number, fill: (bytes: Buffer, at: number) => T): T {
    this.#attributeHeader(type, length);
    const at = this.#at;
    this.#bytes.fill(0, at, at + align(length));
    this.#at += align(length);
    return fill(this.#bytes, at);
  }

  finish(): Buffer {
    this.#bytes.writeUInt32LE(this.#at, 0);
    return this.#bytes.subarray(0, this.#at);
  }

  #attributeHeader(type: number, length: number): void {
    this.#room(align(length) + 4);
    this.#bytes.writeUInt16LE(length + 4, this.#at);
    this.#bytes.writeUInt16LE(type, this.#at + 2);
    this.#at += 4;
  }

  #pad(length: number): this {
    const padded = align(length);
    for (let extra = length; extra < padded; extra++) this.#bytes[this.#at + extra] = 0;
    this.#at += padded;
    return this;
  }

  #room(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#at + more));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

/** One received message: its header and where its body lies in the buffer that it was received into. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Sender's port id. */
  readonly port: number;
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
}

/** Calls `visit` for each message of a datagram; stops where the datagram is cut short or `visit` returns false. */
export function eachMessage(
  bytes: Buffer,
  length: number,
  visit: (message: Message) => boolean | undefined,
): void {
  for (let at = 0; at + HEADER_LENGTH <= length; ) {
    const size = bytes.readUInt32LE(at);
    if (size < HEADER_LENGTH || at + size > length) return;
    const proceed = visit({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      port: bytes.readUInt32LE(at + 12),
      bytes,
      from: at + HEADER_LENGTH,
      to: at + size,
    });
    if (proceed === false) return;
    at += align(size);
  }
}

/** Returns the first attribute of that type as text, without a look at those behind it; undefined where there is none. */
export function firstText(bytes: Buffer, from: number, to: number, type: number): string | undefined {
  for (let at = from; at + 4 <= to; ) {
    const size = bytes.readUInt16LE(at);
    if (size < 4 || at + size > to) return undefined;
    if ((bytes.readUInt16LE(at + 2) & TYPE_MASK) === type) {
      const end = bytes.indexOf(0, at + 4);
      return bytes.toString("utf8", at + 4, end < 0 ? at + size : Math.min(end, at + size));
    }
    at += align(size);
  }
  return undefined;
}

/** The same for a number. */
export function firstU32(bytes: Buffer, from: number, to: number, type: number): number | undefined {
  for (let at = from; at + 4 <= to; ) {
    const size = bytes.readUInt16LE(at);
    if (size < 4 || at + size > to) return undefined;
    if ((bytes.readUInt16LE(at + 2) & TYPE_MASK) === type && size >= 8) return bytes.readUInt32LE(at + 4);
    at += align(size);
  }
  return undefined;
}

const TABLE_SIZE = 128;

/**
 * The attributes of one message or nest, found in one pass and read by type. An object is kept and filled again by
 * `read`, because dumps have many thousand messages. Where a type stands twice the last one counts.
 */
export class Attributes {
  readonly #start = new Int32Array(TABLE_SIZE);
  readonly #length = new Int32Array(TABLE_SIZE);
  readonly #stamp = new Int32Array(TABLE_SIZE);
  #round = 0;
  #bytes: Buffer = Buffer.alloc(0);

  read(bytes: Buffer, from: number, to: number): this {
    this.#bytes = bytes;
    this.#round++;
    for (let at = from; at + 4 <= to; ) {
      const size = bytes.readUInt16LE(at);
      if (size < 4 || at + size > to) break;
      const type = bytes.readUInt16LE(at + 2) & TYPE_MASK;
      if (type < TABLE_SIZE) {
        this.#start[type] = at + 4;
        this.#length[type] = size - 4;
        this.#stamp[type] = this.#round;
      }
      at += align(size);
    }
    return this;
  }

  has(type: number): boolean {
    return this.#stamp[type] === this.#round;
  }

  u8(type: number): number | undefined {
    return this.#holds(type, 1) ? this.#bytes[this.#start[type]!] : undefined;
  }

  u16(type: number): number | undefined {
    return this.#holds(type, 2) ? this.#bytes.readUInt16LE(this.#start[type]!) : undefined;
  }

  u16be(type: number): number | undefined {
    return this.#holds(type, 2) ? this.#bytes.readUInt16BE(this.#start[type]!) : undefined;
  }

  u32(type: number): number | undefined {
    return this.#holds(type, 4) ? this.#bytes.readUInt32LE(this.#start[type]!) : undefined;
  }

  u32be(type: number): number | undefined {
    return this.#holds(type, 4) ? this.#bytes.readUInt32BE(this.#start[type]!) : undefined;
  }

  /** The text up to its closing zero byte. */
  text(type: number): string | undefined {
    if (!this.has(type)) return undefined;
    const start = this.#start[type]!;
    let end = start + this.#length[type]!;
    while (end > start && this.#bytes[end - 1] === 0) end--;
    return this.#bytes.toString("utf8", start, end);
  }

  /** A view into the receive buffer: copy it if it must outlive the message. */
  view(type: number): Buffer | undefined {
    if (!this.has(type)) return undefined;
    const start = this.#start[type]!;
    return this.#bytes.subarray(start, start + this.#length[type]!);
  }

  /** Reads the attributes within a nest into `into`; undefined where there is no such nest. */
  nested(type: number, into: Attributes): Attributes | undefined {
    if (!this.has(type)) return undefined;
    const start = this.#start[type]!;
    return into.read(this.#bytes, start, start + this.#length[type]!);
  }

  #holds(type: number, length: number): boolean {
    return this.#stamp[type] === this.#round && this.#length[type]! >= length;
  }
}

const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;
const errorAttributes = new Attributes();

/**
 * What an error message says: the errno (0 for a plain acknowledgement), the kernel's own text, and at which byte of the
 * request it finds the fault, if it sent them.
 */
export function readAck(message: Message): {
  errno: number;
  text: string | undefined;
  offset: number | undefined;
} {
  const errno = 0 - message.bytes.readInt32LE(message.from);
  if ((message.flags & Flag.ackAttributes) === 0) return { errno, text: undefined, offset: undefined };
  // The original header follows; its payload too, unless the socket asked for short acknowledgements.
  const original = message.bytes.readUInt32LE(message.from + 4);
  const skip = (message.flags & Flag.capped) === 0 ? align(original) : HEADER_LENGTH;
  errorAttributes.read(message.bytes, message.from + 4 + skip, message.to);
  return {
    errno,
    text: errorAttributes.text(NLMSGERR_ATTR_MSG),
    offset: errorAttributes.u32(NLMSGERR_ATTR_OFFS),
  };
}

/** What the end of a dump says: 0, or why the dump stopped. Its attributes follow at once, without a copied header. */
export function readDone(message: Message): { errno: number; text: string | undefined } {
  if (message.to - message.from < 4) return { errno: 0, text: undefined };
  const errno = 0 - message.bytes.readInt32LE(message.from);
  if ((message.flags & Flag.ackAttributes) === 0) return { errno, text: undefined };
  errorAttributes.read(message.bytes, message.from + 4, message.to);
  return { errno, text: errorAttributes.text(NLMSGERR_ATTR_MSG) };
}
