// Making and removing named namespaces, so that `ip netns` sees them and they see those of `ip netns`.
import { chmodSync, closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import path from "node:path";
import { TrunklineError } from "../../base/errors.ts";
import { inBackground } from "../ffi/background.ts";
import { Errno, errnoName, libc } from "../ffi/libc.ts";
import { checked, fileRefusal, refusal } from "../ffi/refusal.ts";
import { checkedName, inNewNetns, NETNS_FOLDER } from "./enter.ts";

const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 1 << 20;
const MNT_DETACH = 2;

/**
 * Makes a namespace, runs `inside` in it once (loopback up), and mounts it below /run/netns. Returns the path.
 * @throws `kernel.exists`, `kernel.name`, `kernel.permission`
 */
export function createNetns(name: string, inside: () => void): string {
  const file = path.join(NETNS_FOLDER, checkedName(name));
  try {
    ensureFolder();
    closeSync(openSync(file, "wx", 0o444));
  } catch (error) {
    throw fileRefusal(`make the network namespace '${name}'`, error);
  }
  try {
    inNewNetns(() => {
      inside();
      const mounted = libc().mount("/proc/thread-self/ns/net", file, "none", MS_BIND, null);
      checked(mounted, () => `mount the network namespace '${name}'`);
    });
  } catch (error) {
    // Nobody can have the name yet: a file that nothing is mounted on, or a namespace without a loopback.
    libc().umount2(file, MNT_DETACH);
    rmSync(file, { force: true });
    throw error;
  }
  return file;
}

/**
 * Takes a namespace's name away; it ends when nothing else holds it (a process, a descriptor). The unmount waits for
 * the kernel's RCU, so it runs on another thread. Succeeds if it is gone already.
 */
export async function removeNetns(name: string): Promise<void> {
  const file = path.join(NETNS_FOLDER, checkedName(name));
  const { errno } = await inBackground((done) => libc().umount2Async(file, MNT_DETACH, done));
  // EINVAL: a file that nothing is mounted on, left by a process that ended in the middle of making it.
  if (errno !== 0 && errno !== Errno.ENOENT && errno !== Errno.EINVAL) {
    throw refusal(`remove the network namespace '${name}'`, errno);
  }
  try {
    rmSync(file, { force: true });
  } catch (error) {
    // Mounted a second time since (somebody removed it and made it again): theirs stays.
    if ((error as NodeJS.ErrnoException).code === "EBUSY") return;
    throw fileRefusal(`remove the network namespace '${name}'`, error);
  }
}

let shared = false;

/**
 * The folder must be a mount point that passes mounts on, as ip-netns(8) makes it: else a namespace mounted here
 * would be copied into every private mount namespace made later, and its name could not be freed.
 */
function ensureFolder(): void {
  // Others' programs name namespaces there, too.
  if (mkdirSync(NETNS_FOLDER, { recursive: true }) !== undefined) chmodSync(NETNS_FOLDER, 0o755);
  if (shared) return;
  const share = (): number => libc().mount("", NETNS_FOLDER, "none", MS_SHARED | MS_REC, null);
  if (share() < 0) {
    if (libc().errno() !== Errno.EINVAL) throw folderRefused();
    if (libc().mount(NETNS_FOLDER, NETNS_FOLDER, "none", MS_BIND | MS_REC, null) < 0) throw folderRefused();
    if (share() < 0) throw folderRefused();
  }
  shared = true;
}

function folderRefused(): TrunklineError {
  const facts = {
    attempt: `share mounts below ${NETNS_FOLDER}`,
    errno: errnoName(libc().errno()),
    text: undefined,
  };
  return new TrunklineError("kernel.permission", facts);
}
