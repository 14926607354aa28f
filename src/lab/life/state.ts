// Where labs keep their state, and which of them run. Every command finds a lab through here, so this module loads
// nothing heavy.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { TrunklineError } from "../../base/errors.ts";
import type { Ground } from "../../explain/ground/ground.ts";
import { isRunning, type ProcessIdentity } from "../../kernel/process.ts";

/** One namespace of a lab that people may name: a node, router or host. */
export interface LabMember {
  readonly name: string;
  readonly role: "node" | "router" | "host";
  /** The network namespace's name below /run/netns. */
  readonly netns: string;
  readonly addresses: readonly string[];
}

/** What `lab.json` says. */
export interface LabRecord {
  readonly name: string;
  readonly process: ProcessIdentity;
  /** The lab file that it was started from. */
  readonly file: string;
  /** False while it is being built or torn down. */
  readonly ready: boolean;
  /** It lives in a user, network and mount namespace of its own: enter that of `process` first. */
  readonly rootless: boolean;
  readonly separate: boolean;
  /** The least releaseAfter that `apply` takes, in milliseconds. */
  readonly minReleaseAfter?: number;
  /** What of its routing did not stand when it was said to be up, worded; only where something did not. */
  readonly missing?: readonly string[];
  /** RFC 3339 */
  readonly startedAt: string;
  readonly members: readonly LabMember[];
  /**
   * What each of its namespaces, pods' too, is marked with, so that nobody else's is ever taken for one: the lab's name may
   * be another lab's, too, under another folder of state. Records of earlier versions have none.
   */
  readonly mark?: string;
  /** Every namespace except those of pods. Written before the first of them is made, so that none can leak. */
  readonly namespaces: readonly string[];
  /** Everything of its network but pods: who asks the plans needs no look at a kernel. */
  readonly ground: Ground;
}

export interface LabPaths {
  readonly folder: string;
  readonly record: string;
  /** The record of a lab that was ended and kept: what it leaves goes on with the next `lab up`. */
  readonly kept: string;
  readonly store: string;
  /** How far its clock is ahead of the machine's. */
  readonly clock: string;
  readonly control: string;
  readonly log: string;
  /** Folder of the nodes' own folders. */
  readonly nodes: string;
}

export interface LabEntry {
  readonly record: LabRecord;
  readonly paths: LabPaths;
  /** Its process lives. A lab that is not running left something behind: `lab down NAME` clears it away. */
  readonly running: boolean;
}

/** Returns the folder of all labs: $TRUNKLINE_LABS, /run/trunkline/labs for root, else below the user's state folder. */
export function labsFolder(): string {
  const chosen = process.env["TRUNKLINE_LABS"];
  if (chosen) return path.resolve(chosen);
  if (process.geteuid?.() === 0) return "/run/trunkline/labs";
  const state = process.env["XDG_STATE_HOME"] || path.join(homedir(), ".local/state");
  return path.join(state, "trunkline/labs");
}

/** Returns where a lab keeps what; `labs` is the folder of all labs. */
export function labPaths(name: string, labs = labsFolder()): LabPaths {
  const folder = path.join(labs, name);
  return {
    folder,
    record: path.join(folder, "lab.json"),
    kept: path.join(folder, "kept.json"),
    store: path.join(folder, "store.db"),
    clock: path.join(folder, "clock.json"),
    control: path.join(folder, "control.sock"),
    log: path.join(folder, "lab.log"),
    nodes: path.join(folder, "nodes"),
  };
}

/** A node's own folder and what lies in it. */
export function nodePaths(lab: LabPaths, node: string) {
  const folder = path.join(lab.nodes, node);
  return {
    folder,
    agentSocket: path.join(folder, "agent.sock"),
    healthSocket: path.join(folder, "health.sock"),
    cniConf: path.join(folder, "net.d"),
    cniBin: path.join(folder, "cni-bin"),
    cniQueue: path.join(folder, "cni-queue"),
    log: path.join(folder, "agent.log"),
    /** The control socket of the node's BIRD, which its agent starts. */
    birdControl: path.join(folder, "bird", "bird.ctl"),
  };
}

/** Returns every lab that has a record, by name; those whose process is dead too. */
export function listLabs(): LabEntry[] {
  return namesIn(labsFolder()).flatMap((name) => readLab(name) ?? []);
}

/** Returns the labs that were ended and kept, by name. */
export function listKept(): LabRecord[] {
  return namesIn(labsFolder()).flatMap((name) => {
    const { record, kept } = labPaths(name);
    const text = readIfThere(record) === undefined ? readIfThere(kept) : undefined;
    return text === undefined ? [] : (JSON.parse(text) as LabRecord);
  });
}

/** Returns whether something is kept of a lab of that name. */
export function isKept(name: string): boolean {
  return existsSync(labPaths(name).kept);
}

/** Returns the lab of that name, or undefined. */
export function readLab(name: string): LabEntry | undefined {
  const paths = labPaths(name);
  const text = readIfThere(paths.record);
  if (text === undefined) return undefined;
  const record = JSON.parse(text) as LabRecord;
  return { record, paths, running: isRunning(record.process) };
}

/**
 * Returns the running lab of that name, or the only one that runs.
 * @throws TrunklineError `lab.unknown`, `lab.dead`, `lab.none`, `lab.several`
 */
export function findLab(name?: string): LabEntry {
  const labs = listLabs();
  const running = labs.filter((lab) => lab.running);
  if (name !== undefined) {
    const found = labs.find((lab) => lab.record.name === name);
    if (!found) throw new TrunklineError("lab.unknown", { name, known: labs.map((lab) => lab.record.name) });
    if (!found.running) throw new TrunklineError("lab.dead", { name });
    return found;
  }
  const [only, second] = running;
  if (!only) throw new TrunklineError("lab.none", { dead: labs.map((lab) => lab.record.name) });
  if (second) throw new TrunklineError("lab.several", { names: running.map((lab) => lab.record.name) });
  return only;
}

/** Writes lab.json in one step, so that no reader ever sees half of it. */
export function writeLab(record: LabRecord): void {
  const paths = labPaths(record.name);
  mkdirSync(paths.folder, { recursive: true, mode: 0o700 });
  const fresh = `${paths.record}.${process.pid}`;
  writeFileSync(fresh, `${JSON.stringify(record, undefined, 1)}\n`, { mode: 0o600 });
  renameSync(fresh, paths.record);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
