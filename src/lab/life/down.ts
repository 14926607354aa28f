// Ending a lab from outside its process.
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isError } from "../../base/errors.ts";
import { linuxMachine } from "../../kernel/index.ts";
import { isRunning, signalProcess } from "../../kernel/process.ts";
import { askLab } from "../control/client.ts";
import { clearAway } from "./clear-away.ts";
import { type LabEntry, labPaths, readLab } from "./state.ts";

const PATIENCE_MS = 15_000;
const ANSWER_MS = 3000;
const POLL_MS = 10;

/** Ends a lab, running or dead; when it settles nothing of the lab is left, or with `keep` only its folder. */
export async function endLab(lab: LabEntry, keep = false): Promise<void> {
  const { name } = lab.record;
  if (lab.running) await askToEnd(lab, keep);
  const left = readLab(name);
  // Gone, or somebody else's new lab of the name.
  if (!left || left.record.process.pid !== lab.record.process.pid) return;
  await clearAway(left, linuxMachine, keep);
}

/** Removes what was kept of a lab. */
export function forgetKept(name: string): void {
  rmSync(labPaths(name).folder, { recursive: true, force: true });
}

/** Asks the lab to end itself and waits; a lab that does not end in time is left to be cleared away. */
async function askToEnd(lab: LabEntry, keep: boolean): Promise<void> {
  try {
    await askLab(lab, "down", { keep }, ANSWER_MS);
  } catch (error) {
    if (!isError(error, "lab.control")) throw error;
    // Still starting, or stuck.
    signalProcess(lab.record.process, "SIGTERM");
  }
  const end = performance.now() + PATIENCE_MS;
  while (isRunning(lab.record.process) && performance.now() < end) await sleep(POLL_MS);
}
