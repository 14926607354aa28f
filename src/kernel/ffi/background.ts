// Calls that make the kernel wait, on libuv's pool threads. There are four by default, one sits in epoll_wait and file
// reads need some too: so only a few wait at a time. (koffi itself refuses more than 256 calls under way.)
import { type Done, libc } from "./libc.ts";

const LIMIT = 2;
let running = 0;
const waiting: (() => void)[] = [];

/** Starts a call when it is its turn. @returns its result, and errno where that is negative */
export async function inBackground(start: (done: Done) => void): Promise<{ result: number; errno: number }> {
  if (running >= LIMIT) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await new Promise((resolve, reject) => {
      start((error, result) => {
        if (error) reject(error);
        else resolve({ result, errno: result < 0 ? libc().errno() : 0 });
      });
    });
  } finally {
    // The place goes to the next one, or is free again.
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}
