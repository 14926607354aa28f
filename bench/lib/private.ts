// A bench that makes links and namespaces runs in a network and mount namespace of its own: the machine's are not
// touched, and all is gone with the process.
import { spawnSync } from "node:child_process";

const mark = "TRUNKLINE_BENCH_PRIVATE";

/** Returns false in the private namespaces; elsewhere starts this process anew in them and returns true at its end. */
export function ranInPrivate(): boolean {
  if (process.env[mark] === "1") return false;
  if (process.geteuid?.() !== 0) throw new Error("this bench needs root");
  const inside = 'mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up && exec "$@"';
  const done = spawnSync(
    "unshare",
    [
      "-n",
      "-m",
      "--propagation",
      "private",
      "--",
      "sh",
      "-c",
      inside,
      "sh",
      process.execPath,
      ...process.argv.slice(1),
    ],
    { stdio: "inherit", env: { ...process.env, [mark]: "1" } },
  );
  process.exitCode = done.status ?? 1;
  return true;
}
