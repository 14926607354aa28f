// The routing daemons as Debian installs them, and their own check of a configuration.
import { rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { TrunklineError } from "../../base/errors.ts";
import { isMissingCommand, run } from "../../kernel/exec/index.ts";

export const FRR_FOLDER = "/usr/lib/frr";
const PACKAGES = { bird: "bird2", frr: "frr" } as const;
export type DaemonType = keyof typeof PACKAGES;

/** Daemons lie where an ordinary user's PATH may not lead. */
export function daemonEnvironment(): { PATH: string } {
  return { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin` };
}

/**
 * Has the daemon itself read a configuration. Returns what it finds wrong with it, in its own words; undefined if
 * nothing. `name` is what its words call the text.
 * @throws TrunklineError `lab.router-package` where the daemon is not installed
 */
export async function daemonRefusal(
  type: DaemonType,
  text: string,
  name: string,
): Promise<string | undefined> {
  const folder = await mkdtemp(path.join(tmpdir(), "trunkline-router-"));
  try {
    const file = path.join(folder, "configuration");
    writeFileSync(file, text, { mode: 0o600 });
    const [command, ...args] = type === "bird" ? ["bird", "-p", "-c", file] : ["vtysh", "-C", "-f", file];
    const { code, stdout, stderr } = await run(command ?? "", args, {
      codes: "any",
      env: daemonEnvironment(),
    });
    if (code === 0) return undefined;
    const said = `${stdout}\n${stderr}`.replaceAll(file, name).trim();
    return said.replaceAll(/\s*\n\s*/g, "; ") || `it ends with exit code ${code}`;
  } catch (error) {
    if (!isMissingCommand(error)) throw error;
    throw new TrunklineError(
      "lab.router-package",
      { daemon: type, package: PACKAGES[type] },
      { cause: error },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
