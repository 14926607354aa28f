import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isMissingCommand, run, startDaemon } from "./index.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-exec-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("run", () => {
  it("hands over arguments and input as they are, and returns what is printed", async () => {
    const { stdout, stderr, code } = await run("sh", ["-c", 'cat; echo "$1" >&2', "sh", "a b; $(c)"], {
      input: "hello\n",
    });
    expect({ stdout, stderr, code }).toEqual({ stdout: "hello\n", stderr: "a b; $(c)\n", code: 0 });
  });

  it("fails with the exit code and what stood on standard error", async () => {
    const failing = run("sh", ["-c", "echo no such pool >&2; exit 3"]);
    await expect(failing).rejects.toMatchObject({
      code: "kernel.command",
      data: { code: 3, signal: undefined, stderr: "no such pool" },
    });
    await expect(failing).rejects.toThrow("failed with exit code 3: no such pool");
  });

  it("takes exit codes as results where asked to", async () => {
    expect(await run("sh", ["-c", "exit 3"], { codes: [0, 3] })).toMatchObject({ code: 3 });
    expect(await run("sh", ["-c", "exit 4"], { codes: "any" })).toMatchObject({ code: 4 });
    await expect(run("sh", ["-c", "exit 4"], { codes: [0, 3] })).rejects.toMatchObject({ data: { code: 4 } });
  });

  it("tells a program that is not there from one that fails", async () => {
    const error: unknown = await run("trunkline-no-such-program").catch((thrown: unknown) => thrown);
    expect(isMissingCommand(error)).toBe(true);
    const failed: unknown = await run("false").catch((thrown: unknown) => thrown);
    expect(isMissingCommand(failed)).toBe(false);
  });

  it("kills what takes too long", async () => {
    await expect(run("sleep", ["30"], { timeoutMs: 20 })).rejects.toMatchObject({
      code: "kernel.command-timeout",
    });
  });

  it("kills what is aborted, and does not start what is aborted already", async () => {
    const abort = new AbortController();
    const running = run("sleep", ["30"], {
      signal: abort.signal,
      onStart: () => abort.abort(new TypeError("enough")),
    });
    await expect(running).rejects.toThrow("enough");
    await expect(run("touch", [path.join(folder, "x")], { signal: abort.signal })).rejects.toThrow("enough");
    expect(() => readFileSync(path.join(folder, "x"))).toThrow("ENOENT");
  });

  it("does not mind a program that leaves its input unread", async () => {
    expect((await run("true", [], { input: "x".repeat(1_000_000) })).code).toBe(0);
  });

  it("sets and takes away variables, and asks for messages in English", async () => {
    const { stdout } = await run("sh", ["-c", 'echo "$A-$HOME-$LC_ALL"'], {
      env: { A: "1", HOME: undefined },
    });
    expect(stdout).toBe("1--C\n");
  });
});

describe("startDaemon", () => {
  it("appends its output to a file, and ends when it is told to", async () => {
    const logFile = path.join(folder, "log");
    const daemon = await startDaemon("sh", ["-c", "echo started; exec sleep 30"], { logFile });
    expect(daemon.pid).toBeGreaterThan(0);
    while (readFileSync(logFile, "utf8") === "") await new Promise((resolve) => setTimeout(resolve, 2));
    expect(await daemon.stop()).toEqual({ code: undefined, signal: "SIGTERM" });
    expect(await daemon.exited).toEqual({ code: undefined, signal: "SIGTERM" });
    expect(daemon.signal("SIGTERM")).toBe(false);
    expect(readFileSync(logFile, "utf8")).toBe("started\n");
  });

  it("kills what does not listen", async () => {
    const logFile = path.join(folder, "log");
    const daemon = await startDaemon("sh", ["-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"], {
      logFile,
    });
    while (readFileSync(logFile, "utf8") === "") await new Promise((resolve) => setTimeout(resolve, 2));
    expect(await daemon.stop(20)).toMatchObject({ signal: "SIGKILL" });
  });

  it("says that a program is not there", async () => {
    await expect(startDaemon("trunkline-no-such-program")).rejects.toMatchObject({
      code: "kernel.command-missing",
    });
  });

  it("tells how it ended by itself", async () => {
    const daemon = await startDaemon("sh", ["-c", "exit 7"]);
    expect(await daemon.exited).toEqual({ code: 7, signal: undefined });
  });
});
