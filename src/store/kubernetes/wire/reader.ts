// Protocol Buffers as they are on the wire (encoding, "Message Structure"): fields that are asked for are read, all others are
// stepped over without a look at what is in them. That is what an API server's objects are read by: nine tenths of a pod
// are nothing to a network.

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;
/** Seven bytes of seven bits are a number that is exact: 49 bits. The last one's factor. */
const EXACT = 2 ** 42;
const EXACT_BITS = 49n;

/**
 * What a field said last time. Objects come in the order of their names, and those beside each other have much in common: the
 * same bytes are the same value, without a look at anything else.
 */
export class Last<T> {
  #bytes = Buffer.alloc(64);
  #size = -1;
  #value: T | undefined;

  /** Returns the value of those bytes; `make` is asked where they are not the last ones. */
  of(bytes: Buffer, from: number, end: number, make: () => T): T {
    if (this.#is(bytes, from, end)) return this.#value as T;
    const value = make();
    const size = end - from;
    if (size > this.#bytes.length) this.#bytes = Buffer.alloc(2 * size);
    bytes.copy(this.#bytes, 0, from, end);
    this.#size = size;
    this.#value = value;
    return value;
  }

  #is(bytes: Buffer, from: number, end: number): boolean {
    if (this.#size !== end - from) return false;
    // Names that are alike differ at their ends.
    for (let at = this.#size - 1; at >= 0; at--) if (this.#bytes[at] !== bytes[from + at]) return false;
    return true;
  }
}

/** A few words that are looked for again and again. */
export class Words {
  readonly #known: readonly Buffer[];

  constructor(words: Iterable<string>) {
    this.#known = [...words].map((word) => Buffer.from(word));
  }

  has(bytes: Buffer, from: number, end: number): boolean {
    const size = end - from;
    return this.#known.some((word) => word.length === size && word.compare(bytes, from, end) === 0);
  }
}

export class WireReader {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;
  #at: number;
  /** Where the field began whose number was read last. */
  #from = 0;
  #type = VARINT;

  /** @param from first byte, @param end the byte after the last one */
  constructor(bytes: Buffer, from = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#start = from;
    this.#at = from;
    this.#end = end;
  }

  /** Returns the next field's number; 0 at the message's end. Its value is to be read, or skipped, before the next one. */
  field(): number {
    if (this.#at >= this.#end) return 0;
    this.#from = this.#at;
    const tag = this.#varint();
    this.#type = tag & 7;
    // 0 is no field's number, and would be taken for the end.
    if (tag < 8) throw broken();
    return tag >>> 3;
  }

  /** Returns a whole number; those beyond 2^53 are rounded. */
  number(): number {
    if (this.#type !== VARINT) throw broken();
    return this.#varint();
  }

  boolean(): boolean {
    return this.number() !== 0;
  }

  text(): string {
    const end = this.#endOfValue();
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end;
    return text;
  }

  /** Returns the field's text, which is made into something by `make` where it differs from the last one. */
  commonText(last: Last<string>, make: (text: string) => string): string {
    const end = this.#endOfValue();
    const begin = this.#at;
    this.#at = end;
    return last.of(this.#bytes, begin, end, () => make(this.#bytes.toString("utf8", begin, end)));
  }

  /** Returns the message that is the field's value. */
  message(): WireReader {
    const end = this.#endOfValue();
    const inner = new WireReader(this.#bytes, this.#at, end);
    this.#at = end;
    return inner;
  }

  skip(): void {
    if (this.#type === VARINT) this.#varint();
    else if (this.#type === LENGTH_DELIMITED) this.#at = this.#endOfValue();
    else if (this.#type === FIXED64) this.#step(8);
    else if (this.#type === FIXED32) this.#step(4);
    else throw broken();
  }

  /** Whether the field's text is one of these. */
  isOneOf(words: Words): boolean {
    const end = this.#endOfValue();
    const begin = this.#at;
    this.#at = end;
    return words.has(this.#bytes, begin, end);
  }

  /**
   * Returns what `make` makes of this field and those of the same number that follow it, by a text that is the same exactly
   * for the same bytes, and a reader of them; what the last ones were where they are the same. All are behind this reader then.
   */
  run<T>(last: Last<T>, make: (key: () => string, fields: WireReader) => T): T {
    const bytes = this.#bytes;
    const from = this.#from;
    const first = bytes[from];
    this.skip();
    // Numbers below 16, which all are that this is used for, have a tag of one byte.
    while (this.#at < this.#end && bytes[this.#at] === first) {
      this.#at++;
      this.skip();
    }
    const end = this.#at;
    const key = () => bytes.toString("latin1", from, end);
    return last.of(bytes, from, end, () => make(key, new WireReader(bytes, from, end)));
  }

  /** Returns this field's bytes, its number among them, as a text; it is behind this reader then. A part of a key. */
  asKey(): string {
    const from = this.#from;
    this.skip();
    return this.#bytes.toString("latin1", from, this.#at);
  }

  /** Returns a reader of the same message, from its beginning. */
  again(): WireReader {
    return new WireReader(this.#bytes, this.#start, this.#end);
  }

  /** Returns the bytes that are left. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#at, this.#end);
  }

  #endOfValue(): number {
    if (this.#type !== LENGTH_DELIMITED) throw broken();
    const size = this.#varint();
    if (size < 0 || size > this.#end - this.#at) throw broken();
    return this.#at + size;
  }

  #step(size: number): void {
    if (size > this.#end - this.#at) throw broken();
    this.#at += size;
  }

  #varint(): number {
    const first = this.#next();
    return first < 0x80 ? first : this.#longVarint(first & 0x7f);
  }

  #longVarint(first: number): number {
    let value = first;
    for (let factor = 0x80; factor <= EXACT; factor *= 0x80) {
      const byte = this.#next();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    return this.#hugeVarint(BigInt(value));
  }

  /** Negative numbers, which have ten bytes in two's complement, and those that only few have. */
  #hugeVarint(begun: bigint): number {
    let value = begun;
    for (let shift = EXACT_BITS; shift < 64n; shift += 7n) {
      const byte = this.#next();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
    throw broken();
  }

  #next(): number {
    if (this.#at >= this.#end) throw broken();
    return this.#bytes[this.#at++] ?? 0;
  }
}

function broken(): Error {
  return new Error("the server's message ends within a field, or is no Protocol Buffers message");
}
