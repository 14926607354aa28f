import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isMissingCommand, runSmall } from "./index.ts";

const SHELL = "/bin/sh";
const script = (text: string, ...args: string[]) => ["-c", text, "sh", ...args];

describe("a small program run from a large process", () => {
  it("is handed arguments, input and variables as they are, and what it prints is returned", async () => {
    const args = script('cat; echo "$1-$A-$HOME-$LC_ALL" >&2', "a b; $(c)");
    const options = { input: "hello\n", env: { A: "1", HOME: undefined } };
    expect(await runSmall(SHELL, args, options)).toEqual({
      code: 0,
      stdout: "hello\n",
      stderr: "a b; $(c)-1--C\n",
    });
  });

  it("takes input and gives output of any size", async () => {
    const input = "x".repeat(300_000);
    expect((await runSmall("/bin/cat", [], { input })).stdout).toBe(input);
    const { stdout } = await runSmall(SHELL, script("head -c 300000 /dev/zero | tr '\\0' y"), {});
    expect(stdout).toBe("y".repeat(300_000));
  });

  it("fails with the exit code or the signal, and takes codes as results where asked to", async () => {
    await expect(runSmall(SHELL, script("echo no >&2; exit 3"), {})).rejects.toMatchObject({
      code: "kernel.command",
      data: { code: 3, signal: undefined, stderr: "no" },
    });
    await expect(runSmall(SHELL, script("kill -TERM $$"), { codes: "any" })).rejects.toMatchObject({
      data: { code: undefined, signal: "SIGTERM" },
    });
    expect(await runSmall(SHELL, script("exit 3"), { codes: "any" })).toMatchObject({ code: 3 });
  });

  it("tells a program that is not there, and one that nobody may start", async () => {
    for (const file of ["/trunkline-no-such-program", "/etc/passwd"]) {
      const error: unknown = await runSmall(file, [], {}).catch((thrown: unknown) => thrown);
      expect(isMissingCommand(error)).toBe(true);
    }
  });

  it("kills what takes too long, also where it has closed its output", async () => {
    for (const text of ["exec sleep 30", "exec sleep 30 >&- 2>&-"])
      await expect(runSmall(SHELL, script(text), { timeoutMs: 50 })).rejects.toMatchObject({
        code: "kernel.command-timeout",
      });
  });

  it("does not mind a program that leaves its input unread", async () => {
    expect(await runSmall("/bin/true", [], { input: "x".repeat(60_000) })).toMatchObject({ code: 0 });
  });

  it("leaves the child no signal that this process ignores, and keeps nothing of many", async () => {
    const { stdout } = await runSmall(SHELL, script("grep SigIgn /proc/self/status"), {});
    expect(stdout.trim()).toMatch(/^SigIgn:\s+0+$/);
    const open = () => readdirSync("/proc/self/fd").length;
    const before = open();
    await Promise.all(Array.from({ length: 40 }, () => runSmall("/bin/true", [], {})));
    expect(open()).toBeLessThan(before + 10);
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
    const dead = children.filter(
      (pid) => pid !== "" && / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8")),
    );
    expect(dead).toEqual([]);
  });
});
