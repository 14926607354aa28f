// Running a small program from a large process. Node.js starts children by fork(2), which copies the page tables of this
// process first: with 300 MB that takes 12 to 20 ms, in which nothing else is done. posix_spawn(3) lends the memory to the
// child until it has loaded its program, and takes the same from every process.
import { closeSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoName, libc } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import {
  DEFAULT_TIMEOUT_MS,
  type Ending,
  environment,
  type Finished,
  judge,
  missingCommand,
  type RunOptions,
  run,
  tooLate,
} from "./run.ts";

export type SmallOptions = Pick<RunOptions, "input" | "env" | "timeoutMs" | "codes">;

const O_CLOEXEC = 0o2000000;
/** spawn.h: the child has the default action of the signals that are named; Node.js itself ignores some. */
const POSIX_SPAWN_SETSIGDEF = 4;
const WNOHANG = 1;
/** More than any C library's posix_spawn_file_actions_t (80), posix_spawnattr_t (336) and sigset_t (128) take. */
const STRUCT_BYTES = 512;
/** What a pipe holds without anybody reading it. */
const PIPE_BYTES = 65_536;

/**
 * Runs a program as `run` does, at the same price whatever this process's size.
 * @param file its path: nothing is looked for
 * @throws see run
 */
export async function runSmall(
  file: string,
  args: readonly string[],
  options: SmallOptions,
): Promise<Finished> {
  const input = Buffer.from(options.input ?? "");
  // The input is written at once, before anybody reads it.
  if (input.length > PIPE_BYTES) return run(file, args, options);
  const child = start(file, args, environment(options.env), input);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  let isLate = false;
  const expire = (): void => {
    isLate = true;
    // Nobody else can have its number before it has been waited for.
    process.kill(child.pid, "SIGKILL");
  };
  const timer = timeoutMs === 0 ? undefined : setTimeout(expire, timeoutMs);
  try {
    const [stdout, stderr] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
    const end = await endOf(child.pid);
    if (isLate) throw tooLate(file, args, timeoutMs);
    return judge(end, { stdout, stderr }, { command: file, args, options });
  } finally {
    clearTimeout(timer);
  }
}

interface Child {
  readonly pid: number;
  readonly stdout: number;
  readonly stderr: number;
}

function start(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  input: Buffer,
): Child {
  const { posixSpawn, spawnActionsInit, spawnActionsAddDup2, spawnActionsDestroy } = libc();
  const [stdin, stdout, stderr] = [pipe(), pipe(), pipe()];
  const actions = Buffer.alloc(STRUCT_BYTES);
  const pid = Buffer.alloc(4);
  spawnActionsInit(actions);
  try {
    for (const [at, end] of [stdin.read, stdout.write, stderr.write].entries())
      spawnActionsAddDup2(actions, end, at);
    const variables = Object.entries(env).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${value}`],
    );
    const errno = posixSpawn(
      pid,
      file,
      actions,
      defaultSignals(),
      [file, ...args, null],
      [...variables, null],
    );
    if (errno !== 0) {
      for (const end of [stdin.write, stdout.read, stderr.read]) closeSync(end);
      throw missingCommand(file, Object.assign(new Error(file), { code: errnoName(errno) }));
    }
  } finally {
    spawnActionsDestroy(actions);
    for (const end of [stdin.read, stdout.write, stderr.write]) closeSync(end);
  }
  try {
    if (input.length > 0) writeSync(stdin.write, input);
  } catch (error) {
    // It has ended without reading its input: that is no failure of its own.
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  } finally {
    closeSync(stdin.write);
  }
  return { pid: pid.readInt32LE(), stdout: stdout.read, stderr: stderr.read };
}

function pipe(): { readonly read: number; readonly write: number } {
  const ends = Buffer.alloc(8);
  if (libc().pipe2(ends, O_CLOEXEC) < 0) throw refusal("make a pipe", libc().errno());
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
}

let attributes: Buffer | undefined;

function defaultSignals(): Buffer {
  if (attributes) return attributes;
  attributes = Buffer.alloc(STRUCT_BYTES);
  libc().spawnAttributesInit(attributes);
  libc().spawnAttributesSetDefaultSignals(attributes, Buffer.alloc(STRUCT_BYTES, 0xff));
  libc().spawnAttributesSetFlags(attributes, POSIX_SPAWN_SETSIGDEF);
  return attributes;
}

/** Returns all that comes out of a pipe until nobody holds its other end. */
function textOf(fd: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => resolve(Buffer.concat(chunks).toString()));
  });
}

const names = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** Who has closed its output ends at once, or at least soon: so long it is asked for, later and later. */
async function endOf(pid: number): Promise<Ending> {
  const status = Buffer.alloc(4);
  for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, 100)) {
    const found = libc().waitpid(pid, status, WNOHANG);
    if (found === pid) break;
    if (found < 0) throw refusal("wait for a program", libc().errno());
    await sleep(pauseMs);
  }
  const word = status.readInt32LE();
  const signal = word & 0x7f;
  if (signal === 0) return { code: (word >> 8) & 0xff, signal: null };
  return { code: null, signal: (names.get(signal) ?? `${signal}`) as NodeJS.Signals };
}
