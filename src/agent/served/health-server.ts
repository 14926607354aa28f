// GET /livez, /readyz and /metrics, on a unix socket, a TCP port, or both; and what only root may ask, on the socket.
import { chmodSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import type { Registry } from "prom-client";
import { textOf } from "../../base/errors.ts";
import { http } from "../../base/http.ts";

export interface HealthOptions {
  readonly socketPath?: string;
  readonly port?: number;
  /** Address for the port; default: loopback. */
  readonly address?: string;
}

export interface HealthSources {
  /** Why the node cannot serve pods now; empty when it can. */
  readonly notReady: () => readonly string[];
  readonly registry: Registry;
  /** Further paths, answered as JSON. */
  readonly answers?: Answers;
  /** Further ones that are answered on the unix socket alone: whoever reaches the port has no right to them. */
  readonly privateAnswers?: Answers;
}

type Answers = Readonly<Record<string, (query: URLSearchParams) => Promise<unknown>>>;

/** Serves until `close`. @throws what the system says about the socket or port */
export async function serveHealth(
  options: HealthOptions,
  sources: HealthSources,
): Promise<{ close(): Promise<void>; port: number | undefined }> {
  const servers: Server[] = [];
  const open = async (
    answers: Answers,
    listen: (server: Server, done: () => void) => void,
  ): Promise<Server> => {
    const server = http.createServer((request, response) => {
      void answer(request.method ?? "", request.url ?? "", { ...sources, answers }).then(
        ({ status, type, body }) => {
          response.writeHead(status, { "content-type": type });
          response.end(body);
        },
      );
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      listen(server, resolve);
    });
    servers.push(server);
    return server;
  };
  const { socketPath, port } = options;
  if (socketPath !== undefined) {
    // Left by an agent that was killed; that none lives is known from the CNI socket.
    rmSync(socketPath, { force: true });
    const answers = { ...sources.answers, ...sources.privateAnswers };
    await open(answers, (server, done) => server.listen(socketPath, done));
    chmodSync(socketPath, 0o600);
  }
  const tcp =
    port === undefined
      ? undefined
      : await open(sources.answers ?? {}, (server, done) =>
          server.listen(port, options.address ?? "127.0.0.1", done),
        );
  const bound = tcp?.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : undefined,
    close: async () => {
      for (const server of servers) {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        // After it, so that nobody comes in between; whoever asks for health of what ends needs no answer.
        server.closeAllConnections();
        await closed;
      }
    },
  };
}

const plain = "text/plain; charset=utf-8";

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Never rejects: figures are read from the kernel, which may refuse, and who asks for them must not end the agent. */
async function answer(method: string, url: string, sources: HealthSources): Promise<Answer> {
  try {
    return await answerOf(method, url, sources);
  } catch (error) {
    return { status: 500, type: plain, body: `${textOf(error)}\n` };
  }
}

async function answerOf(
  method: string,
  url: string,
  { notReady, registry, answers = {} }: HealthSources,
): Promise<Answer> {
  if (method !== "GET" && method !== "HEAD") return { status: 405, type: plain, body: "only GET\n" };
  const [path = "", query = ""] = url.split("?");
  const asked = Object.hasOwn(answers, path) ? answers[path] : undefined;
  if (asked)
    return {
      status: 200,
      type: "application/json",
      body: JSON.stringify(await asked(new URLSearchParams(query))),
    };
  switch (path) {
    case "/livez":
      return { status: 200, type: plain, body: "ok\n" };
    case "/readyz": {
      const reasons = notReady();
      if (reasons.length === 0) return { status: 200, type: plain, body: "ok\n" };
      return { status: 503, type: plain, body: `${reasons.join("\n")}\n` };
    }
    case "/metrics":
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    default:
      return { status: 404, type: plain, body: "there are /livez, /readyz and /metrics\n" };
  }
}
