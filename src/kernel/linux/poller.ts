// One epoll for every descriptor that the process waits on by FFI. A single pool thread sits in epoll_wait, however
// many namespaces are watched; it is woken by an eventfd when the last watcher leaves and when the process exits.
import { writeSync } from "node:fs";
import { Errno, libc } from "../ffi/libc.ts";
import { checked, refusal } from "../ffi/refusal.ts";

const EPOLL_CLOEXEC = 0o2000000;
const EFD_FLAGS = 0o2004000;
const CTL_ADD = 1;
const CTL_DELETE = 2;
const CTL_MODIFY = 3;
const EPOLLIN = 1;
const EPOLLONESHOT = 0x40000000;
const EPOLLET = 0x80000000;
const CAPACITY = 64;
/** struct epoll_event is packed on x86-64 only. */
const EVENT_SIZE = process.arch === "x64" ? 12 : 16;
const DATA_OFFSET = EVENT_SIZE - 8;
const WAKE_TOKEN = 0;

interface Watcher {
  readonly fd: number;
  readonly onReadable: () => void;
  /** How long it is left alone after each call, in ms. */
  readonly restMs: number;
  rest: NodeJS.Timeout | undefined;
}

class Poller {
  readonly #epoll: number;
  readonly #wake: number;
  readonly #events = Buffer.alloc(EVENT_SIZE * CAPACITY);
  /** By token and not by descriptor: a descriptor's number may be in use again when its last event comes. */
  readonly #watchers = new Map<number, Watcher>();
  #lastToken = WAKE_TOKEN;
  #waiting = false;

  constructor() {
    this.#epoll = checked(libc().epollCreate(EPOLL_CLOEXEC), () => "make an epoll");
    this.#wake = checked(libc().eventfd(0, EFD_FLAGS), () => "make an eventfd");
    // Edge-triggered: each write wakes once, and nobody has to read the counter.
    this.#control(CTL_ADD, this.#wake, EPOLLIN | EPOLLET, WAKE_TOKEN);
    // libuv joins its threads when the process exits, and would wait for this one for ever.
    process.on("exit", () => this.#wakeUp());
  }

  add(fd: number, onReadable: () => void, restMs: number): { stop(): void } {
    const token = ++this.#lastToken;
    this.#control(CTL_ADD, fd, restMs > 0 ? EPOLLIN | EPOLLONESHOT : EPOLLIN, token);
    this.#watchers.set(token, { fd, onReadable, restMs, rest: undefined });
    if (!this.#waiting) this.#wait();
    return { stop: () => this.#remove(token) };
  }

  #remove(token: number): void {
    const watcher = this.#watchers.get(token);
    if (!watcher) return;
    this.#watchers.delete(token);
    clearTimeout(watcher.rest);
    this.#control(CTL_DELETE, watcher.fd, 0, token);
    // A pending wait keeps the process alive.
    if (this.#watchers.size === 0) this.#wakeUp();
  }

  #wait(): void {
    this.#waiting = true;
    libc().epollWaitAsync(this.#epoll, this.#events, CAPACITY, -1, (_error, count) => {
      this.#waiting = false;
      try {
        if (count < 0 && libc().errno() !== Errno.EINTR)
          throw refusal("wait for kernel events", libc().errno());
        this.#dispatch(count);
      } finally {
        if (this.#watchers.size > 0 && !this.#waiting) this.#wait();
      }
    });
  }

  #dispatch(count: number): void {
    const tokens: number[] = [];
    for (let at = 0; at < count; at++) tokens.push(this.#events.readUInt32LE(at * EVENT_SIZE + DATA_OFFSET));
    for (const token of tokens) {
      const watcher = this.#watchers.get(token);
      if (watcher === undefined) continue;
      watcher.onReadable();
      if (watcher.restMs > 0 && this.#watchers.has(token))
        watcher.rest = setTimeout(
          () => this.#control(CTL_MODIFY, watcher.fd, EPOLLIN | EPOLLONESHOT, token),
          watcher.restMs,
        );
    }
  }

  #wakeUp(): void {
    const one = Buffer.alloc(8);
    one.writeBigUInt64LE(1n);
    writeSync(this.#wake, one);
  }

  #control(operation: number, fd: number, events: number, token: number): void {
    const event = Buffer.alloc(EVENT_SIZE);
    event.writeUInt32LE(events >>> 0, 0);
    event.writeUInt32LE(token, DATA_OFFSET);
    checked(libc().epollControl(this.#epoll, operation, fd, event), () => "watch a descriptor");
  }
}

let poller: Poller | undefined;

/**
 * Calls back whenever a descriptor has something to read, until `stop` is called; stop before closing it. Keeps the
 * process alive meanwhile.
 * @param restMs milliseconds between one call and the next: every wake-up costs a thread's hand-over, and who need not hear
 * of each thing at once gets more of them with one
 */
export function onReadable(fd: number, callback: () => void, restMs = 0): { stop(): void } {
  poller ??= new Poller();
  return poller.add(fd, callback, restMs);
}
