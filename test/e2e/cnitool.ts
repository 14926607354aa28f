// cnitool, the CNI project's own runtime, built once from the Go module proxy and kept in the user's cache.
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { isMissingCommand, run } from "../../src/kernel/exec/index.ts";

const version = "v1.3.0";

/** Returns the executable's path, or why there is none on this machine. */
export async function cnitool(): Promise<{ path: string } | { missing: string }> {
  const cache = process.env["XDG_CACHE_HOME"] || path.join(homedir(), ".cache");
  const folder = path.join(cache, "trunkline", `cnitool-${version}`);
  const executable = path.join(folder, "cnitool");
  if (existsSync(executable)) return { path: executable };
  mkdirSync(folder, { recursive: true });
  try {
    await run("go", ["install", `github.com/containernetworking/cni/cnitool@${version}`], {
      env: { GOBIN: folder, GOFLAGS: "-mod=mod" },
      timeoutMs: 120_000,
    });
    return { path: executable };
  } catch (error) {
    if (isMissingCommand(error)) return { missing: "Go is not installed, and cnitool is not in the cache" };
    return { missing: `cnitool cannot be built: ${String(error)}` };
  }
}
