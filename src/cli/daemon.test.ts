import path from "node:path";
import { expect, it } from "vitest";
import { run } from "../kernel/exec/index.ts";

/** Runs a program that has the daemons' handler, in a process of its own. */
async function ended(program: string): Promise<{ code: unknown; lines: unknown[]; stderr: string }> {
  const from = (file: string) => JSON.stringify(path.join(import.meta.dirname, file));
  const text = `import { endOnBug } from ${from("daemon.ts")};
    import { jsonLogger } from ${from("json-logger.ts")};
    import { TrunklineError } from ${from("../base/errors.ts")};
    endOnBug(jsonLogger("info", { component: "agent", node: "n1" }));
    setInterval(() => {}, 1000);
    ${program}`;
  const { code, stdout, stderr } = await run(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", text],
    { codes: "any" },
  );
  const lines = stdout.split("\n").flatMap((line) => (line === "" ? [] : (JSON.parse(line) as unknown)));
  return { code, lines, stderr };
}

it.each([
  [
    "thrown in a later turn",
    `setTimeout(() => { throw new Error("no\\nbody"); }, 1);`,
    "uncaughtException",
    undefined,
  ],
  [
    "of a promise that nobody waits for",
    `Promise.reject(new Error("no\\nbody"));`,
    "unhandledRejection",
    undefined,
  ],
  [
    "with a code",
    `Promise.reject(new TrunklineError("store.closed", { place: "x" }));`,
    "unhandledRejection",
    "store.closed",
  ],
  ["that is none", "Promise.reject(undefined);", "unhandledRejection", undefined],
])("an error %s is the daemon's last line, and its end", async (_, program, origin, code) => {
  const { lines, stderr, ...end } = await ended(program);
  expect(end).toEqual({ code: 1 });
  expect(stderr).toBe("");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ level: "error", component: "agent", node: "n1", origin });
  expect((lines[0] as { code?: string }).code).toBe(code);
});
