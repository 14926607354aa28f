// Provider `vlan` with real 802.1Q, in a virtual machine with a kernel that has it: runs test/kernel/vlan.test.ts there.
import path from "node:path";
import { expect, it } from "vitest";
import { run } from "../../src/kernel/exec/index.ts";

const MINUTES_15 = 900_000;

it(
  "pods of a subnet are on its VLAN, reached by their own addresses, and on no other VLAN",
  async () => {
    const tests = [
      "vitest",
      "run",
      "--project",
      "kernel",
      "test/kernel/vlan.test.ts",
      "--reporter",
      "verbose",
    ];
    const { code, stdout, stderr } = await run("bash", ["scripts/vm/run.sh", ...tests], {
      cwd: path.resolve(import.meta.dirname, "../.."),
      codes: "any",
      timeoutMs: MINUTES_15,
    });
    expect(`${code} ${stdout}${stderr}`).toMatch(/^0 /);
    expect(stdout).toContain("are on that VLAN and on no other");
  },
  MINUTES_15,
);
