// Runs a script in a virtual machine, and takes apart what it printed.
import path from "node:path";
import { run } from "../../src/kernel/exec/index.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** How long a script may take in a machine that is emulated, in milliseconds. */
export const SCRIPT_MS = 1_500_000;

/**
 * Returns what a script of this folder printed, by its sections (`== NAME`).
 * @param kernel words for the kernel's command line
 * @throws Error where it did not end well, or without a section `end`
 */
export async function sectionsOf(script: string, kernel?: string): Promise<ReadonlyMap<string, string>> {
  const { code, stdout, stderr } = await run("bash", ["scripts/vm/run.sh", "bash", `test/vm/${script}`], {
    cwd: root,
    ...(kernel !== undefined && { env: { TRUNKLINE_VM_KERNEL: kernel } }),
    codes: "any",
    timeoutMs: SCRIPT_MS,
  });
  const parts = stdout.split(/^== /m).slice(1);
  const sections = new Map(
    parts.map((part) => {
      const end = part.indexOf("\n");
      return [part.slice(0, end), part.slice(end + 1)] as const;
    }),
  );
  if (code !== 0 || !sections.has("end"))
    throw new Error(`the machine ended with ${code}: ${stderr}${stdout}`);
  return sections;
}
