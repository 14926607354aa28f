// The C library's system calls, by FFI. koffi is loaded at first use: commands that never touch the kernel do not pay
// for it. Calls with one name are synchronous, those ending in `Async` run on one of libuv's pool threads.
import { createRequire } from "node:module";
import { constants } from "node:os";
import { TrunklineError, textOf } from "../../base/errors.ts";

type Bytes = Uint8Array;
export type Done = (error: Error | null, result: number) => void;

export interface Libc {
  errno(): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Bytes, length: number): number;
  listen(fd: number, backlog: number): number;
  connect(fd: number, address: Bytes, length: number): number;
  getsockname(fd: number, address: Bytes, length: Bytes): number;
  setsockopt(fd: number, level: number, name: number, value: Bytes, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Bytes, length: Bytes): number;
  send(fd: number, bytes: Bytes, length: number, flags: number): number;
  sendAsync(fd: number, bytes: Bytes, length: number, flags: number, done: Done): void;
  sendto(fd: number, bytes: Bytes, length: number, flags: number, to: Bytes, toLength: number): number;
  recv(fd: number, bytes: Bytes, length: number, flags: number): number;
  recvfrom(fd: number, bytes: Bytes, length: number, flags: number, from: Bytes, fromLength: Bytes): number;
  close(fd: number): number;
  ioctl(fd: number, request: number): number;
  setns(fd: number, type: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, type: string | null, flags: number, data: null): number;
  umount2(target: string, flags: number): number;
  umount2Async(target: string, flags: number, done: Done): void;
  epollCreate(flags: number): number;
  epollControl(epoll: number, operation: number, fd: number, event: Bytes | null): number;
  epollWaitAsync(epoll: number, events: Bytes, capacity: number, timeoutMs: number, done: Done): void;
  eventfd(initial: number, flags: number): number;
  mallocTrim(pad: number): number;
  madvise(address: number, length: number, advice: number): number;
  pipe2(fds: Bytes, flags: number): number;
  /** Returns an errno itself. Strings in lists end with null. */
  posixSpawn(
    pid: Bytes,
    file: string,
    actions: Bytes,
    attributes: Bytes,
    args: readonly (string | null)[],
    environment: readonly (string | null)[],
  ): number;
  spawnActionsInit(actions: Bytes): number;
  spawnActionsAddDup2(actions: Bytes, from: number, to: number): number;
  spawnActionsDestroy(actions: Bytes): number;
  spawnAttributesInit(attributes: Bytes): number;
  spawnAttributesSetDefaultSignals(attributes: Bytes, signals: Bytes): number;
  spawnAttributesSetFlags(attributes: Bytes, flags: number): number;
  waitpid(pid: number, status: Bytes, options: number): number;
}

interface KoffiFunction {
  (...values: unknown[]): number;
  async(...values: unknown[]): void;
}

export interface KoffiLibrary {
  func(definition: string): KoffiFunction;
}

interface Koffi {
  load(path: string | null): KoffiLibrary;
  errno(): number;
  config(settings: Record<string, number>): void;
}

let loaded: { koffi: Koffi; libc: Libc } | undefined;

/** Returns koffi itself, for the one other library that is called by FFI. @throws `kernel.library` */
export function koffi(): Koffi {
  return load().koffi;
}

/** Returns the C library. @throws `kernel.library` where koffi has no build for this machine */
export function libc(): Libc {
  return load().libc;
}

function load(): { koffi: Koffi; libc: Libc } {
  if (loaded) return loaded;
  let found: Koffi;
  try {
    found = createRequire(import.meta.url)("koffi") as Koffi;
    // libnftables evaluates nested expressions by recursion: give pool threads the stack that main threads have.
    found.config({ async_stack_size: 1 << 20 });
  } catch (error) {
    throw new TrunklineError("kernel.library", { library: "koffi", why: textOf(error) }, { cause: error });
  }
  loaded = { koffi: found, libc: bindings(found) };
  return loaded;
}

function bindings(found: Koffi): Libc {
  // The running program itself is linked against the C library, whichever that is (glibc, musl).
  const library = found.load(null);
  const get = (definition: string): KoffiFunction => library.func(definition);
  // What only glibc has.
  const optional = (definition: string): KoffiFunction => {
    try {
      return get(definition);
    } catch {
      return Object.assign(() => 0, { async: () => undefined });
    }
  };
  const send = get("intptr_t send(int, const uint8_t *, size_t, int)");
  const umount2 = get("int umount2(const char *, int)");
  const epollWait = get("int epoll_wait(int, uint8_t *, int, int)");
  return {
    errno: () => found.errno(),
    socket: get("int socket(int, int, int)"),
    bind: get("int bind(int, const uint8_t *, uint32_t)"),
    listen: get("int listen(int, int)"),
    connect: get("int connect(int, const uint8_t *, uint32_t)"),
    getsockname: get("int getsockname(int, uint8_t *, uint8_t *)"),
    setsockopt: get("int setsockopt(int, int, int, const uint8_t *, uint32_t)"),
    getsockopt: get("int getsockopt(int, int, int, uint8_t *, uint8_t *)"),
    send,
    sendAsync: (...values) => send.async(...values),
    sendto: get("intptr_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)"),
    recv: get("intptr_t recv(int, uint8_t *, size_t, int)"),
    recvfrom: get("intptr_t recvfrom(int, uint8_t *, size_t, int, uint8_t *, uint8_t *)"),
    close: get("int close(int)"),
    // Without a third argument it is called as any other function is.
    ioctl: get("int ioctl(int, unsigned long)"),
    setns: get("int setns(int, int)"),
    unshare: get("int unshare(int)"),
    mount: get("int mount(const char *, const char *, const char *, unsigned long, const void *)"),
    umount2,
    umount2Async: (...values) => umount2.async(...values),
    epollCreate: get("int epoll_create1(int)"),
    epollControl: get("int epoll_ctl(int, int, int, const uint8_t *)"),
    epollWaitAsync: (...values) => epollWait.async(...values),
    eventfd: get("int eventfd(unsigned int, int)"),
    mallocTrim: optional("int malloc_trim(size_t)"),
    madvise: get("int madvise(uintptr_t, size_t, int)"),
    pipe2: get("int pipe2(uint8_t *, int)"),
    posixSpawn: get(
      "int posix_spawn(uint8_t *, const char *, uint8_t *, uint8_t *, const char **, const char **)",
    ),
    spawnActionsInit: get("int posix_spawn_file_actions_init(uint8_t *)"),
    spawnActionsAddDup2: get("int posix_spawn_file_actions_adddup2(uint8_t *, int, int)"),
    spawnActionsDestroy: get("int posix_spawn_file_actions_destroy(uint8_t *)"),
    spawnAttributesInit: get("int posix_spawnattr_init(uint8_t *)"),
    spawnAttributesSetDefaultSignals: get("int posix_spawnattr_setsigdefault(uint8_t *, const uint8_t *)"),
    spawnAttributesSetFlags: get("int posix_spawnattr_setflags(uint8_t *, int16_t)"),
    waitpid: get("int waitpid(int, uint8_t *, int)"),
  };
}

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** Returns an errno's name, such as ENOENT. */
export function errnoName(number: number): string {
  return names.get(number) ?? `errno ${number}`;
}

/** Error numbers that the code looks at. */
export const Errno = constants.errno;
