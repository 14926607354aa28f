// What a runtime may name as a pod's namespace: whatever it is, the answer comes at once.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run } from "../../src/kernel/exec/index.ts";
import { linuxMachine } from "../../src/kernel/index.ts";

const machine = linuxMachine();
let folder: string;
let server: Server;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-netns-"));
  await run("mkfifo", [path.join(folder, "fifo")]);
  mkdirSync(path.join(folder, "folder"));
  writeFileSync(path.join(folder, "file"), "");
  symlinkSync("/nowhere", path.join(folder, "dangling"));
  symlinkSync("loop", path.join(folder, "loop"));
  symlinkSync(path.join(folder, "fifo"), path.join(folder, "to-fifo"));
  server = createServer().listen(path.join(folder, "socket"));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

it.each([
  ["a FIFO", "fifo", "EINVAL"],
  ["a link to a FIFO", "to-fifo", "EINVAL"],
  ["a folder", "folder", "EINVAL"],
  ["a file", "file", "EINVAL"],
  ["a socket", "socket", "EINVAL"],
  ["a device that would answer for ever", "/dev/zero", "EINVAL"],
  ["a terminal", "/dev/ptmx", "EINVAL"],
  ["a namespace of another kind", "/proc/self/ns/mnt", "EINVAL"],
  ["nothing", "nothing", "ENOENT"],
  ["a link to nothing", "dangling", "ENOENT"],
  ["a link to itself", "loop", "ELOOP"],
  ["below a file", "file/below", "ENOTDIR"],
])("%s is no network namespace", (_what, name, errno) => {
  const refused = expect.objectContaining({
    code: "kernel.no-netns",
    data: { netns: path.resolve(folder, name), errno },
  });
  expect(() => machine.identityOf({ path: path.resolve(folder, name) })).toThrow(refused);
  expect(() => machine.open({ path: path.resolve(folder, name) })).toThrow(refused);
});

it("a process's namespace is one", () => {
  expect(machine.identityOf({ path: "/proc/self/ns/net" })).toBe(machine.identityOf("self"));
});
