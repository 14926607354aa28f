// What this machine must have for an agent or a lab, looked at without changing anything.
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { guardSettings } from "../../agent/managers/policy/guard-settings.ts";
import { shimPath } from "../../agent/shim-path.ts";
import { textOf } from "../../base/errors.ts";
import type { Diagnosis } from "../../explain/doctor/diagnose.ts";
import { isMissingCommand, run } from "../../kernel/exec/index.ts";
import { type Kernel, linuxMachine } from "../../kernel/index.ts";

const portmapPlugin = "/usr/lib/cni/portmap";

/** Returns what this machine lacks; nothing where all is there. */
export async function checkMachine(): Promise<Diagnosis[]> {
  const found: Diagnosis[] = [];
  const machine = (severity: Diagnosis["severity"], code: string, message: string): void => {
    found.push({ code, severity, object: "Machine/this", message });
  };
  if (!executable(shimPath()))
    machine(
      "error",
      "machine.no-plugin",
      "the CNI executable is not built: run 'npm run build' in the checkout",
    );
  if (!existsSync(portmapPlugin))
    machine("warning", "machine.no-chained-plugin", `${portmapPlugin} is missing, so pods get no host ports`);
  found.push(...(await checkKernel()));
  try {
    const { stdout } = await run("nft", ["--version"]);
    if (!/v(1\.(0\.[1-9]|[1-9])|[2-9])/.test(stdout))
      machine("warning", "machine.old-nft", `nft is ${stdout.trim()}; 1.0.1 or newer is wanted`);
  } catch (error) {
    if (!isMissingCommand(error)) throw error;
    machine("warning", "machine.no-nft", "the nft command is missing (package nftables)");
  }
  return found;
}

async function checkKernel(): Promise<Diagnosis[]> {
  try {
    const kernel = linuxMachine().open("self");
    try {
      kernel.links.list();
      // An ordinary user may not look at the machine's tables, and the library says so past everybody, on stderr; a
      // lab's own namespaces are theirs all the same.
      if (process.geteuid?.() === 0) await kernel.nft.list("list tables");
      return looseReversePath(kernel);
    } finally {
      kernel.close();
    }
  } catch (error) {
    return [{ code: "machine.kernel", severity: "error", object: "Machine/this", message: textOf(error) }];
  }
}

/** Slower, not weaker: the agent then asks a rule for every packet that a pod sends. */
function looseReversePath(kernel: Kernel): Diagnosis[] {
  if (guardSettings(kernel).reversePath) return [];
  const message =
    "net.ipv4.conf.all.rp_filter is 2, so each packet from a pod costs one more rule; with 0 or 1 the kernel checks pods' addresses by itself";
  return [{ code: "machine.loose-reverse-path", severity: "warning", object: "Machine/this", message }];
}

/** Returns the kernel's release, for the heading. */
export function kernelRelease(): string {
  return readFileSync("/proc/sys/kernel/osrelease", "utf8").trim();
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (["ENOENT", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}
