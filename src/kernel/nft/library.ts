// libnftables by FFI. A context keeps the netlink socket of the namespace that it was made in, so a run on another
// thread still changes that namespace. Only names of interfaces (`iif`, `oif`) are looked up by a fresh socket, in the
// thread's own namespace: texts that use them run on this thread, inside the namespace.
// The library keeps that list of names in a global variable and so bears one run at a time in the whole process.
import { readdirSync } from "node:fs";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { Turns } from "../../base/turns.ts";
import { type KoffiLibrary, koffi, libc } from "../ffi/libc.ts";
import type { Context } from "../linux/context.ts";
import { bindNetlink, NETLINK_NETFILTER, portOf } from "../netlink/socket.ts";
import type { NftBackend } from "./backend.ts";

type NftContext = unknown;

interface Library {
  create(flags: number): NftContext;
  free(context: NftContext): void;
  bufferOutput(context: NftContext): number;
  bufferError(context: NftContext): number;
  output(context: NftContext): string | null;
  error(context: NftContext): string | null;
  setOutputFlags(context: NftContext, flags: number): void;
  run(context: NftContext, commands: string): number;
  runAsync(context: NftContext, commands: string, done: (error: Error | null, result: number) => void): void;
}

const OUTPUT_JSON = 1 << 4;
/** ioctl(2): the descriptor is no program's that is started from here. */
const FIOCLEX = 0x5451;
const SO_PROTOCOL = 38;
const SOL_SOCKET = 1;
/** `oif 0` is a packet that goes out by no interface, and names none. */
const usesNames = /\b[io]if\b(?! 0\b)/;
/**
 * A context keeps what it has seen of the kernel's tables, element by element, and its output until the next run: of 20,000
 * ranges some 25 MiB. One that nobody has used for so long, in milliseconds, is made anew.
 */
const IDLE_MS = 1000;
let library: Library | undefined;

/** Loads libnftables. @throws `kernel.library` where it is not installed */
export function loadNftables(): Library {
  if (library) return library;
  let found: KoffiLibrary;
  try {
    found = koffi().load("libnftables.so.1");
  } catch (error) {
    throw new TrunklineError(
      "kernel.library",
      { library: "libnftables.so.1", why: textOf(error) },
      { cause: error },
    );
  }
  const get = (definition: string): unknown => found.func(definition);
  const run = found.func("int nft_run_cmd_from_buffer(void *, const char *)");
  library = {
    create: get("void *nft_ctx_new(uint32_t)") as Library["create"],
    free: get("void nft_ctx_free(void *)") as Library["free"],
    bufferOutput: get("int nft_ctx_buffer_output(void *)") as Library["bufferOutput"],
    bufferError: get("int nft_ctx_buffer_error(void *)") as Library["bufferError"],
    output: get("const char *nft_ctx_get_output_buffer(void *)") as Library["output"],
    error: get("const char *nft_ctx_get_error_buffer(void *)") as Library["error"],
    setOutputFlags: get("void nft_ctx_output_set_flags(void *, unsigned int)") as Library["setOutputFlags"],
    run,
    runAsync: (...values) => run.async(...values),
  };
  return library;
}

/** The process-wide queue of runs. */
const turns = new Turns();

export class NftLibrary implements NftBackend {
  readonly #context: Context;
  readonly #nft: Library;
  #handle: NftContext;
  /** The library's own netlink socket. */
  #socket: number | undefined;
  /** Those of the present context and of the one before, whose last notice may not have been read yet. */
  #ports = new Set<number>();
  #open = true;
  #idle: NodeJS.Timeout | undefined;

  constructor(context: Context) {
    this.#context = context;
    this.#nft = loadNftables();
    [this.#handle, this.#socket] = this.#begin();
    this.#notePort();
  }

  run(commands: string, format: "text" | "json"): Promise<{ output: string; error: string | undefined }> {
    return turns.run(async () => {
      if (!this.#open) throw new TrunklineError("kernel.closed", { attempt: "run nft commands" });
      this.#nft.setOutputFlags(this.#handle, format === "json" ? OUTPUT_JSON : 0);
      const code = await this.#execute(commands, format);
      this.#notePort();
      const output = this.#nft.output(this.#handle) ?? "";
      const error = (this.#nft.error(this.#handle) ?? "").trim();
      this.#idle ??= setTimeout(() => void turns.run(() => this.#beginAnew()), IDLE_MS).unref();
      this.#idle.refresh();
      return { output, error: code === 0 ? undefined : error || "no reason given" };
    });
  }

  isOurs(port: number): boolean {
    return this.#ports.has(port);
  }

  close(): void {
    // After the run that may be under way.
    void turns.run(() => {
      clearTimeout(this.#idle);
      if (this.#open) this.#nft.free(this.#handle);
      this.#open = false;
    });
  }

  #begin(): [NftContext, number | undefined] {
    const [handle, socket] = this.#context.inside(() => createContext(this.#nft));
    // Named now and not by the first run, whose notice may be read before the run's end is.
    if (socket !== undefined) bindNetlink(socket);
    return [handle, socket];
  }

  #beginAnew(): void {
    if (!this.#open) return;
    let fresh: [NftContext, number | undefined];
    try {
      fresh = this.#begin();
    } catch {
      // A large context is better than none, and the next run tries again.
      return;
    }
    this.#nft.free(this.#handle);
    [this.#handle, this.#socket] = fresh;
    this.#ports = new Set([...this.#ports].slice(-1));
    this.#notePort();
  }

  #execute(commands: string, format: "text" | "json"): Promise<number> | number {
    const named = format === "json" || commands.startsWith("list") || usesNames.test(commands);
    if (named && !this.#context.isHome) {
      return this.#context.inside(() => this.#nft.run(this.#handle, commands));
    }
    return new Promise((resolve, reject) => {
      this.#nft.runAsync(this.#handle, commands, (error, code) => (error ? reject(error) : resolve(code)));
    });
  }

  #notePort(): void {
    if (this.#socket === undefined) return;
    const port = portOf(this.#socket);
    if (port !== undefined) this.#ports.add(port);
  }
}

/** Makes a context and finds the descriptor of the netlink socket in it, which the library does not tell. */
function createContext(nft: Library): [NftContext, number | undefined] {
  const before = new Set(netfilterSockets());
  const handle = nft.create(0);
  if (!handle)
    throw new TrunklineError("kernel.library", { library: "libnftables", why: "it makes no context" });
  nft.bufferOutput(handle);
  nft.bufferError(handle);
  const socket = netfilterSockets().find((fd) => !before.has(fd));
  // The library leaves it to be inherited: a daemon started later would keep this namespace from ending.
  if (socket !== undefined) libc().ioctl(socket, FIOCLEX);
  return [handle, socket];
}

function netfilterSockets(): number[] {
  const open = readdirSync("/proc/self/fd").map(Number);
  return open.filter((fd) => socketProtocol(fd) === NETLINK_NETFILTER);
}

function socketProtocol(fd: number): number | undefined {
  const value = Buffer.alloc(4);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(4);
  const known = libc().getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, value, length) === 0;
  return known ? value.readInt32LE() : undefined;
}
