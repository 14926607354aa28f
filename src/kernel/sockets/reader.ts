// Whether anybody still reads what this process writes into a pipe: without writing, nothing else would tell.
import { fstatSync } from "node:fs";
import { onReadable } from "../linux/poller.ts";

/**
 * Calls back once when a pipe's last reader has closed it. Does nothing for what is no pipe (terminals, files, sockets).
 * Keeps the process alive until it is stopped.
 * @param fd descriptor of the end that is written to
 */
export function onReaderGone(fd: number, callback: () => void): { stop(): void } {
  if (!fstatSync(fd).isFIFO()) return { stop: () => {} };
  // An end for writing never has anything to read: what epoll tells of it is EPOLLERR, which it always tells.
  const watch = onReadable(fd, () => {
    watch.stop();
    callback();
  });
  return watch;
}
