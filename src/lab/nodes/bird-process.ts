// A node's BIRD as one of the lab's processes. Its supervisor is the node's agent, which starts it again after a kill.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { birdFiles } from "../../bird/files.ts";
import { isRunning, type ProcessIdentity, processesInNetns, signalProcess } from "../../kernel/process.ts";
import type { LabProcess } from "../life/processes.ts";

const POLL_MS = 20;
const PATIENCE_MS = 5000;

/** @param stateDir the node's own folder */
export function birdProcess(netns: string, stateDir: string): LabProcess {
  const files = birdFiles(stateDir);
  const find = (): ProcessIdentity | undefined => {
    const pid = readPid(files.pid);
    if (pid === undefined) return undefined;
    return processesInNetns([path.join("/run/netns", netns)]).find((one) => one.pid === pid);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const found = find();
    if (!found) return;
    signalProcess(found, signal);
    const deadline = performance.now() + PATIENCE_MS;
    while (isRunning(found) && performance.now() < deadline) await sleep(POLL_MS);
  };
  return {
    get running() {
      return find() !== undefined;
    },
    get pid() {
      return find()?.pid ?? null;
    },
    kill: () => end("SIGKILL"),
    async stop() {
      mkdirSync(files.folder, { recursive: true, mode: 0o700 });
      writeFileSync(files.stayDown, "");
      await end("SIGTERM");
    },
    async start() {
      // Its agent looks every second.
      rmSync(files.stayDown, { force: true });
    },
  };
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, "utf8").trim());
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
