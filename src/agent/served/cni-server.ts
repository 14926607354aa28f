// The unix socket that the plugin executable asks: one request a connection, complete when the sender half-closes.
import { chmodSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { AgentReply } from "../../cni/protocol.ts";

/** For answers that are being worked out when the agent is to end; what they are about is finished or undone by the next one. */
const LAST_ANSWERS_MS = 2000;
/** More than any configuration; less than what hurts. */
const LONGEST_REQUEST = 4 << 20;

/**
 * To be asked before anything is touched: two agents of one node would undo each other's work.
 * @throws `agent.socket-in-use` if another process answers there
 */
export async function assertUnserved(socketPath: string): Promise<void> {
  if (await answers(socketPath)) throw new TrunklineError("agent.socket-in-use", { path: socketPath });
}

/**
 * Serves `handle` on a unix socket that only root may use. The socket's name appears once it serves.
 * @throws `agent.socket-in-use` if another process answers there
 */
export async function serveCni(
  socketPath: string,
  handle: (request: string) => Promise<AgentReply>,
  logger: Logger,
): Promise<{ close(): Promise<void> }> {
  await assertUnserved(socketPath);
  mkdirSync(path.dirname(socketPath), { recursive: true, mode: 0o755 });
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    serveOne(socket, handle, logger);
  });
  // Bound under another name first: between bind and chmod anybody could connect. A socket that a dead agent left is
  // replaced by the rename.
  const temporary = `${socketPath}.${process.pid}`;
  rmSync(temporary, { force: true });
  await listen(server, temporary);
  chmodSync(temporary, 0o600);
  renameSync(temporary, socketPath);
  return {
    close: async () => {
      rmSync(socketPath, { force: true });
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Who has not asked to the end gets no answer: one that sent half a request would be waited for without an end.
      for (const socket of open) if (!socket.readableEnded) socket.destroy();
      const timer = setTimeout(() => {
        for (const socket of open) socket.destroy();
      }, LAST_ANSWERS_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}

function serveOne(socket: Socket, handle: (request: string) => Promise<AgentReply>, logger: Logger): void {
  const chunks: Buffer[] = [];
  let length = 0;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LONGEST_REQUEST) socket.destroy();
  });
  // The executable was killed, or gave up waiting: what it asked for is carried out all the same.
  socket.on("error", (error) => logger.debug({ error: textOf(error) }, "plugin connection broke"));
  socket.on("end", () => {
    handle(Buffer.concat(chunks).toString("utf8")).then(
      (reply) => socket.end(JSON.stringify(reply)),
      (error: unknown) => {
        logger.error({ error: textOf(error) }, "a request was not answered");
        socket.destroy();
      },
    );
  });
}

function listen(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socketPath);
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    // No such file, or nobody behind it.
    probe.on("error", () => resolve(false));
  });
}
