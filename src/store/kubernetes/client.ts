// HTTP to a Kubernetes API server: one request with a time limit, or a stream. What the server says with a
// Status is an ApiRefusal; everything else that goes wrong is the server's absence.
import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { Agent, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { http, https } from "../../base/http.ts";
import type { Access, Pem } from "./access.ts";

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From the server's root, such as `/api/v1/nodes`; its parts are escaped. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
}

export interface Answer {
  /** Its media type. */
  readonly type: string;
  readonly body: Buffer;
}

/** The server's own no (a Status object). */
export class ApiRefusal extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

interface Status {
  readonly kind?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

export interface ClientOptions {
  /** How long nothing of an answer may come, ms; default 15 s. */
  readonly timeoutMs?: number;
}

/** A page of 500 pods has some MiB; more than this is no answer that an agent can hold, bytes. */
const longestAnswer = 256 << 20;
/** So many time limits may an answer take as a whole. */
const LONGEST_TIMES = 20;
const tries = 5;
/** A server that is busy, or whose new definition's storage is only being made, says so and is waited for longer. */
const busyTries = 15;

export class ApiClient {
  readonly #access: Access;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  #agent: { readonly mark: string; readonly agent: Agent } | undefined;

  constructor(access: Access, { timeoutMs = 15_000 }: ClientOptions = {}) {
    this.#access = access;
    this.#timeoutMs = timeoutMs;
  }

  get server(): string {
    return this.#access.server;
  }

  /**
   * Sends one request and returns the answer's JSON. A server that is too busy (429) is asked again when it says so;
   * reads are repeated while it is away, for about a second.
   * @throws ApiRefusal, TrunklineError `store.unreachable`
   */
  async ask(request: ApiRequest): Promise<unknown> {
    return this.fetch(
      request,
      "application/json",
      ({ body }) => JSON.parse(body.toString("utf8")) as unknown,
    );
  }

