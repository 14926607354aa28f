// Lists of a Kubernetes API server: as the beginning of a watch where the server can, else in pages.
import { setTimeout as sleep } from "node:timers/promises";
import type { Kind, KubeObject } from "../../api/object.ts";
import { TrunklineError } from "../../base/errors.ts";
import { byKey } from "../driver.ts";
import type { Listing } from "../store.ts";
import { acceptable, eventsOf, listPage } from "./answers.ts";
import { type ApiClient, ApiRefusal } from "./client.ts";
import type { Keep } from "./kept.ts";
import { worded } from "./refusals.ts";
import { pathOf } from "./resources.ts";

export interface ListsOptions {
  readonly client: ApiClient;
  readonly keep: Keep;
  /** How long an answer may take, ms. */
  readonly timeoutMs: number;
  /** Aborts when the store is closed. */
  readonly closing: AbortSignal;
}

const PAGE_SIZE = 500;
/** How often a list may outlive the server's history before it is asked for in one piece, which cannot. */
const PAGED_TRIES = 3;
const FIRST_PAUSE_MS = 200;
const STREAM_SECONDS = 60;

export class Lists {
  readonly #options: ListsOptions;
  /** Whether the server can send a list as a watch's beginning; unknown until it was tried. */
  #streams: boolean | undefined;

  constructor(options: ListsOptions) {
    this.#options = options;
  }

  /** @throws `store.refused`, `store.not-found`, `store.unreachable` (also where even a list in one piece has expired) */
  async list<T extends KubeObject>(
    kind: Kind<T>,
    namespace: string | undefined,
    heard: () => void,
  ): Promise<Listing<T>> {
    const { client, closing } = this.#options;
    if (this.#streams !== false) {
      const listing = await this.#listAsWatch(kind, namespace, heard);
      if (listing) return listing;
    }
    for (let tries = 1; ; tries++) {
      try {
        return await this.#listPages(kind, namespace, heard, tries <= PAGED_TRIES ? PAGE_SIZE : undefined);
      } catch (error) {
        const isGone = error instanceof ApiRefusal && error.code === 410;
        if (!isGone) throw worded(error, client.server, kind);
        if (tries > PAGED_TRIES)
          throw new TrunklineError(
            "store.unreachable",
            { place: client.server, why: `lists of ${kind.plural} expire while they are read` },
            { cause: error },
          );
      }
      // Its pages outlived the server's history: a new picture is taken. Servers that forget so soon are busy.
      const pauseMs = FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random() / 2);
      await sleep(pauseMs, undefined, { signal: closing }).catch(() => undefined);
    }
  }

  async #listPages<T extends KubeObject>(
    kind: Kind<T>,
    namespace: string | undefined,
    heard: () => void,
    pageSize: number | undefined,
  ): Promise<Listing<T>> {
    const { client, keep } = this.#options;
    const items: T[] = [];
    let revision: string | undefined;
    let next = "";
    do {
      const query = {
        ...(pageSize !== undefined && { limit: String(pageSize) }),
        ...(next !== "" && { continue: next }),
      };
      const request = { method: "GET", path: pathOf(kind, namespace), query } as const;
      const isFirst = next === "";
      const page = await client.fetch(request, acceptable(kind, keep), (answer) => {
        const read = listPage(kind, keep, answer);
        // Whatever stands before the server must not pass for a cluster that is empty.
        if (isFirst && read.revision === "") throw new Error("the answer is no list of an API server");
        return read;
      });
      heard();
      items.push(...page.items);
      revision ??= page.revision;
      ({ next } = page);
    } while (next !== "");
    return { items: items.toSorted(byKey), revision: revision ?? "" };
  }

  /**
   * A list that the server sends as the beginning of a watch: it holds no whole list in memory for it. Returns undefined
   * where it does not come so this time, whether the server cannot at all, is too busy, or fell silent.
   * @throws `store.refused` where reading is forbidden, `store.closed`
   */
  async #listAsWatch<T extends KubeObject>(
    kind: Kind<T>,
    namespace: string | undefined,
    heard: () => void,
  ): Promise<Listing<T> | undefined> {
    const { client, keep, closing, timeoutMs } = this.#options;
    const life = new AbortController();
    const query = {
      watch: "true",
      sendInitialEvents: "true",
      resourceVersionMatch: "NotOlderThan",
      allowWatchBookmarks: "true",
      timeoutSeconds: String(STREAM_SECONDS),
    };
    const items: T[] = [];
    // A list has no pulse that would tell of a server that fell silent, as a watch has.
    const silence = setTimeout(() => life.abort(), 2 * timeoutMs);
    try {
      const signal = AbortSignal.any([life.signal, closing]);
      const request = { method: "GET", path: pathOf(kind, namespace), query } as const;
      const response = await client.stream(request, signal, acceptable(kind, keep));
      for await (const events of eventsOf(kind, keep, response)) {
        silence.refresh();
        heard();
        for (const { type, object } of events) {
          if (type !== "bookmark") items.push(object);
          else if (object.metadata.annotations?.["k8s.io/initial-events-end"] === "true") {
            this.#streams = true;
            return { items: items.toSorted(byKey), revision: object.metadata.resourceVersion };
          }
        }
      }
    } catch (error) {
      if (closing.aborted) throw new TrunklineError("store.closed", { place: client.server });
      if (error instanceof ApiRefusal && error.code === 403) throw worded(error, client.server, kind);
      if (error instanceof TrunklineError && error.code !== "store.unreachable") throw error;
      if (cannotStream(error)) this.#streams = false;
    } finally {
      clearTimeout(silence);
      life.abort();
    }
    return undefined;
  }
}

/**
 * Whether an answer says that this server has no streamed lists, and will not have them with the next try either: it does
 * not allow their parameters (before Kubernetes 1.32, or switched off: 422), or its etcd cannot (an ERROR event with 500).
 * Busy servers and those that begin or end say other things.
 */
function cannotStream(error: unknown): boolean {
  if (!(error instanceof ApiRefusal)) return false;
  const { code, reason, message } = error;
  if (code === 422) return reason === "Invalid";
  if (code === 400) return reason === "BadRequest";
  return code === 500 && message.includes("RequestWatchProgress");
}
