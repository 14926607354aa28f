// etcd's v3 interface by its JSON gateway: the calls that a store needs, with what the gateway is silent about made up
// for. It ignores unknown fields and takes a wrong enum for the first one, so requests are built here and nowhere else;
// keys and values are base64; numbers of 64 bits are texts, and absent where they are 0.
import { TrunklineError } from "../../base/errors.ts";
import { type LineStream, type Transport, Unanswered } from "./transport.ts";

/** Which history a revision belongs to: a cluster that was restored from a backup counts again from less. */
export interface Header {
  readonly cluster: string;
  readonly term: number;
  readonly revision: number;
}

export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly created: number;
  readonly modified: number;
}

export interface Page {
  readonly header: Header;
  readonly entries: readonly Entry[];
  readonly more: boolean;
}

export type WriteResult =
  | { readonly done: true; readonly revision: number }
  /** The key is not of the version that was expected; this is what it holds. */
  | { readonly done: false; readonly current: Entry | undefined };

export interface Change {
  readonly type: "put" | "delete";
  readonly entry: Entry;
  /** What the key held before, if etcd still knows it. */
  readonly before: Entry | undefined;
}

export type WatchMessage =
  | { readonly type: "created" | "progress"; readonly header: Header }
  | { readonly type: "changes"; readonly header: Header; readonly changes: readonly Change[] }
  | { readonly type: "compacted"; readonly revision: number };

interface RawKv {
  readonly key?: string;
  readonly value?: string;
  readonly create_revision?: string;
  readonly mod_revision?: string;
}

interface RawHeader {
  readonly cluster_id?: string;
  readonly raft_term?: string;
  readonly revision?: string;
}

interface RawRange {
  readonly header?: RawHeader;
  readonly kvs?: readonly RawKv[];
  readonly more?: boolean;
}

interface RawTxn {
  readonly header?: RawHeader;
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: RawRange }[];
}

interface RawWatch {
  readonly header?: RawHeader;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly cancel_reason?: string;
  readonly compact_revision?: string;
  readonly events?: readonly { readonly type?: string; readonly kv?: RawKv; readonly prev_kv?: RawKv }[];
}

/** gRPC's codes that a later try may end otherwise: deadline exceeded, unavailable. */
const passing = new Set([4, 14]);
const tries = 4;

export class Gateway {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Reads a key, or with `end` the keys from `key` up to before it.
   * @throws TrunklineError `store.unreachable`, `store.gone` if that revision is compacted
   */
  async range(key: string, wish: { end?: string; limit?: number; revision?: number } = {}): Promise<Page> {
    const body = {
      key: encode(key),
      ...(wish.end === undefined ? {} : { range_end: encode(wish.end) }),
      ...(wish.limit === undefined ? {} : { limit: String(wish.limit) }),
      ...(wish.revision === undefined ? {} : { revision: String(wish.revision) }),
    };
    return pageOf((await this.#call("/v3/kv/range", body, true)) as RawRange);
  }

  /** @throws Unanswered if that member has no leader, or no answer in time */
  async check(endpoint: string): Promise<void> {
    const body = { key: encode("\0"), limit: "1", count_only: true };
    const answer = await this.#transport.post("/v3/kv/range", body, { repeat: false, endpoint });
    if (answer.status !== 200)
      throw new Unanswered(`${endpoint} answered with HTTP status ${answer.status}`, false);
  }

  /**
   * Writes `value`, or deletes if it is undefined, if the key's last change is still `expected` (0: it does not exist).
   * An answer that was lost does no harm: what is stored tells whether the write took place.
   * @throws TrunklineError `store.unreachable`, `store.too-large`
   */
  async write(key: string, expected: number, value: string | undefined): Promise<WriteResult> {
    const name = encode(key);
    const body = {
      compare: [{ key: name, target: "MOD", result: "EQUAL", mod_revision: String(expected) }],
      success: [
        value === undefined
          ? { request_delete_range: { key: name } }
          : { request_put: { key: name, value: encode(value) } },
      ],
      failure: [{ request_range: { key: name } }],
    };
    let doubtful = false;
    for (let left = tries; ; left--) {
      let answer: RawTxn;
      try {
        answer = (await this.#call("/v3/kv/txn", body, false)) as RawTxn;
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
        if (left <= 1) throw this.#unreachable(error);
        doubtful ||= error.sent;
        await pause(tries - left);
        continue;
      }
      if (answer.succeeded === true) return { done: true, revision: headerOf(answer.header).revision };
      const read = pageOf(answer.responses?.[0]?.response_range ?? {});
      const current = read.entries[0];
      // An earlier try whose answer was lost has done it: nobody else writes this very text (it holds a uid and a state).
      if (doubtful && current?.value === value)
        return { done: true, revision: current?.modified ?? headerOf(answer.header).revision };
      return { done: false, current };
    }
  }

  /**
   * Opens a watch of the keys from `key` up to before `end`, from `start` on.
   * @throws Unanswered
   */
  async watch(
    key: string,
    { end, start, signal }: { readonly end: string; readonly start: number; readonly signal: AbortSignal },
  ): Promise<{ readonly endpoint: string; readonly messages: AsyncIterable<WatchMessage> }> {
    const create_request = {
      key: encode(key),
      range_end: encode(end),
      start_revision: String(start),
      prev_kv: true,
      progress_notify: true,
      fragment: true,
    };
    const stream = await this.#transport.stream("/v3/watch", { create_request }, signal);
    return { endpoint: stream.endpoint, messages: messagesOf(stream) };
  }

  passOver(endpoint: string): void {
    this.#transport.passOver(endpoint);
  }

  close(): void {
    this.#transport.close();
  }

  async #call(path: string, body: unknown, repeat: boolean): Promise<unknown> {
    for (let left = repeat ? tries : 1; ; left--) {
      try {
        const answer = await this.#transport.post(path, body, { repeat });
        if (answer.status === 200) return JSON.parse(answer.body) as unknown;
        this.#refused(answer.status, answer.body);
      } catch (error) {
        if (!(error instanceof Unanswered) || !repeat) throw error;
        if (left <= 1) throw this.#unreachable(error);
        await pause(tries - left);
      }
    }
  }

  /** @throws always: Unanswered where a later try may end otherwise */
  #refused(status: number, body: string): never {
    const { code, why } = refusalOf(body);
    // The gateway answers what is too large for gRPC with 429, which elsewhere means: later. It never gets better.
    if (/larger than max|too large/.test(why)) throw new TrunklineError("store.too-large", { why });
    if (/revision has been compacted|required revision is a future/.test(why))
      throw new TrunklineError("store.gone", { from: why });
    const place = this.#transport.endpoints.join(", ");
    if (passing.has(code) || /too many requests|leader changed|no leader/.test(why) || status >= 500)
      throw new Unanswered(why, true);
    throw new TrunklineError("store.refused", { place, why });
  }

  #unreachable(error: Unanswered): TrunklineError {
    const place = this.#transport.endpoints.join(", ");
    return new TrunklineError("store.unreachable", { place, why: error.message }, { cause: error });
  }
}

