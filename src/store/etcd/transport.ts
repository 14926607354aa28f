// HTTP(S) to the members of an etcd cluster: one that does not answer is passed over for the next one, client
// certificates are read again when their files change, and every wait has an end.
import { readFileSync, statSync } from "node:fs";
import type { Agent, IncomingMessage } from "node:http";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { http, https } from "../../base/http.ts";
import { linesOf } from "../lines.ts";

export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface TransportOptions {
  /** `http://host:port` or `https://host:port`, at least one; the first that answers is kept to. */
  readonly endpoints: readonly string[];
  /** PEM files; they may be replaced while the store is open. */
  readonly tls?: TlsFiles;
  /** How long an answer may take, ms. */
  readonly timeoutMs: number;
}

/** Nobody answered. `sent` says whether a member may have acted on the request all the same. */
export class Unanswered extends Error {
  readonly sent: boolean;

  constructor(message: string, sent: boolean) {
    super(message);
    this.sent = sent;
  }
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A stream of JSON lines from one member, until it ends, fails or is aborted. */
export interface LineStream {
  readonly endpoint: string;
  /** As many at a time as came together. */
  readonly lines: AsyncIterable<readonly string[]>;
}

/** More than this in one answer or one line is no answer of a sane server, bytes. */
const longestAnswer = 256 << 20;

export class Transport {
  readonly #options: TransportOptions;
  readonly #agents = new Map<string, { readonly mark: string; readonly agent: Agent }>();
  /** The endpoint that answered last. */
  #at = 0;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  get endpoints(): readonly string[] {
    return this.#options.endpoints;
  }

  /**
   * Posts JSON and returns the answer of the first member that gives one.
   * @param repeat whether the request may be carried out twice: then a member that fell silent is passed over, too
   * @throws Unanswered
   */
  async post(
    path: string,
    body: unknown,
    { repeat, endpoint }: { repeat: boolean; endpoint?: string },
  ): Promise<Answer> {
    const text = JSON.stringify(body);
    const order = endpoint === undefined ? this.#order() : [endpoint];
    let last: Unanswered | undefined;
    for (const one of order) {
      try {
        const answer = await this.#ask(one, path, text);
        // A member without a leader says so with 503: another one may have one.
        if (answer.status === 503 && repeat && one !== order.at(-1)) continue;
        if (endpoint === undefined) this.#at = this.#options.endpoints.indexOf(one);
        return answer;
      } catch (error) {
        if (error instanceof TrunklineError) throw error;
        last = error instanceof Unanswered ? error : new Unanswered(textOf(error), true);
        if (last.sent && !repeat) throw last;
      }
    }
    throw last ?? new Unanswered("no endpoint is given", false);
  }

  /**
   * Opens a stream of lines at the first member that takes the request.
   * @throws Unanswered
   */
  async stream(path: string, body: unknown, signal: AbortSignal): Promise<LineStream> {
    let last: Unanswered | undefined;
    for (const endpoint of this.#order()) {
      try {
        const { response } = await this.#open(endpoint, path, JSON.stringify(body), signal);
        if (response.statusCode !== 200) {
          response.destroy();
          last = new Unanswered(`${endpoint} answered with HTTP status ${response.statusCode}`, false);
          continue;
        }
        this.#at = this.#options.endpoints.indexOf(endpoint);
        return { endpoint, lines: linesOf(response) };
      } catch (error) {
        if (signal.aborted || error instanceof TrunklineError) throw error;
        last = error instanceof Unanswered ? error : new Unanswered(textOf(error), false);
      }
    }
    throw last ?? new Unanswered("no endpoint is given", false);
  }

  /** The next request begins with another member. */
  passOver(endpoint: string): void {
    const { endpoints } = this.#options;
    if (endpoints[this.#at] === endpoint) this.#at = (this.#at + 1) % endpoints.length;
  }

  close(): void {
    for (const { agent } of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #order(): readonly string[] {
    const { endpoints } = this.#options;
    return [...endpoints.slice(this.#at), ...endpoints.slice(0, this.#at)];
  }

  async #ask(endpoint: string, path: string, text: string): Promise<Answer> {
    const limit = AbortSignal.timeout(this.#options.timeoutMs);
    const { response } = await this.#open(endpoint, path, text, limit);
    const parts: Buffer[] = [];
    let size = 0;
    try {
      for await (const part of response) {
        size += (part as Buffer).length;
        if (size > longestAnswer) throw new Error(`the answer is longer than ${longestAnswer} bytes`);
        parts.push(part as Buffer);
      }
    } catch (error) {
      const why = limit.aborted ? `no answer within ${this.#options.timeoutMs} ms` : textOf(error);
      throw new Unanswered(`${endpoint}: ${why}`, true);
    }
    return { status: response.statusCode ?? 0, body: Buffer.concat(parts).toString("utf8") };
  }

  async #open(
    endpoint: string,
    path: string,
    text: string,
    signal: AbortSignal,
  ): Promise<{ readonly response: IncomingMessage }> {
    const url = new URL(path, endpoint);
    const { request } = url.protocol === "https:" ? https : http;
    const agent = this.#agent(endpoint, url.protocol === "https:");
    let sent = false;
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
        const asking = request(url, { method: "POST", headers, agent, signal }, resolve);
        // The headers of an answer come soon or never, also where the body streams for days.
        const timer = setTimeout(
          () => asking.destroy(new Error(`no answer within ${this.#options.timeoutMs} ms`)),
          this.#options.timeoutMs,
        );
        asking.once("close", () => clearTimeout(timer)).once("response", () => clearTimeout(timer));
        asking.once("socket", (socket) => {
          socket.setKeepAlive(true, 10_000);
          const connecting = socket.connecting || Reflect.get(socket, "secureConnecting") === true;
          if (!connecting) sent = true;
          else socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => (sent = true));
        });
        asking.once("error", reject);
        asking.end(text);
      });
      return { response };
    } catch (error) {
      const why = signal.aborted ? `no answer within ${this.#options.timeoutMs} ms` : textOf(error);
      throw new Unanswered(`${endpoint}: ${why}`, sent);
    }
  }

  #agent(endpoint: string, secure: boolean): Agent {
    const { tls = {} } = this.#options;
    const mark = secure ? [tls.ca, tls.cert, tls.key].map(stampOf).join() : "";
    const known = this.#agents.get(endpoint);
    if (known?.mark === mark) return known.agent;
    // Requests under way end on the old connections.
    const agent = secure
      ? new https.Agent({ keepAlive: true, ...read(tls) })
      : new http.Agent({ keepAlive: true });
    this.#agents.set(endpoint, { mark, agent });
    return agent;
  }
}

function read(tls: TlsFiles): { ca?: Buffer; cert?: Buffer; key?: Buffer } {
  const content = (path: string) => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new TrunklineError("store.tls", { path, why: textOf(error) }, { cause: error });
    }
  };
  return {
    ...(tls.ca === undefined ? {} : { ca: content(tls.ca) }),
    ...(tls.cert === undefined ? {} : { cert: content(tls.cert) }),
    ...(tls.key === undefined ? {} : { key: content(tls.key) }),
  };
}

function stampOf(path: string | undefined): string {
  if (path === undefined) return "";
  const found = statSync(path, { throwIfNoEntry: false });
  return `${found?.mtimeMs}/${found?.ino}/${found?.size}`;
}
