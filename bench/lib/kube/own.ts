// A bench's own cluster (scripts/cluster): in namespaces of its own and with a state folder of its own, it meets neither another
// one of this machine nor what a user has left standing. Whatever becomes of the bench, nothing of it is left.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inPrivate, isPrivate, privately } from "../private.ts";

const scripts = path.resolve(import.meta.dirname, "../../../scripts");
const state = "TRUNKLINE_KUBE_STATE";

/**
 * Returns false in the private namespaces, where TRUNKLINE_KUBE_STATE names the cluster's folder. Elsewhere this process is
 * started anew in them; returns true when that has ended and what it left is gone.
 */
export async function ranWithOwnCluster(): Promise<boolean> {
  if (isPrivate) return false;
  const folder = mkdtempSync(path.join(tmpdir(), "tlk-"));
  process.env[state] = folder;
  try {
    await ended("bash", [path.join(scripts, "kube"), "image"]);
    process.exitCode = await ended(...privately([process.execPath, ...process.argv.slice(1)]), inPrivate);
  } finally {
    // In an empty network: a cluster that stands in this one has the same names.
    const down = [process.execPath, path.join(scripts, "cluster/main.ts"), "down"];
    if (existsSync(folder)) await ended("unshare", ["--net", ...down]);
    rmSync(folder, { recursive: true, force: true });
  }
  return true;
}

/** Runs a program to its end, also where this one is told to end: then it is told so, too. Returns its exit code. */
async function ended(command: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...env } });
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, pass);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (code) => resolve(code ?? 1));
    });
  } finally {
    for (const signal of signals) process.off(signal, pass);
  }
}
