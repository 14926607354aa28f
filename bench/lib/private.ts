// A bench that makes links and namespaces runs in a network and mount namespace of its own: the machine's are not
// touched, and all is gone with the process.
import { spawnSync } from "node:child_process";

const mark = "TRUNKLINE_BENCH_PRIVATE";

/** Whether this process is in the private namespaces: by these variables of its environment. */
export const isPrivate = process.env[mark] === "1";
export const inPrivate = { [mark]: "1" };

/** Returns the program, and its arguments, that runs a command in private namespaces. */
export function privately(command: readonly string[]): readonly [program: string, args: readonly string[]] {
  if (process.geteuid?.() !== 0) throw new Error("this bench needs root");
  const inside = 'mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up && exec "$@"';
  return ["unshare", ["-n", "-m", "--propagation", "private", "--", "sh", "-c", inside, "sh", ...command]];
}

/** Returns false in the private namespaces; elsewhere starts this process anew in them and returns true at its end. */
export function ranInPrivate(): boolean {
  if (isPrivate) return false;
  const [program, args] = privately([process.execPath, ...process.argv.slice(1)]);
  const done = spawnSync(program, args, { stdio: "inherit", env: { ...process.env, ...inPrivate } });
  process.exitCode = done.status ?? 1;
  return true;
}