  /** Does the same for an answer of one of these media types, and returns what `read` makes of it. */
  async fetch<T>(request: ApiRequest, accept: string, read: (answer: Answer) => T): Promise<T> {
    for (let round = 1; ; round++) {
      let last = round >= tries;
      let waitMs = pauseMs(round);
      try {
        const response = await this.#open(request, undefined, accept);
        const body = await bytesOf(response, this.#timeoutMs);
        const code = response.statusCode ?? 0;
        if (code < 300) return read({ type: response.headers["content-type"] ?? "", body });
        if (code === 401) this.#access.token?.refused();
        if (isPage(response)) throw new Error(pageOf(code, body.toString("utf8")));
        const refusal = refusalOf(code, body.toString("utf8"));
        if (code === 429) last = round >= busyTries;
        // 429 means: not begun. 401 once more, as the token may just have been renewed.
        const again =
          code === 429 || (code === 401 && round === 1) || (code >= 500 && request.method === "GET");
        if (!again || last) throw code >= 500 ? this.#unreachable(refusal) : refusal;
        waitMs = pauseMs(round, response);
      } catch (error) {
        if (error instanceof ApiRefusal || error instanceof TrunklineError) throw error;
        if (last || request.method !== "GET" || this.#isClosed) throw this.#unreachable(error);
      }
      // Nobody waits for a closed client.
      await sleep(waitMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    }
  }

  /**
   * Opens a stream (a watch) of one of these media types, and returns its beginning.
   * @throws ApiRefusal, TrunklineError `store.unreachable`
   */
  async stream(request: ApiRequest, signal: AbortSignal, accept: string): Promise<IncomingMessage> {
    for (let round = 1; ; round++) {
      let response: IncomingMessage;
      try {
        response = await this.#open(request, signal, accept);
      } catch (error) {
        throw error instanceof TrunklineError ? error : this.#unreachable(error);
      }
      const code = response.statusCode ?? 0;
      if (code === 200) return response;
      if (code === 401) this.#access.token?.refused();
      const body = await bodyOf(response, this.#timeoutMs).catch(textOf);
      if (isPage(response)) throw this.#unreachable(pageOf(code, body));
      const refusal = refusalOf(code, body);
      // Once more, as the token may just have been renewed.
      if (code === 401 && round === 1) continue;
      if (code !== 429 || round >= busyTries)
        throw code >= 500 || code === 429 ? this.#unreachable(refusal) : refusal;
      await sleep(pauseMs(round, response), undefined, { signal });
    }
  }

  /**
   * Turns a connection into a WebSocket (RFC 6455, 4.1) of one of these protocols.
   * @throws ApiRefusal, TrunklineError `store.unreachable`
   */
  async upgrade(
    path: string,
    query: readonly (readonly [string, string])[],
    protocols: readonly string[],
  ): Promise<{ readonly socket: Duplex; readonly head: Buffer }> {
    const { server, base, token } = this.#access;
    const url = new URL(`${base}${path}`, server);
    for (const [name, value] of query) url.searchParams.append(name, value);
    const headers = {
      connection: "Upgrade",
      upgrade: "websocket",
      "user-agent": "trunkline",
      "sec-websocket-version": "13",
      "sec-websocket-key": randomBytes(16).toString("base64"),
      "sec-websocket-protocol": protocols.join(", "),
      ...(token === undefined ? {} : { authorization: `Bearer ${await token.get()}` }),
    };
    const send = url.protocol === "https:" ? https.request : http.request;
    return await new Promise((resolve, reject) => {
      const asking = send(url, { headers, agent: this.#connections(), timeout: this.#timeoutMs });
      asking.once("upgrade", (_, socket, head) => resolve({ socket, head }));
      asking.once("response", (response) => {
        bodyOf(response, this.#timeoutMs).then(
          (body) => reject(refusalOf(response.statusCode ?? 0, body)),
          reject,
        );
      });
      asking.once("timeout", () => asking.destroy(new Error(`no answer within ${this.#timeoutMs} ms`)));
      asking.once("error", (error) => reject(this.#unreachable(error)));
      asking.end();
    });
  }

  /** Ends what is under way, with `store.closed` where that is a request. */
  close(): void {
    this.#closing.abort();
    this.#agent?.agent.destroy();
  }

  async #open(
    request: ApiRequest,
    signal: AbortSignal | undefined,
    accept: string,
  ): Promise<IncomingMessage> {
    if (this.#isClosed) throw new TrunklineError("store.closed", { place: this.server });
    const { server, base, token } = this.#access;
    const url = new URL(`${base}${request.path}`, server);
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const headers = {
      accept,
      "user-agent": "trunkline",
      ...(token === undefined ? {} : { authorization: `Bearer ${await token.get()}` }),
      ...(body === undefined ? {} : { "content-type": request.contentType ?? "application/json" }),
      ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }),
    };
    const send = url.protocol === "https:" ? https.request : http.request;
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const asking = send(
        url,
        { method: request.method, headers, agent: this.#connections(), ...(signal && { signal }) },
        resolve,
      );
      // A server that took the connection and then hangs: headers come soon or never, also where the body streams.
      const timer = setTimeout(
        () => asking.destroy(new Error(`no answer within ${this.#timeoutMs} ms`)),
        this.#timeoutMs,
      );
      asking.once("response", () => clearTimeout(timer)).once("close", () => clearTimeout(timer));
      asking.once("socket", (socket) => socket.setKeepAlive(true, 15_000));
      asking.once("error", reject);
      asking.end(body);
    });
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #connections(): Agent {
    const { server, ca, cert, key, insecure, serverName } = this.#access;
    const mark = [ca, cert, key].map(stampOf).join();
    if (this.#agent?.mark === mark) return this.#agent.agent;
    // Requests under way end on the old connections.
    const agent = server.startsWith("https:")
      ? new https.Agent({
          keepAlive: true,
          rejectUnauthorized: !insecure,
          ...(ca && { ca: contentOf(ca) }),
          ...(cert && { cert: contentOf(cert) }),
          ...(key && { key: contentOf(key) }),
          ...(serverName !== undefined && { servername: serverName }),
        })
      : new http.Agent({ keepAlive: true });
    this.#agent = { mark, agent };
    return agent;
  }

  #unreachable(error: unknown): TrunklineError {
    if (this.#isClosed) return new TrunklineError("store.closed", { place: this.server });
    return new TrunklineError(
      "store.unreachable",
      { place: this.server, why: textOf(error) },
      { cause: error },
    );
  }
}

function contentOf(pem: Pem): string {
  if ("text" in pem) return pem.text;
  try {
    return readFileSync(pem.file, "utf8");
  } catch (error) {
    throw new TrunklineError("store.tls", { path: pem.file, why: textOf(error) }, { cause: error });
  }
}

function stampOf(pem: Pem | undefined): string {
  if (pem === undefined || "text" in pem) return "";
  const found = statSync(pem.file, { throwIfNoEntry: false });
  return `${found?.mtimeMs}/${found?.ino}/${found?.size}`;
}

/** Returns the refusal that a Status object says, or any other body of an HTTP error. */
export function refusalOf(code: number, body: string | Status): ApiRefusal {
  let status: Status = {};
  if (typeof body === "string") {
    try {
      status = JSON.parse(body) as Status;
    } catch {
      // A proxy's page, say.
    }
    if (status.kind !== "Status")
      return new ApiRefusal(code, "", `HTTP status ${code}: ${body.slice(0, 200)}`);
  } else {
    status = body;
  }
  return new ApiRefusal(status.code ?? code, status.reason ?? "", status.message ?? `HTTP status ${code}`);
}

/**
 * Whether an error comes from something before the server, as a proxy that is up before what is behind it: API servers say
 * no with a Status or in plain text. Its 404 must not pass for an object that is gone.
 */
function isPage(response: IncomingMessage): boolean {
  return response.headers["content-type"]?.startsWith("text/html") === true;
}

function pageOf(code: number, body: string): string {
  return `HTTP status ${code} with a page: ${body.slice(0, 200)}`;
}

/** Returns how long to wait before a request is sent again, ms: what the server asks for, else longer and longer. */
function pauseMs(round: number, response?: IncomingMessage): number {
  const wished = Number(response?.headers["retry-after"] ?? 0);
  const seconds = Number.isFinite(wished) ? Math.min(Math.max(wished, 0), 10) : 0;
  return Math.max(Math.min(50 * 2 ** round, 1000), seconds * 1000) * (0.75 + Math.random() / 4);
}

async function bodyOf(response: IncomingMessage, patienceMs: number): Promise<string> {
  return (await bytesOf(response, patienceMs)).toString("utf8");
}

/** @param patienceMs how long nothing may come, ms: a page of a list takes long over a slow line, and is no use half */
async function bytesOf(response: IncomingMessage, patienceMs: number): Promise<Buffer> {
  const giveUp = (ms: number) =>
    setTimeout(() => response.destroy(new Error(`the answer did not come within ${ms} ms`)), ms);
  const silence = giveUp(patienceMs);
  const trickle = giveUp(LONGEST_TIMES * patienceMs);
  try {
    return await allOf(response, () => silence.refresh());
  } finally {
    clearTimeout(silence);
    clearTimeout(trickle);
  }
}

async function allOf(response: IncomingMessage, heard: () => void): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    heard();
    size += part.length;
    if (size > longestAnswer) throw new Error(`the answer is longer than ${longestAnswer} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
