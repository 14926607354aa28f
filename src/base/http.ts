// Node's HTTP modules, for whoever speaks HTTP. An import statement of them would make Node.js evaluate all that they
// export, and with `WebSocket` load its whole fetch and HTTP/2 implementation: 50 ms and 13 MiB for nothing.

/** As `node:http`. */
export const http = process.getBuiltinModule("node:http");

/**
 * Options of a request by a connection of its own. Node.js keeps connections for the next request, and a server closes those that
 * lay idle: in the moment in which one is used again, the request fails (EPIPE, ECONNRESET) though nothing is wrong.
 */
export const ownConnection = { agent: false } as const;

/** As `node:https`: loads TLS when it is first asked for. */
export const https = {
  get Agent(): typeof import("node:https").Agent {
    return process.getBuiltinModule("node:https").Agent;
  },
  get request(): typeof import("node:https").request {
    return process.getBuiltinModule("node:https").request;
  },
};
