// Watches of a Kubernetes API server, which go on where they ended: at the server's time, with their connection, or because
// it is dead and does not say so.
import { setTimeout as sleep } from "node:timers/promises";
import type { Kind, KubeObject } from "../../api/object.ts";
import { isError, TrunklineError } from "../../base/errors.ts";
import { unlessAborted } from "../../base/unless-aborted.ts";
import type { WatchEvent } from "../store.ts";
import { acceptable, eventsOf, Unreadable } from "./answers.ts";
import { type ApiClient, ApiRefusal } from "./client.ts";
import type { Keep } from "./kept.ts";
import { Pulse } from "./pulse.ts";
import { worded } from "./refusals.ts";
import { pathOf } from "./resources.ts";

export interface WatchesOptions {
  readonly client: ApiClient;
  readonly keep: Keep;
  /** How long an answer may take, ms. */
  readonly timeoutMs: number;
  /** How long the server lets a watch stand, seconds, least and most. */
  readonly watchSeconds: readonly [least: number, most: number];
}

interface Followed {
  readonly from: string;
  readonly namespace?: string;
  readonly signal: AbortSignal;
}

const LONGEST_PAUSE_MS = 5000;
/** So many answers in a row that nobody can read, and nothing between them, are told: the same again will not help. */
const UNREADABLE = 5;

export class Watches {
  readonly #options: WatchesOptions;

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  /** @throws `store.gone`, `store.refused`, `store.not-found`, `store.unreachable` where what comes cannot be read */
  async *follow<T extends KubeObject>(
    kind: Kind<T>,
    { from, namespace, signal }: Followed,
  ): AsyncGenerator<WatchEvent<T>, void, void> {
    const { client } = this.#options;
    let revision = from;
    let unreadable = 0;
    for (let pause = 50; !signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        for await (const event of this.#connection(kind, revision, namespace, signal)) {
          revision = laterOf(revision, event.revision);
          pause = 25;
          unreadable = 0;
          yield event.type === "bookmark" ? { ...event, revision } : event;
        }
      } catch (error) {
        if (signal.aborted) return;
        // What the server refuses (no right, no such kind) does not get better by asking at once.
        if (!isError(error, "store.unreachable") && error instanceof TrunklineError) throw error;
        if (error instanceof Unreadable && ++unreadable >= UNREADABLE)
          throw new TrunklineError(
            "store.unreachable",
            { place: client.server, why: error.message },
            { cause: error },
          );
      }
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    }
  }

  async *#connection<T extends KubeObject>(
    kind: Kind<T>,
    revision: string,
    namespace: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>, void, void> {
    const { client, keep, timeoutMs, watchSeconds } = this.#options;
    const life = new AbortController();
    const [least, most] = watchSeconds;
    // Jitter: watches that began together must not all come back together.
    const seconds = Math.round(least + Math.random() * (most - least));
    const query = {
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: revision,
      timeoutSeconds: String(seconds),
    };
    const path = pathOf(kind, namespace);
    let pulse: Pulse | undefined;
    try {
      await unlessAborted(this.#checkHistory(kind, revision, namespace), signal);
      if (signal.aborted) return;
      const signals = AbortSignal.any([signal, life.signal]);
      const response = await client.stream({ method: "GET", path, query }, signals, acceptable(kind, keep));
      pulse = new Pulse({
        timeoutMs,
        longestMs: seconds * 1000 + 2 * timeoutMs,
        ask: () => client.ask({ method: "GET", path, query: { limit: "1" } }),
        end: () => life.abort(),
      });
      for await (const together of eventsOf(kind, keep, response)) {
        pulse.heard();
        for (const { type, object } of together) {
          const { resourceVersion } = object.metadata;
          if (type !== "bookmark") yield { type, object, revision: resourceVersion };
          else {
            pulse.bookmark();
            yield { type, revision: resourceVersion };
          }
        }
      }
    } catch (error) {
      throw this.#told(error, kind, revision);
    } finally {
      pulse?.stop();
      life.abort();
    }
  }

  /**
   * A server waits for ever with a watch from a revision that it has not reached (1.37), and after a restore from a
   * backup that may be days.
   * @throws TrunklineError `store.gone`
   */
  async #checkHistory(kind: Kind, revision: string, namespace: string | undefined): Promise<void> {
    const request = { method: "GET", path: pathOf(kind, namespace), query: { limit: "1" } } as const;
    const answer = (await this.#options.client.ask(request)) as RawMeta | null;
    const now = answer?.metadata?.resourceVersion ?? "";
    // Revisions are whole numbers that only grow (Kubernetes 1.35, "comparable resource versions").
    if (isNumber(now) && BigInt(now) < (isNumber(revision) ? BigInt(revision) : 0n))
      throw new TrunklineError("store.gone", { from: revision });
  }

  /** 410: compacted. 400: not a revision of this server at all. */
  #told(error: unknown, kind: Kind, from: string): unknown {
    if (!(error instanceof ApiRefusal)) return error;
    const { code, message } = error;
    const { server } = this.#options.client;
    if (code === 410 || code === 400) return new TrunklineError("store.gone", { from });
    if (code >= 500 || code === 429 || code === 408)
      return new TrunklineError("store.unreachable", { place: server, why: message });
    return worded(error, server, kind);
  }
}

interface RawMeta {
  readonly metadata?: { readonly resourceVersion?: string };
}

function isNumber(revision: string): boolean {
  return /^\d+$/.test(revision);
}

/** Returns the later of two revisions; what cannot be compared is taken as the server says it, but for nothing at all. */
function laterOf(before: string, now: string | undefined): string {
  if (now === undefined || now === "") return before;
  return isNumber(before) && isNumber(now) && BigInt(now) < BigInt(before) ? before : now;
}
