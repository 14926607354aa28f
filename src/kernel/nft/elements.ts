// Elements of nftables' sets and maps in the kernel's own form (linux/netfilter/nf_tables.h): a batch of messages that add
// and remove elements, as one transaction. Nothing in this file does I/O.
import { cidrRange, formatIp, ipv4Number, looseCidr } from "../../base/ip.ts";
import type { NftFlowLinks, NftHeading, NftSetChange } from "../kernel.ts";
import { addressBytes, macBytes } from "../netlink/bytes.ts";
import { Flag, MessageWriter } from "../netlink/message.ts";
import { nftFamilies, nftMessage, SUBSYSTEM_NFTABLES } from "../netlink/nftables.ts";
import type { NftType } from "./names.ts";
import type { NftSet } from "./state.ts";
import { linkPortions } from "./text.ts";

const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const NEW_ELEMENTS = nftMessage(12);
const DELETE_ELEMENTS = nftMessage(14);
const NEW_FLOWTABLE = nftMessage(22);
/** NFTA_FLOWTABLE_…, NFTA_FLOWTABLE_HOOK_… and NFTA_DEVICE_…. */
const Flowtable = { table: 1, name: 2, hook: 3, number: 1, priority: 2, devices: 3, device: 1 } as const;
const NETDEV_INGRESS = 0;
const List = { table: 1, set: 2, elements: 3, element: 1 } as const;
const Element = { key: 1, data: 2, flags: 3, keyEnd: 10 } as const;
const Data = { value: 1, verdict: 2 } as const;
const Verdict = { code: 1, chain: 2 } as const;
const INTERVAL_END = 1;
/** linux/netfilter.h and nf_tables.h: NF_ACCEPT, NF_DROP, NFT_CONTINUE, NFT_JUMP, NFT_GOTO, NFT_RETURN. */
const verdicts: Readonly<Record<string, number>> = {
  accept: 1,
  drop: 0,
  continue: -1,
  jump: -3,
  goto: -4,
  return: -5,
};
/** Of a nest, whose length has 16 bits. */
const MOST_BYTES = 48 * 1024;

const sizes: Readonly<Record<NftType, number>> = {
  ipv4_addr: 4,
  ipv6_addr: 16,
  inet_proto: 1,
  inet_service: 2,
  ifname: 16,
  mark: 4,
  classid: 4,
  ether_addr: 6,
};

const protocolNumbers: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  dccp: 33,
  esp: 50,
  ah: 51,
  "ipv6-icmp": 58,
  sctp: 132,
  udplite: 136,
};

/** A message of a batch: its sequence number, and where in it each element begins, for what the kernel says of one. */
export interface BatchMessage {
  readonly sequence: number;
  readonly set: string;
  /** It is no set. */
  readonly isFlowtable?: true;
  readonly places: readonly { readonly offset: number; readonly key: string }[];
}

export interface Batch {
  readonly bytes: Buffer;
  /** Sequence number of the batch's beginning: by it the kernel tells what is wrong with the whole. */
  readonly begin: number;
  readonly messages: readonly BatchMessage[];
}

/**
 * Returns the batch for a transaction, or undefined where a value has no form here (a name with a star at the end).
 * @param nextSequence gives the number of each message
 * @param links to be added to a flow table
 */
export function encodeBatch(
  heading: NftHeading,
  changes: readonly NftSetChange[],
  nextSequence: () => number,
  links?: NftFlowLinks,
): Batch | undefined {
  const writer = new BatchWriter(heading, nextSequence);
  // As in nft's text: what goes, goes first.
  const steps = [
    ...changes.map(({ set, definition, remove }) => ({
      type: DELETE_ELEMENTS,
      set,
      definition,
      elements: remove.map((key) => [key, ""] as const),
    })),
    ...changes.map(({ set, definition, add }) => ({ type: NEW_ELEMENTS, set, definition, elements: add })),
  ].filter(({ elements }) => elements.length > 0);
  for (const { type, set, definition, elements } of steps)
    if (!writer.elements(type, set, definition, elements)) return undefined;
  if (links !== undefined) for (const names of linkPortions(links.links)) writer.flowtable(links, names);
  return writer.finish();
}

/** A batch is written without anything in between, and its messages are copied out of it. */
const sharedWriter = new MessageWriter(64 * 1024);

