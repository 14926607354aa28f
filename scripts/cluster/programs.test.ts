import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const main = path.join(import.meta.dirname, "main.ts");
let state = "";
const started: number[] = [];

beforeEach(() => {
  state = mkdtempSync("/tmp/tlk-programs-");
  mkdirSync(path.join(state, "words"));
});
afterEach(() => {
  for (const pid of started.splice(0)) end(pid);
  rmSync(state, { recursive: true, force: true });
});

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

const start = (name: string) =>
  spawnSync(process.execPath, [main, "start", name], {
    encoding: "utf8",
    env: { ...process.env, TRUNKLINE_KUBE_STATE: state },
  });

/** The process that a pid file tells of. */
function pidOf(name: string): number {
  const pid = Number(readFileSync(path.join(state, "pids", name), "utf8").split(" ")[0]);
  started.push(pid);
  return pid;
}

it("a program that was killed is started again as it was, and one that runs is left alone", async () => {
  const words = { command: "sleep", args: ["3600"], folders: [] };
  writeFileSync(path.join(state, "words/waiter"), JSON.stringify(words));
  expect(start("waiter")).toMatchObject({ status: 0, stderr: "" });
  const first = pidOf("waiter");
  expect(start("waiter").status).toBe(0);
  expect(pidOf("waiter")).toBe(first);
  end(first);
  // Its parent, which has ended before it, is not who waits for it.
  await expect.poll(() => stateOf(first), { timeout: 10_000 }).toMatch(/^(Z|)$/);
  expect(start("waiter").status).toBe(0);
  const second = pidOf("waiter");
  expect(second).not.toBe(first);
  expect(readFileSync(`/proc/${second}/cmdline`, "utf8").split("\0")).toEqual(["sleep", "3600", ""]);
}, 120_000);

/** A letter of ps; nothing for a process that is gone. */
function stateOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.slice(0, 1) ?? "";
  } catch {
    return "";
  }
}

it("a program that the cluster does not have is refused by name, also where it is a path", () => {
  for (const name of ["nobody", "../words/waiter", ""]) {
    const { status, stderr } = start(name);
    expect(status).toBe(1);
    expect(stderr).toContain(`the cluster has no program ${name}`);
  }
}, 120_000);
