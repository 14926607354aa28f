// rtnetlink's messages of queueing disciplines (linux/pkt_sched.h), as far as tc-tbf(8) goes: a bucket of tokens, one a byte.
import type { RateLimit, RateLimitState } from "../kernel.ts";
import { Attributes, type Message, type MessageWriter } from "./message.ts";

export const QdiscMessage = { new: 36, delete: 37, get: 38 } as const;

/** Our mark: the handle of a root queue that we made. Those that the kernel makes itself have none. */
const OWN_HANDLE = 0x544c0000;
const ROOT = 0xffffffff;

const TCA = { kind: 1, options: 2, statistics: 7 } as const;
const TBF = { parameters: 1, rate64: 4, burst: 6 } as const;
const STATISTICS = { basic: 1, queue: 3 } as const;
const PARAMETERS_LENGTH = 36;
const MOST_U32 = 0xffffffff;
/** Of the rate in tc_ratespec: bytes as they are, no ATM cells. */
const LINK_LAYER_ETHERNET = 1;
/** The packet scheduler's clock ticks every 64 ns. */
const TICKS_A_SECOND = 1e9 / 64;

function head(writer: MessageWriter, linkIndex: number): void {
  writer.u8(0).u8(0).u16(0).u32(linkIndex);
  writer.u32(OWN_HANDLE).u32(ROOT).u32(0);
}

/** Writes the body of a request that makes a link's root queue a token bucket, or changes the one that is there. */
export function writeRateLimit(writer: MessageWriter, limit: RateLimit): void {
  const { linkIndex, bytesPerSecond, burst, queue } = limit;
  head(writer, linkIndex);
  writer.attributeText(TCA.kind, "tbf");
  writer.nest(TCA.options, () => {
    const parameters = Buffer.alloc(PARAMETERS_LENGTH);
    parameters.writeUInt8(LINK_LAYER_ETHERNET, 1);
    parameters.writeUInt32LE(Math.min(bytesPerSecond, MOST_U32), 8);
    parameters.writeUInt32LE(queue, 24);
    const ticks = Math.min(MOST_U32, Math.ceil((burst / bytesPerSecond) * TICKS_A_SECOND));
    parameters.writeUInt32LE(ticks, 28);
    writer.attribute(TBF.parameters, parameters);
    const rate = Buffer.alloc(8);
    rate.writeBigUInt64LE(BigInt(bytesPerSecond));
    if (bytesPerSecond >= MOST_U32) writer.attribute(TBF.rate64, rate);
    writer.attributeU32(TBF.burst, burst);
  });
}

/** Writes the body of a request that takes our root queue away. */
export function writeRateLimitRemoval(writer: MessageWriter, linkIndex: number): void {
  head(writer, linkIndex);
}

/** Writes the body of a dump request: of all links. */
export function writeQdiscQuery(writer: MessageWriter): void {
  writer.u8(0).u8(0).u16(0).u32(0).u32(0).u32(0).u32(0);
}

const attributes = new Attributes();
const inner = new Attributes();

/** Queues that drop only where a link cannot keep up (those of RFC 8290, and plain ones), and the ones of each processor. */
const harmless = /^(noqueue|mq|pfifo|pfifo_fast|bfifo|fq|fq_codel|codel|sfq)$/;

/** What plain queues must hold to be harmless: packets of pfifo, bytes of bfifo (struct tc_fifo_qopt). */
const leastLimit: ReadonlyMap<string, number> = new Map([
  ["pfifo", 16],
  ["bfifo", 1 << 16],
]);

/** Reads a queue's message; undefined for ours, and for those that drop nothing while the link keeps up. */
export function readOtherQueue({
  bytes,
  from,
  to,
}: Message): { linkIndex: number; kind: string } | undefined {
  if (bytes.readUInt32LE(from + 8) === OWN_HANDLE) return undefined;
  const kind = attributes.read(bytes, from + 20, to).text(TCA.kind) ?? "?";
  const linkIndex = bytes.readUInt32LE(from + 4);
  // What each packet waits in, and be it for no time: too short a queue takes none.
  const least = leastLimit.get(kind);
  const limit = least === undefined ? undefined : attributes.u32(TCA.options);
  if (least !== undefined && limit !== undefined && limit < least)
    return { linkIndex, kind: `${kind} limit ${limit}` };
  return harmless.test(kind) ? undefined : { linkIndex, kind };
}

/** Reads a queue's message; undefined for those that are not ours. */
export function readRateLimit({ bytes, from, to }: Message): RateLimitState | undefined {
  const linkIndex = bytes.readUInt32LE(from + 4);
  if (bytes.readUInt32LE(from + 8) !== OWN_HANDLE) return undefined;
  attributes.read(bytes, from + 20, to);
  if (attributes.text(TCA.kind) !== "tbf") return undefined;
  attributes.nested(TCA.options, inner);
  const parameters = inner.view(TBF.parameters);
  if (parameters === undefined || parameters.length < PARAMETERS_LENGTH) return undefined;
  const large = inner.view(TBF.rate64);
  const bytesPerSecond = large ? Number(large.readBigUInt64LE()) : parameters.readUInt32LE(8);
  const queue = parameters.readUInt32LE(24);
  attributes.nested(TCA.statistics, inner);
  const sentBytes = Number(inner.view(STATISTICS.basic)?.readBigUInt64LE() ?? 0n);
  // gnet_stats_queue: qlen, backlog, drops, requeues, overlimits
  const drops = inner.view(STATISTICS.queue)?.readUInt32LE(8) ?? 0;
  return { linkIndex, bytesPerSecond, queue, sentBytes, drops };
}
