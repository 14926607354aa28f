import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "../../base/log.ts";
import { queueFile } from "../../cni/shim/shim.ts";
import { run } from "../../kernel/exec/index.ts";
import { DelQueue } from "./del-queue.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-queue-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function request(containerId: string, ifName: string, command = "DEL"): string {
  const rest = { netns: "", args: "K8S_POD_NAMESPACE=x;K8S_POD_NAME=p", path: "/", config: "{}" };
  return JSON.stringify({ version: 1, command, containerId, ifName, ...rest });
}
const put = (containerId: string, ifName: string) =>
  writeFileSync(path.join(folder, queueFile(containerId, ifName)), request(containerId, ifName));
async function drained(queue: DelQueue, fails: ReadonlySet<string> = new Set()): Promise<string[]> {
  const done: string[] = [];
  await queue.drain(async ({ containerId, ifName }) => {
    if (fails.has(containerId)) throw new Error("cannot");
    done.push(`${containerId} ${ifName}`);
  });
  return done.toSorted();
}

describe("DelQueue", () => {
  it("carries out every DEL, and keeps those that fail for the next time", async () => {
    for (const name of ["a.b", "a", "c"]) put(name, name === "a" ? "b.c" : "c");
    const queue = new DelQueue(folder, silent);
    expect(await drained(queue, new Set(["a"]))).toEqual(["a.b c", "c c"]);
    expect(await drained(queue)).toEqual(["a b.c"]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("passes over what is no request, puts it aside, and carries out the others", async () => {
    mkdirSync(path.join(folder, "a-folder.json"));
    await run("mkfifo", [path.join(folder, "b-fifo.json")]);
    symlinkSync("/nowhere", path.join(folder, "c-link.json"));
    writeFileSync(path.join(folder, "d-empty.json"), "");
    writeFileSync(path.join(folder, "e-null.json"), "null");
    writeFileSync(path.join(folder, "f-add.json"), request("f", "eth0", "ADD"));
    writeFileSync(path.join(folder, "g-zeros.json"), Buffer.alloc(5 << 20));
    put("z", "eth0");
    const queue = new DelQueue(folder, silent);
    expect(await drained(queue)).toEqual(["z eth0"]);
    const left = readdirSync(folder);
    expect(left).toHaveLength(7);
    for (const name of left) expect(name).toMatch(/\.json\.unreadable$/);
    expect(await drained(queue)).toEqual([]);
  });

  it("does without a folder that cannot be made", async () => {
    writeFileSync(path.join(folder, "file"), "");
    const queue = new DelQueue(path.join(folder, "file", "below"), silent);
    expect(await drained(queue)).toEqual([]);
    queue.forget("a", "b");
  });

  it("forgets the DEL of an attachment that is added again, and no other one", async () => {
    put("a", "b.c");
    put("a.b", "c");
    // As executables of before named it: the name alone does not tell whose it is.
    const old = path.join(folder, "a.b.c.json");
    writeFileSync(old, request("a.b", "c"));
    const queue = new DelQueue(folder, silent);
    queue.forget("a", "b.c");
    expect(readdirSync(folder).toSorted()).toEqual(["a.b.c.json", queueFile("a.b", "c")].toSorted());
    queue.forget("a.b", "c");
    expect(existsSync(old)).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });
});
