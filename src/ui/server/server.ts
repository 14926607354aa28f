// The page and its JSON interface over HTTP, for one person at one machine: docs/ui.md says who may ask and what.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import { http } from "../../base/http.ts";
import type { Logger } from "../../base/log.ts";
import { answers, streams } from "../answers/index.ts";
import { probeAnswer } from "../answers/probe.ts";
import type { ApiError } from "../api.ts";
import type { Sources } from "../sources.ts";
import { checkOrigin, checkToken, type Guard, hostsOf, safeHeaders } from "./guard.ts";
import type { PageFile } from "./pages.ts";
import { Streams } from "./streams.ts";

/** More than any question has, bytes. */
const BODY_LIMIT = 4096;
const PREFIX = "/api/v1/";

export interface ServeOptions {
  readonly sources: Sources;
  readonly pages: ReadonlyMap<string, PageFile>;
  readonly token: string;
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  /** Further names of the server, without a port. */
  readonly names?: readonly string[];
  readonly logger: Logger;
}

export interface Served {
  readonly port: number;
  /** Where the page is, without the token. */
  readonly origin: string;
  close(): Promise<void>;
}

/** Serves until `close`. @throws what the system says of the address and port */
export async function serveUi(options: ServeOptions): Promise<Served> {
  const { address, token, names } = options;
  let guard: Guard | undefined;
  const open = new Streams();
  const server: Server = http.createServer((request, response) => {
    const given = guard ?? { hosts: new Set<string>(), token };
    void respond(options, given, open, request, response).catch((error: unknown) =>
      refuse(response, error, options.logger),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, address, resolve);
  });
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : options.port;
  guard = { hosts: hostsOf(address, port, names), token };
  return {
    port,
    origin: `http://${address.includes(":") ? `[${address}]` : address}:${port}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      open.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function respond(
  { sources, pages }: ServeOptions,
  guard: Guard,
  open: Streams,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = "", query = ""] = (request.url ?? "").split("?");
  const method = request.method ?? "";
  checkOrigin(guard, request.headers);
  if (!path.startsWith("/api/")) return page(pages, method, path, response);
  checkToken(guard, request.headers);
  const name = path.startsWith(PREFIX) ? path.slice(PREFIX.length) : "";
  if (name === "probe") {
    if (method !== "POST") throw new TrunklineError("ui.method", { method, path });
    return json(response, await probeAnswer(sources, await bodyOf(request)));
  }
  const stream = Object.hasOwn(streams, name) ? streams[name] : undefined;
  const [first = "", ...rest] = name.split("/");
  const answer = Object.hasOwn(answers, first) ? answers[first] : undefined;
  if (!stream && !answer) throw new TrunklineError("ui.path", { path });
  if (method !== "GET" && method !== "HEAD") throw new TrunklineError("ui.method", { method, path });
  if (stream) return open.open(response, safeHeaders, (send) => stream(sources, send));
  json(response, await answer!(sources, new URLSearchParams(query), rest.map(decoded)));
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new TrunklineError("ui.path", { path: part });
  }
}

function page(
  pages: ReadonlyMap<string, PageFile>,
  method: string,
  path: string,
  response: ServerResponse,
): void {
  if (method !== "GET" && method !== "HEAD") throw new TrunklineError("ui.method", { method, path });
  const file = pages.get(path);
  if (!file) throw new TrunklineError("ui.path", { path });
  response.writeHead(200, { ...safeHeaders, "content-type": file.type });
  response.end(method === "HEAD" ? undefined : file.body);
}

function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { ...safeHeaders, "content-type": "application/json; charset=utf-8" });
  response.end(JSON.stringify(body));
}

/** @throws TrunklineError `ui.body` */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  // A form of another page could send plain text, but not this without being asked first.
  if (!/^application\/json\b/i.test(request.headers["content-type"] ?? ""))
    throw new TrunklineError("ui.body", { why: "its type is not application/json" });
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_LIMIT) throw new TrunklineError("ui.body", { why: `more than ${BODY_LIMIT} bytes` });
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    throw new TrunklineError("ui.body", { why: textOf(error) });
  }
}

const statuses: Readonly<Record<string, number>> = {
  "ui.path": 404,
  "ui.not-found": 404,
  "ui.method": 405,
  "ui.token": 401,
  "ui.host": 421,
  "ui.origin": 403,
  "ui.no-probe": 403,
  "lab.control": 503,
};

function refuse(response: ServerResponse, error: unknown, logger: Logger): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = isError(error);
  // What went wrong in here is told to the log; the page gets the words, as there is nobody else to read them.
  if (!known)
    logger.error({ error: error instanceof Error ? error.stack : textOf(error) }, "a question failed");
  const body: ApiError = { error: { code: known ? error.code : "internal", message: textOf(error) } };
  json(response, body, known ? (statuses[error.code] ?? 400) : 500);
}