class BatchWriter {
  readonly #family: number;
  readonly #table: string;
  readonly #nextSequence: () => number;
  readonly #writer = sharedWriter;
  readonly #parts: Buffer[] = [];
  readonly #messages: BatchMessage[] = [];
  readonly #begin: number;

  constructor(heading: NftHeading, nextSequence: () => number) {
    this.#family = nftFamilies[heading.family];
    this.#table = heading.table;
    this.#nextSequence = nextSequence;
    this.#begin = nextSequence();
    this.#marker(BATCH_BEGIN, this.#begin);
  }

  /** Returns false where one of them has no form here. */
  elements(
    type: number,
    set: string,
    definition: NftSet,
    elements: readonly (readonly [string, string])[],
  ): boolean {
    const writer = this.#writer;
    // A refusal is told in any case; the last message's acknowledgement, which `finish` asks for, says enough of the rest.
    for (let at = 0; at < elements.length; ) {
      const sequence = this.#nextSequence();
      const places: { offset: number; key: string }[] = [];
      let isWritten = true;
      const flags = Flag.request | (type === NEW_ELEMENTS ? Flag.create : 0);
      writer.begin(type, flags, sequence).u8(this.#family).u8(0).u16be(0);
      writer.attributeText(List.table, this.#table).attributeText(List.set, set);
      writer.nest(List.elements, () => {
        for (; at < elements.length && writer.length < MOST_BYTES && isWritten; at++) {
          const [key, value] = elements[at]!;
          places.push({ offset: writer.length, key });
          isWritten = writeElement(writer, definition, key, type === NEW_ELEMENTS ? value : undefined);
        }
      });
      if (!isWritten) return false;
      this.#parts.push(Buffer.from(writer.finish()));
      this.#messages.push({ sequence, set, places });
    }
    return true;
  }

  /** Named again, a flow table gets more links. */
  flowtable({ flowtable, priority }: NftFlowLinks, names: readonly string[]): void {
    const writer = this.#writer;
    const sequence = this.#nextSequence();
    writer
      .begin(NEW_FLOWTABLE, Flag.request | Flag.create, sequence)
      .u8(this.#family)
      .u8(0)
      .u16be(0);
    writer.attributeText(Flowtable.table, this.#table).attributeText(Flowtable.name, flowtable);
    writer.nest(Flowtable.hook, () => {
      writer.attributeU32be(Flowtable.number, NETDEV_INGRESS);
      writer.attributeU32be(Flowtable.priority, priority);
      writer.nest(Flowtable.devices, () => {
        for (const name of names) writer.attributeText(Flowtable.device, name);
      });
    });
    this.#parts.push(Buffer.from(writer.finish()));
    this.#messages.push({ sequence, set: flowtable, isFlowtable: true, places: [] });
  }

  finish(): Batch {
    const last = this.#parts.at(-1);
    last?.writeUInt16LE(last.readUInt16LE(6) | Flag.ack, 6);
    this.#marker(BATCH_END, this.#nextSequence());
    return { bytes: Buffer.concat(this.#parts), begin: this.#begin, messages: this.#messages };
  }

  #marker(type: number, sequence: number): void {
    const message = this.#writer.begin(type, Flag.request, sequence).u8(0).u8(0).u16be(SUBSYSTEM_NFTABLES);
    this.#parts.push(Buffer.from(message.finish()));
  }
}

/** Writes one element, with its value where it is added to a map; false where it has no form here. */
function writeElement(
  writer: MessageWriter,
  definition: NftSet,
  key: string,
  value: string | undefined,
): boolean {
  const { key: types, interval = false } = definition;
  const ends = interval ? endsOf(key, types) : undefined;
  const isRange = ends !== undefined && types.length > 1;
  const element = writer.open(List.element);
  if (!writeData(writer, Element.key, ends?.first ?? key, types)) return false;
  // Several parts, each with a range: one element with two keys.
  if (isRange && !writeData(writer, Element.keyEnd, ends.last, types)) return false;
  if (value !== undefined && definition.value !== undefined) {
    if (definition.value === "verdict") writeVerdict(writer, value);
    else if (!writeData(writer, Element.data, value, definition.value)) return false;
  }
  writer.close(element);
  return ends === undefined || isRange || writeEnd(writer, ends.last, types);
}

/** Of one part a range ends where the next value would begin, and that is an element, too; after the last there is none. */
function writeEnd(writer: MessageWriter, last: string, types: readonly NftType[]): boolean {
  const bytes = Buffer.alloc(sizeOf(types));
  if (!encode(bytes, 0, last, types)) return false;
  if (!increase(bytes)) return true;
  const element = writer.open(List.element);
  const key = writer.open(Element.key);
  writer.attribute(Data.value, bytes);
  writer.close(key);
  writer.attributeU32be(Element.flags, INTERVAL_END);
  writer.close(element);
  return true;
}

/** Returns false where the text has no form here. */
function writeData(
  writer: MessageWriter,
  attribute: number,
  text: string,
  types: readonly NftType[],
): boolean {
  const nest = writer.open(attribute);
  const known = writer.attributeOf(Data.value, sizeOf(types), (bytes, at) => encode(bytes, at, text, types));
  writer.close(nest);
  return known;
}

function writeVerdict(writer: MessageWriter, text: string): void {
  const [word = "", chain] = text.split(" ");
  writer.nest(Element.data, () =>
    writer.nest(Data.verdict, () => {
      writer.attributeU32be(Verdict.code, verdicts[word] ?? 0);
      if (chain !== undefined) writer.attributeText(Verdict.chain, chain);
    }),
  );
}

/** Returns how many bytes a value has; several parts are padded to four bytes each, as the kernel's registers are. */
function sizeOf(types: readonly NftType[]): number {
  const [only] = types;
  if (types.length === 1 && only !== undefined) return sizes[only];
  let size = 0;
  for (const type of types) size += padded(sizes[type]);
  return size;
}

/** Writes the values of all parts; false where one has no form here. The bytes must be 0 before. */
function encode(bytes: Buffer, start: number, text: string, types: readonly NftType[]): boolean {
  let at = start;
  let from = 0;
  for (const [index, type] of types.entries()) {
    const end = index === types.length - 1 ? text.length : text.indexOf(" . ", from);
    if (!encodePart(bytes, at, type, text.slice(from, end))) return false;
    from = end + 3;
    at += padded(sizes[type]);
  }
  return true;
}

function padded(size: number): number {
  return (size + 3) & ~3;
}

/** Addresses and ports in network byte order, numbers of the host's in its own. */
function encodePart(bytes: Buffer, at: number, type: NftType, text: string): boolean {
  switch (type) {
    case "ipv4_addr":
      bytes.writeUInt32BE(ipv4Number(text), at);
      return true;
    case "ipv6_addr":
      addressBytes(text).copy(bytes, at);
      return true;
    case "inet_proto":
      bytes[at] = protocolNumbers[text] ?? Number(text);
      return true;
    case "inet_service":
      bytes.writeUInt16BE(Number(text), at);
      return true;
    case "ifname":
      // In quotes; a star at the end means all names that begin so.
      if (text.endsWith('*"')) return false;
      bytes.write(text.slice(1, -1), at, "latin1");
      return true;
    case "mark":
      bytes.writeUInt32LE(Number(text), at);
      return true;
    case "classid": {
      const colon = text.indexOf(":");
      bytes.writeUInt16LE(Number.parseInt(text.slice(colon + 1), 16), at);
      bytes.writeUInt16LE(Number.parseInt(text.slice(0, colon), 16), at + 2);
      return true;
    }
    case "ether_addr":
      macBytes(text).copy(bytes, at);
      return true;
  }
}

/** Returns both ends of what may be a range in any part: `a-b`, `a/24`, or one value. */
function endsOf(key: string, types: readonly NftType[]): { first: string; last: string } {
  const parts = (types.length === 1 ? [key] : key.split(" . ")).map((part, at): readonly [string, string] => {
    const type = types[at];
    if (type !== "ipv4_addr" && type !== "ipv6_addr" && type !== "inet_service") return [part, part];
    const cidr = part.includes("/") ? looseCidr(part) : undefined;
    if (cidr !== undefined) {
      const { family, first, last } = cidrRange(cidr);
      return [formatIp({ family, value: first }), formatIp({ family, value: last })];
    }
    const [first = "", last = first] = part.split("-");
    return [first, last];
  });
  return {
    first: parts.map(([first]) => first).join(" . "),
    last: parts.map(([, last]) => last).join(" . "),
  };
}

/** Makes the number the one after it; false after the last. */
function increase(bytes: Buffer): boolean {
  for (let at = bytes.length - 1; at >= 0; at--) {
    if (bytes[at] !== 0xff) {
      bytes[at]! += 1;
      return true;
    }
    bytes[at] = 0;
  }
  return false;
}