async function* messagesOf(stream: LineStream): AsyncGenerator<WatchMessage, void, void> {
  // Parts of a message that was too large for one: together they are one revision's changes.
  for await (const result of watchesOf(stream)) {
    const header = headerOf(result.header);
    if (result.canceled === true) {
      // etcd leaves such a stream open for ever.
      const compacted = Number(result.compact_revision ?? 0);
      if (compacted === 0) throw new Unanswered(result.cancel_reason ?? "the watch was canceled", false);
      yield { type: "compacted", revision: compacted };
      return;
    }
    if (result.created === true) yield { type: "created", header };
    else if (result.events === undefined) yield { type: "progress", header };
    else {
      const changes = result.events.map((event) => ({
        type: event.type === "DELETE" ? ("delete" as const) : ("put" as const),
        entry: entryOf(event.kv ?? {}),
        before: event.prev_kv && entryOf(event.prev_kv),
      }));
      yield { type: "changes", header, changes };
    }
  }
}

async function* watchesOf(stream: LineStream): AsyncGenerator<RawWatch, void, void> {
  for await (const lines of stream.lines)
    for (const line of lines) {
      const { result, error } = JSON.parse(line) as { result?: RawWatch; error?: { message?: string } };
      if (result === undefined) throw new Unanswered(error?.message ?? "an unknown answer to a watch", false);
      yield result;
    }
}

function pageOf(raw: RawRange): Page {
  return {
    header: headerOf(raw.header),
    entries: (raw.kvs ?? []).map(entryOf),
    more: raw.more === true,
  };
}

function headerOf(raw: RawHeader = {}): Header {
  return {
    cluster: raw.cluster_id ?? "",
    term: Number(raw.raft_term ?? 0),
    revision: Number(raw.revision ?? 0),
  };
}

function entryOf(raw: RawKv): Entry {
  return {
    key: decode(raw.key),
    value: decode(raw.value),
    created: Number(raw.create_revision ?? 0),
    modified: Number(raw.mod_revision ?? 0),
  };
}

function refusalOf(body: string): { readonly code: number; readonly why: string } {
  try {
    const { code, message, error } = JSON.parse(body) as { code?: number; message?: string; error?: string };
    return { code: code ?? 0, why: message ?? error ?? body.slice(0, 200) };
  } catch {
    return { code: 0, why: body.slice(0, 200) };
  }
}

function encode(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

function decode(text = ""): string {
  return Buffer.from(text, "base64").toString("utf8");
}

/** Waits 50, 100, 200 … ms, with jitter, so that many clients do not come back in one moment. */
async function pause(round: number): Promise<void> {
  const ms = 50 * 2 ** round * (0.5 + Math.random());
  await new Promise((resolve) => setTimeout(resolve, ms));
}
