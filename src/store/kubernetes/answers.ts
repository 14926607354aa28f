// What a server says in a list or a watch, be it in JSON or in Protocol Buffers: a kind that a cluster has a hundred thousand
// objects of is asked for in the latter where little of it is kept, and the server's answer says what it is.
import type { IncomingMessage } from "node:http";
import { type Pod, podKind } from "../../api/kinds/core.ts";
import type { Kind, KubeObject } from "../../api/object.ts";
import { textOf } from "../../base/errors.ts";
import { linesOf } from "../lines.ts";
import { type Answer, ApiRefusal, refusalOf } from "./client.ts";
import type { Keep } from "./kept.ts";
import { trimmed } from "./trim.ts";
import { eventOf, messagesOf, metadataOf, PROTOBUF, pageOf, statusOf, unwrapped } from "./wire/envelope.ts";
import { podOf } from "./wire/pod.ts";

const words = { ADDED: "added", MODIFIED: "modified", DELETED: "deleted", BOOKMARK: "bookmark" } as const;

export interface ServerEvent<T extends KubeObject> {
  readonly type: (typeof words)[keyof typeof words];
  /** As it is kept; of a bookmark only its metadata. */
  readonly object: T;
}

/** Returns the media types that lists and events of that kind may have, the best first. */
export function acceptable(kind: Kind, keep: Keep): string {
  return keep !== "all" && isPod(kind) ? `${PROTOBUF}, application/json` : "application/json";
}

/** What came is no event of an API server, and no loss of the connection either. */
export class Unreadable extends Error {}

/**
 * Yields the events of a watch's answer, as many at a time as came together, but for those of types that this build does not
 * know.
 * @throws ApiRefusal for what the server says with an ERROR event, Unreadable for what cannot be read, and what the system
 *   says of the connection
 */
export async function* eventsOf<T extends KubeObject>(
  kind: Kind<T>,
  keep: Keep,
  response: IncomingMessage,
): AsyncGenerator<readonly ServerEvent<T>[], void, void> {
  const isBinary = keep !== "all" && response.headers["content-type"]?.startsWith(PROTOBUF) === true;
  try {
    if (isBinary)
      for await (const messages of messagesOf(response))
        yield* readable(messages, (bytes) => podEvent(bytes, keep) as ServerEvent<never> | undefined);
    else
      for await (const lines of linesOf(response))
        yield* readable(lines, (line) => jsonEvent(kind, keep, line));
  } catch (error) {
    // Errors of the connection have a code; the others say that a line or message is too long.
    const isKnown = error instanceof ApiRefusal || error instanceof Unreadable;
    if (isKnown || (error instanceof Error && "code" in error)) throw error;
    throw new Unreadable(textOf(error), { cause: error });
  }
}

/** Yields what could be read before anything is said of what could not: it need not come again. */
function* readable<P, E>(parts: readonly P[], read: (part: P) => E | undefined): Generator<readonly E[]> {
  const events: E[] = [];
  try {
    for (const part of parts) {
      const event = read(part);
      if (event !== undefined) events.push(event);
    }
  } catch (error) {
    if (events.length > 0) yield events;
    if (error instanceof ApiRefusal) throw error;
    throw new Unreadable(`an event cannot be read: ${textOf(error)}`, { cause: error });
  }
  yield events;
}

export interface Page<T extends KubeObject> {
  readonly items: readonly T[];
  readonly revision: string;
  /** What to ask the next page by; empty: there is none. */
  readonly next: string;
}

/** Returns what is kept of a page of a list. @throws Error for what cannot be read */
export function listPage<T extends KubeObject>(kind: Kind<T>, keep: Keep, { type, body }: Answer): Page<T> {
  if (keep !== "all" && type.startsWith(PROTOBUF)) {
    const { items, revision = "", next = "" } = pageOf(unwrapped(body), (item) => podOf(item, keep));
    return { items: items as readonly never[], revision, next };
  }
  const { items, metadata } = JSON.parse(body.toString("utf8")) as RawList;
  const { resourceVersion: revision, continue: next } = metadata ?? {};
  return {
    items: (items ?? []).map((item) => taken(kind, item, keep)),
    revision: revision ?? "",
    next: next ?? "",
  };
}

/** A server that is written in Go writes a list that it never put anything into as null. */
interface RawList {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string | null } | null;
  readonly items?: readonly KubeObject[] | null;
}

function isPod({ apiVersion, kind }: Kind): boolean {
  return apiVersion === podKind.apiVersion && kind === podKind.kind;
}

function podEvent(bytes: Buffer, keep: Exclude<Keep, "all">): ServerEvent<Pod> | undefined {
  const { type: said, object } = eventOf(bytes);
  if (said === "ERROR") {
    const status = statusOf(object);
    throw refusalOf(status.code ?? 500, status);
  }
  const type = wordOf(said);
  if (type === "bookmark") return { type, object: { metadata: metadataOf(object) } as Pod };
  return type && { type, object: podOf(object, keep) };
}

interface RawEvent {
  readonly type?: string;
  readonly object?: KubeObject & {
    readonly code?: number;
    readonly reason?: string;
    readonly message?: string;
  };
}

function jsonEvent<T extends KubeObject>(
  kind: Kind<T>,
  keep: Keep,
  line: string,
): ServerEvent<T> | undefined {
  const { type: said = "", object } = JSON.parse(line) as RawEvent;
  if (said === "ERROR" || object === undefined) throw refusalOf(object?.code ?? 500, object ?? {});
  const type = wordOf(said);
  if (type === "bookmark") return { type, object: object as unknown as T };
  return type && { type, object: taken(kind, object, keep) };
}

/** Returns what is kept of an object that came as JSON: items of a list come without apiVersion and kind. */
export function taken<T extends KubeObject>(kind: Kind<T>, object: unknown, keep: Keep): T {
  return trimmed({ ...(object as T), apiVersion: kind.apiVersion, kind: kind.kind }, keep);
}

/** Returns what is kept of the one object of an answer. @throws Error for what is none */
export function takenAnswer<T extends KubeObject>(kind: Kind<T>, { body }: Answer, keep: Keep): T {
  const object = JSON.parse(body.toString("utf8")) as Partial<KubeObject> | null;
  if (typeof object?.metadata?.name !== "string") throw new Error("the answer is no object of an API server");
  return taken(kind, object, keep);
}

function wordOf(type: string): ServerEvent<never>["type"] | undefined {
  return Object.hasOwn(words, type) ? words[type as keyof typeof words] : undefined;
}
