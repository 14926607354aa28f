// Node's HTTP modules, for whoever speaks HTTP. An import statement of them would make Node.js evaluate all that they
// export, and with `WebSocket` load its whole fetch and HTTP/2 implementation: 50 ms and 13 MiB for nothing.

/** As `node:http`. */
export const http = process.getBuiltinModule("node:http");

/**
 * Options of a request by a connection of its own. Node.js keeps connections for the next request, and a server closes those that
 * lay idle: in the moment in which one is used again, the request fails (EPIPE, ECONNRESET) though nothing is wrong.
 */
export const ownConnection = { agent: false } as const;

export interface LocalRequest {
  readonly socketPath: string;
  readonly path: string;
  /** With it the request is a POST. */
  readonly body?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For how long nothing may come, in milliseconds; default: however long. */
  readonly patienceMs?: number;
}

/** Asks a server at a unix socket. @throws what the system says of the socket, and that no answer came in time */
export function askLocal({
  socketPath,
  path,
  body,
  signal,
  patienceMs,
}: LocalRequest): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      ...ownConnection,
      socketPath,
      path,
      method: body === undefined ? "GET" : "POST",
      ...(signal && { signal }),
      ...(patienceMs !== undefined && { timeout: patienceMs }),
    };
    const call = http.request(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      response.on("error", reject);
    });
    call.on("timeout", () => call.destroy(new Error(`no answer within ${patienceMs} ms`)));
    call.on("error", reject);
    call.end(body);
  });
}

/** As `node:https`: loads TLS when it is first asked for. */
export const https = {
  get Agent(): typeof import("node:https").Agent {
    return process.getBuiltinModule("node:https").Agent;
  },
  get request(): typeof import("node:https").request {
    return process.getBuiltinModule("node:https").request;
  },
};
