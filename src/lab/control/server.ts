// The lab's own door: HTTP and JSON on a unix socket in its folder. Whoever may enter the folder may ask.
import { chmodSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { isError, textOf } from "../../base/errors.ts";
import { http } from "../../base/http.ts";
import type { Logger } from "../../base/log.ts";

/** What can be asked, by name: takes and returns JSON. */
export type Handlers = Readonly<Record<string, (body: never) => Promise<unknown>>>;

/** An error as it goes over the wire. */
export interface WireError {
  readonly code?: string;
  readonly data?: unknown;
  readonly message: string;
}

/** Serves `handlers` as POST /NAME; settles once it listens. */
export async function serveControl(socketPath: string, handlers: Handlers, logger: Logger) {
  rmSync(socketPath, { force: true });
  const server = http.createServer((request, response) => {
    answer(request, response, handlers).catch((error: unknown) => {
      // The asker has gone away in the middle.
      logger.debug({ error: textOf(error) }, "a request to the lab was not answered");
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  // The folder lets nobody else in; this says so once more.
  chmodSync(socketPath, 0o600);
  return {
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, handlers: Handlers): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const name = (request.url ?? "").slice(1);
  const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  if (!handler)
    return send(response, 404, { message: `the lab does not know '${name}'` } satisfies WireError);
  try {
    const body = JSON.parse(Buffer.concat(chunks).toString() || "{}") as never;
    send(response, 200, (await handler(body)) ?? {});
  } catch (error) {
    send(response, 400, wireError(error));
  }
}

/** Returns an error as it goes over the wire. */
export function wireError(error: unknown): WireError {
  return isError(error)
    ? { code: error.code, data: error.data, message: error.message }
    : { message: textOf(error) };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
