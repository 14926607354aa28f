// What an API server wraps its objects in where it sends Protocol Buffers: "k8s", a zero byte, and runtime.Unknown. A list is one
// such message; a watch sends WatchEvents, each with its size before it (4 bytes, the highest first), whose objects are
// wrapped so (k8s.io/apimachinery, runtime/generated.proto and meta/v1/generated.proto).
import type { ObjectMeta } from "../../../api/object.ts";
import { anyNumber, list, message, object, raw, text } from "./message.ts";
import { metaOf } from "./pod.ts";
import { WireReader } from "./reader.ts";

/** What to ask for: the answer says what it is. */
export const PROTOBUF = "application/vnd.kubernetes.protobuf";

const SIZE_BYTES = 4;
const MAGIC = Buffer.from("k8s\0");
/** An object has some MiB at most, bytes. */
const LONGEST = 256 << 20;

/**
 * Yields the messages of a body that have their size before them, as many at a time as came together; what follows the last
 * whole one is dropped.
 */
export async function* messagesOf(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly Buffer[], void, void> {
  let held: Buffer[] = [];
  let size = 0;
  let wanted = SIZE_BYTES;
  for await (const part of body) {
    held.push(Buffer.from(part.buffer, part.byteOffset, part.length));
    size += part.length;
    if (size < wanted) continue;
    const bytes = held.length === 1 ? held[0]! : Buffer.concat(held);
    const whole: Buffer[] = [];
    let at = 0;
    for (;;) {
      wanted = SIZE_BYTES;
      if (bytes.length - at < wanted) break;
      const length = bytes.readUInt32BE(at);
      if (length > LONGEST) throw new Error(`a message of ${length} bytes`);
      wanted = SIZE_BYTES + length;
      if (bytes.length - at < wanted) break;
      whole.push(bytes.subarray(at + SIZE_BYTES, at + wanted));
      at += wanted;
    }
    held = at === bytes.length ? [] : [bytes.subarray(at)];
    size = bytes.length - at;
    if (whole.length > 0) yield whole;
  }
}

const watchEvent = message(text(1, "type"), object(2, "object", message(raw(1, "raw"))));
const unknown = message(raw(2, "raw"));
const onlyMeta = message(object(1, "metadata", metaOf));
const listMeta = message(text(2, "resourceVersion"), text(3, "continue"));
const status = message(text(3, "message"), text(4, "reason"), anyNumber(6, "code"));

/** Returns an event's type, and a reader of its object. @throws Error for what is no event */
export function eventOf(bytes: Buffer): { readonly type: string; readonly object: WireReader } {
  const { type = "", object: wrapped } = watchEvent(new WireReader(bytes)) as {
    type?: string;
    object?: { raw?: WireReader };
  };
  return { type, object: unwrapped(wrapped?.raw?.rest() ?? Buffer.alloc(0)) };
}

/** Returns a reader of what is wrapped. @throws Error for what is not */
export function unwrapped(bytes: Buffer): WireReader {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error("the server's answer has no object");
  const { raw } = unknown(new WireReader(bytes, MAGIC.length)) as { raw?: WireReader };
  return raw ?? new WireReader(Buffer.alloc(0));
}

/** Returns a page of a list of what `read` reads. */
export function pageOf<T>(
  reader: WireReader,
  read: (item: WireReader) => T,
): {
  readonly items: readonly T[];
  readonly revision: string | undefined;
  readonly next: string | undefined;
} {
  const page = message(object(1, "metadata", listMeta), list(2, "items", read))(reader) as {
    metadata?: { resourceVersion?: string; continue?: string };
    items?: T[];
  };
  const { items = [], metadata } = page;
  return { items, revision: metadata?.resourceVersion, next: metadata?.continue };
}

/** Returns the metadata of an object of any kind. */
export function metadataOf(reader: WireReader): ObjectMeta {
  return (onlyMeta(reader) as { metadata?: ObjectMeta }).metadata ?? ({} as ObjectMeta);
}

/** Returns what a Status says (meta/v1). */
export function statusOf(reader: WireReader): { code?: number; reason?: string; message?: string } {
  return status(reader);
}
