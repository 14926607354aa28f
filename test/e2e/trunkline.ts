// The executable as users run it, for tests: a folder of labs of the test's own, and names that nobody else uses.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "../../src/kernel/exec/index.ts";
import { type LabEntry, type LabRecord, labPaths } from "../../src/lab/life/state.ts";

const root = path.resolve(import.meta.dirname, "../..");
export const executable = path.join(root, "bin/trunkline");

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let used = 0;

export class Commands {
  /** Short, as sockets lie in it. */
  readonly folder = mkdtempSync("/tmp/tl-e2e-");
  readonly lab = `e2e-${process.pid}-${used++}`;

  /** Writes a file into the test's folder; returns where it is. */
  readonly file = (name: string, text: string): string => {
    const full = path.join(this.folder, name);
    writeFileSync(full, text);
    return full;
  };

  /** Runs a command; whatever its exit code is, that is the answer. */
  async say(...words: string[]): Promise<Said> {
    return this.#run(words, {});
  }

  /** Runs a command about the lab that has to succeed; returns what it printed. */
  async ask(...words: string[]): Promise<string> {
    const end = words.includes("--") ? words.indexOf("--") : words.length;
    const all = [...words.slice(0, end), "--lab", this.lab, ...words.slice(end)];
    const { code, stdout, stderr } = await this.say(...all);
    if (code !== 0) throw new Error(`trunkline ${words.join(" ")} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  async json<T>(...words: string[]): Promise<T> {
    return JSON.parse(await this.ask(...words, "-o", "json")) as T;
  }

  async up(example: string, ...words: string[]): Promise<void> {
    await this.upWith({}, example, ...words);
  }

  /** As `up`, with more in the environment of the lab's processes. */
  async upWith(env: Readonly<Record<string, string>>, example: string, ...words: string[]): Promise<void> {
    const all = ["lab", "up", example, "-d", "--name", this.lab, ...words];
    const { code, stderr } = await this.#run(all, env);
    if (code !== 0) throw new Error(`the lab did not start: ${stderr}`);
  }

  #run(words: readonly string[], more: Readonly<Record<string, string>>): Promise<Said> {
    const env = { TRUNKLINE_LABS: path.join(this.folder, "labs"), ...more };
    return run(executable, words, { env, cwd: root, codes: "any", timeoutMs: 200_000 });
  }

  /** Where the lab keeps its store and its door, for tests that go past the executable. */
  entry(): LabEntry {
    return this.entryOf(this.lab);
  }

  entryOf(lab: string): LabEntry {
    const paths = labPaths(lab, path.join(this.folder, "labs"));
    return { paths, record: JSON.parse(readFileSync(paths.record, "utf8")) as LabRecord, running: true };
  }

  /** Ends the lab, however the test went. */
  async end(): Promise<void> {
    await this.say("lab", "down", "--all");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What of this machine a lab must not touch: links, addresses, routes, rules, namespaces, and processes of labs. */
export function machineState(lab: string): string {
  const commands = [
    ["ip", "-o", "link"],
    ["ip", "-o", "address"],
    ["ip", "route", "show", "table", "all"],
    ["ip", "-6", "route", "show", "table", "all"],
    ["ip", "rule"],
    ["nft", "list", "ruleset"],
  ];
  const texts = commands.map(
    ([command = "", ...args]) => spawnSync(command, args, { encoding: "utf8" }).stdout,
  );
  const netns = spawnSync("ip", ["netns"], { encoding: "utf8" }).stdout.split("\n");
  const processes = spawnSync("ps", ["-eo", "args"], { encoding: "utf8" }).stdout.split("\n");
  return [
    // How long an address stays valid counts down.
    ...texts.map((text) => text.replaceAll(/(valid|preferred)_lft \d+sec/g, "")),
    ...netns.filter((line) => line.includes(lab)),
    ...processes.filter((line) => line.includes(lab)),
  ].join("\n");
}
