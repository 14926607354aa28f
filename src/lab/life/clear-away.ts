// Removes everything that a lab left on this machine, whether its process ended well or was killed at any moment.
import { copyFileSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isError } from "../../base/errors.ts";
import type { Machine } from "../../kernel/kernel.ts";
import {
  isRunning,
  processesInNetns,
  processesWithEnvironment,
  signalProcess,
} from "../../kernel/process.ts";
import { frrFolder } from "../routers/folders.ts";
import { isPodNetns } from "../topology/plan.ts";
import { type LabEntry, labPaths } from "./state.ts";

/** Every process that a lab starts has the lab's folder in this variable, so it can be found after its parent's death. */
export const LAB_VARIABLE = "TRUNKLINE_LAB_FOLDER";
const GRACE_MS = 3000;

/**
 * Ends the lab's processes, removes its namespaces (links, routes and rules go with them) and its folder. The lab's
 * own process must not be the caller, unless it has stopped everything. `keep`: the folder stays, with the objects, the
 * journals, the cloud's state and the clock, for the next lab of that name to go on from.
 */
export async function clearAway({ record }: LabEntry, machine: () => Machine, keep = false): Promise<void> {
  const { folder } = labPaths(record.name);
  if (record.process.pid !== process.pid) signalProcess(record.process, "SIGKILL");
  await endAll(() => processesWithEnvironment(LAB_VARIABLE, folder));
  // A rootless lab's namespaces have gone with its last process.
  if (!record.rootless || record.process.pid === process.pid) await removeNamespaces(record, machine());
  const frr = frrFolder(labPaths(record.name));
  if (keep) keepFolder(record.name);
  for (const one of keep ? [frr] : [folder, frr]) rmSync(one, { recursive: true, force: true });
  removeIfEmpty(path.dirname(frr));
  // The last lab takes the folders of all labs with it.
  for (const above of [path.dirname(folder), path.dirname(path.dirname(folder))]) {
    if (["labs", "trunkline"].includes(path.basename(above))) removeIfEmpty(above);
  }
}

/** From the moment that the record is gone, what is left is no dead lab any more. */
function keepFolder(name: string): void {
  const { folder, record, kept } = labPaths(name);
  copyFileSync(record, kept);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (entry.isSocket()) rmSync(path.join(entry.parentPath, entry.name), { force: true });
  rmSync(record);
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "ENOENT" && code !== "EBUSY" && code !== "EACCES") throw error;
  }
}

async function removeNamespaces(record: LabEntry["record"], machine: Machine): Promise<void> {
  const fixed = new Set(record.namespaces);
  const ours = machine
    .listNetns()
    .filter((name) => fixed.has(name) || isPodNetns(record.name, name))
    .filter((name) => isMade(machine, name, record.mark));
  const files = ours.map((name) => path.join("/run/netns", name));
  // Somebody's shell or server in a namespace would keep it alive, without a name.
  await endAll(() => processesInNetns(files));
  await Promise.all(ours.map((name) => machine.removeNetns(name)));
}

/** Returns whether the lab made a namespace: what it only meant to make may be somebody else's. */
function isMade(machine: Machine, name: string, mark: string | undefined): boolean {
  if (mark === undefined) return true;
  try {
    const kernel = machine.open({ name });
    try {
      return kernel.links.get("lo")?.alias === mark;
    } finally {
      kernel.close();
    }
  } catch (error) {
    // A name without a namespace, left by a lab that was killed in the middle of making it; or gone already.
    if (isError(error, "kernel.no-netns")) return true;
    if (isError(error, "kernel.refused") && error.data.errno === "EINVAL") return true;
    throw error;
  }
}

/** Kills what `find` finds until it finds nothing more: a process may start another one while it is looked for. */
async function endAll(find: () => ReturnType<typeof processesInNetns>): Promise<void> {
  const end = performance.now() + GRACE_MS;
  for (;;) {
    const found = find();
    if (found.length === 0 || performance.now() > end) return;
    for (const one of found) signalProcess(one, "SIGKILL");
    while (found.some(isRunning) && performance.now() < end) await sleep(10);
  }
}
