// Event objects for what an object's owner should see. The same event again raises a count; nothing waits for
// them, and a store that is away costs nothing but the event.

import { createHash } from "node:crypto";
import { type Event, eventKind } from "../api/kinds/core.ts";
import { isError, textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { stampOf } from "../base/stamp.ts";
import type { Store } from "./store.ts";

export interface EventDraft {
  readonly object: Event["involvedObject"];
  readonly reason: string;
  readonly message: string;
  readonly type: "Normal" | "Warning";
  /** For what lasts: where the event is there already, however old, nothing is written. */
  readonly once?: boolean;
}

/** An event's message may have this many characters, as in the API. */
const LONGEST = 1024;
/** The same event is written at most this often. */
const QUIET_MS = 10_000;
/** Events remembered for that; more than a node has pods. */
const REMEMBERED = 2000;

/** Who tells: a program, and the node that it speaks for if it speaks for one. */
export interface EventSource {
  readonly component: string;
  readonly host?: string;
}

export class EventRecorder {
  readonly #store: Store;
  readonly #source: EventSource;
  readonly #logger: Logger;
  readonly #lastWritten = new Map<string, number>();

  constructor(store: Store, source: EventSource, logger: Logger) {
    this.#store = store;
    this.#source = source;
    this.#logger = logger;
  }

  /** Writes the event some time, or not at all. */
  record(draft: EventDraft): void {
    const { object, reason } = draft;
    const message =
      draft.message.length <= LONGEST ? draft.message : `${draft.message.slice(0, LONGEST - 1)}…`;
    const { component, host = "" } = this.#source;
    const about = [object.kind, object.namespace, object.name, object.uid];
    const parts = [...about, reason, message, component, host];
    const hash = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
    // A date that is set back must not keep an event back for as long.
    const now = performance.now();
    const last = this.#lastWritten.get(hash);
    if (last !== undefined && now - last < QUIET_MS) return;
    if (this.#lastWritten.size >= REMEMBERED) this.#lastWritten.clear();
    this.#lastWritten.set(hash, now);
    this.#write({ ...draft, message }, hash, stampOf(), last === undefined).catch((error: unknown) =>
      this.#logger.warn({ reason, error: textOf(error) }, "an event could not be written"),
    );
  }

  /** @param isNew nobody here has written it yet: most are, and nobody need ask a store whether it has them */
  async #write(draft: EventDraft, hash: string, at: string, isNew: boolean): Promise<void> {
    const namespace = draft.object.namespace ?? "default";
    const name = `${draft.object.name.slice(0, 200)}.${hash}`;
    const isOnce = draft.once === true;
    if (isNew || isOnce) {
      const isCreated = await this.#created(draft, { name, namespace }, at);
      if (isCreated || isOnce) return;
    }
    const before = await this.#store.get(eventKind, name, namespace);
    // Events are deleted after a while.
    if (before === undefined) await this.#created(draft, { name, namespace }, at);
    else
      await this.#store.update(eventKind, { ...before, count: (before.count ?? 1) + 1, lastTimestamp: at });
  }

  /** Returns whether it is there now and was not before. */
  async #created(
    draft: EventDraft,
    metadata: { readonly name: string; readonly namespace: string },
    at: string,
  ): Promise<boolean> {
    try {
      await this.#store.create(eventKind, {
        apiVersion: "v1",
        kind: "Event",
        metadata,
        involvedObject: draft.object,
        reason: draft.reason,
        message: draft.message,
        type: draft.type,
        count: 1,
        firstTimestamp: at,
        lastTimestamp: at,
        source: this.#source,
        reportingComponent: this.#source.component,
        reportingInstance: this.#source.host ?? "",
      });
      return true;
    } catch (error) {
      // By an earlier process, or by another one a moment ago.
      if (!isError(error, "store.exists")) throw error;
      return false;
    }
  }
}
