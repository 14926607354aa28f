import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { TrunklineError } from "../../base/errors.ts";
import type { Daemon } from "../../kernel/exec/index.ts";

const PATIENCE_MS = 15_000;
const POLL_MS = 5;
const EXCERPT = 600;

/** Waits until a daemon has made its socket, which is the last that it does before it serves. @throws `lab.router-start` */
export async function awaitSocket(facts: {
  readonly daemon: Daemon;
  readonly socket: string;
  readonly router: string;
  readonly command: string;
  readonly logFile: string;
}): Promise<void> {
  const { daemon, socket, router, command, logFile } = facts;
  let ended = false;
  void daemon.exited.then(() => {
    ended = true;
  });
  const end = performance.now() + PATIENCE_MS;
  while (!existsSync(socket)) {
    if (ended || performance.now() > end) {
      daemon.signal("SIGKILL");
      const said = readFileSync(logFile, "utf8").trimEnd().slice(-EXCERPT);
      throw new TrunklineError("lab.router-start", { router, daemon: command, log: logFile, end: said });
    }
    await sleep(POLL_MS);
  }
}
