// Working in another network namespace. A namespace belongs to a thread, so the JavaScript thread enters one only
// within a synchronous function and always comes back before anything else can run.
import { closeSync, constants, fstatSync, openSync, readdirSync, statfsSync } from "node:fs";
import path from "node:path";
import { TrunklineError } from "../../base/errors.ts";
import { libc } from "../ffi/libc.ts";
import { checked } from "../ffi/refusal.ts";
import type { NetnsRef } from "../kernel.ts";

export const NETNS_FOLDER = "/run/netns";
const CLONE_NEWNET = 0x40000000;
/** linux/magic.h: the file system of namespaces' files. */
const NSFS_MAGIC = 0x6e736673;
/** linux/nsfs.h: which kind of namespace a descriptor is of. */
const NS_GET_NSTYPE = 0xb703;

/** Something is there that is no network namespace. */
const notNetns = Object.assign(new Error("not a network namespace"), { code: "EINVAL" });

/** The namespace that this thread is in by default; opened at first use and kept. */
let home: number | undefined;
let homeIdentity: string | undefined;
let current: number | undefined;

function homeFd(): number {
  home ??= openSync("/proc/thread-self/ns/net", "r");
  return home;
}

/**
 * Runs `body` with this thread in the namespace behind the descriptor, and returns its result. `body` must be
 * synchronous. The process ends at once if the way back fails: going on in the wrong namespace would be worse.
 * @throws what `body` throws, `kernel.permission`
 */
export function inNetns<T>(fd: number, body: () => T): T {
  return away(() => checked(libc().setns(fd, CLONE_NEWNET), () => "enter a network namespace"), fd, body);
}

/** Runs `body` with this thread in a namespace made for it, which lives on only if `body` mounts or opens it. */
export function inNewNetns<T>(body: () => T): T {
  return away(() => checked(libc().unshare(CLONE_NEWNET), () => "make a network namespace"), undefined, body);
}

function away<T>(go: () => void, fd: number | undefined, body: () => T): T {
  const before = current ?? homeFd();
  const previous = current;
  go();
  current = fd;
  try {
    return body();
  } finally {
    if (libc().setns(before, CLONE_NEWNET) < 0) process.abort();
    current = previous;
  }
}

/** Returns the path of a namespace's file. @throws `kernel.name` */
export function netnsPath(ref: NetnsRef): string {
  if (ref === "self") return "/proc/thread-self/ns/net";
  if ("path" in ref) return ref.path;
  return path.join(NETNS_FOLDER, checkedName(ref.name));
}

/**
 * Opens a namespace; the caller closes the descriptor. A path comes from others and may lead to anything: a FIFO or a
 * device is not even opened, as that could wait for ever, or do something. @throws `kernel.no-netns`, `kernel.name`
 */
export function openNetns(ref: NetnsRef): number {
  const file = netnsPath(ref);
  try {
    if (statfsSync(file).type !== NSFS_MAGIC) throw notNetns;
    // Something else may have taken the place since.
    const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    if (libc().ioctl(fd, NS_GET_NSTYPE) === CLONE_NEWNET) return fd;
    closeSync(fd);
    throw notNetns;
  } catch (error) {
    throw noNetns(file, error);
  }
}

/** Runs `body` with the namespace's descriptor, which is closed afterwards. @throws `kernel.no-netns` */
export function withNetnsFd<T>(ref: NetnsRef, body: (fd: number) => T): T {
  const fd = openNetns(ref);
  try {
    return body(fd);
  } finally {
    closeSync(fd);
  }
}

/** Returns what tells a namespace from all others that exist now. @throws `kernel.no-netns` */
export function netnsIdentity(fd: number): string {
  const stat = fstatSync(fd, { bigint: true });
  return `${stat.dev}:${stat.ino}`;
}

/** Whether a namespace is the one that this process is in by itself. */
export function isHomeNetns(fd: number): boolean {
  homeIdentity ??= netnsIdentity(homeFd());
  return netnsIdentity(fd) === homeIdentity;
}

export function listNetns(): string[] {
  try {
    return readdirSync(NETNS_FOLDER).toSorted();
  } catch (error) {
    // The folder is made with the first namespace.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Returns the name if it can be a file of its own below /run/netns. @throws `kernel.name` */
export function checkedName(name: string): string {
  const good = /^[A-Za-z0-9_.-]{1,200}$/.test(name) && name !== "." && name !== "..";
  if (good) return name;
  const why = "letters, digits, '.', '_' and '-' only, 1 to 200 of them";
  throw new TrunklineError("kernel.name", { what: "network namespace", name, why });
}

export function noNetns(file: string, error: unknown): TrunklineError {
  const errno = (error as NodeJS.ErrnoException).code ?? "unknown";
  return new TrunklineError("kernel.no-netns", { netns: file, errno }, { cause: error });
}
