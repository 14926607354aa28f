// What a server says in a list or a watch, be it in JSON or in Protocol Buffers: a kind that a cluster has a hundred thousand
// objects of is asked for in the latter where little of it is kept, and the server's answer says what it is.
import type { IncomingMessage } from "node:http";
import { type Pod, podKind } from "../../api/kinds/core.ts";
import type { Kind, KubeObject } from "../../api/object.ts";
import { linesOf } from "../lines.ts";
import { type Answer, refusalOf } from "./client.ts";
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

/**
 * Yields the events of a watch's answer, as many at a time as came together, but for those of types that this build does not
 * know.
 * @throws ApiRefusal for what the server says with an ERROR event, Error for what cannot be read
 */
export async function* eventsOf<T extends KubeObject>(
  kind: Kind<T>,
  keep: Keep,
  response: IncomingMessage,
): AsyncGenerator<readonly ServerEvent<T>[], void, void> {
  if (keep !== "all" && response.headers["content-type"]?.startsWith(PROTOBUF) === true)
    for await (const messages of messagesOf(response))
      yield messages.flatMap((bytes) => (podEvent(bytes, keep) as ServerEvent<never> | undefined) ?? []);
  else
    for await (const lines of linesOf(response))
      yield lines.flatMap((line) => jsonEvent(kind, keep, line) ?? []);
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

function wordOf(type: string): ServerEvent<never>["type"] | undefined {
  return Object.hasOwn(words, type) ? words[type as keyof typeof words] : undefined;
}
