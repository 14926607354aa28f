// One end of the first-packet bench, in a process of its own that stays on one core. Calls block on purpose: nothing
// but the path itself shall be measured. Run as: connector.ts accept|answer ADDRESS PORT, or connector.ts open ADDRESS.
import { createInterface } from "node:readline";
import { koffi } from "../../../src/kernel/ffi/libc.ts";
import { socketAddress } from "../../../src/kernel/sockets/address.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_LINGER = 13;
const SO_RCVTIMEO = 20;

type Call = (...values: unknown[]) => number;
const c = koffi().load(null);
const socket = c.func("int socket(int, int, int)") as Call;
const bind = c.func("int bind(int, void *, uint32_t)") as Call;
const listen = c.func("int listen(int, int)") as Call;
const accept = c.func("int accept(int, void *, void *)") as Call;
const connect = c.func("int connect(int, void *, uint32_t)") as Call;
const setsockopt = c.func("int setsockopt(int, int, int, void *, uint32_t)") as Call;
const send = c.func("long send(int, void *, size_t, int)") as Call;
const recvfrom = c.func("long recvfrom(int, void *, size_t, int, void *, void *)") as Call;
const sendto = c.func("long sendto(int, void *, size_t, int, void *, uint32_t)") as Call;
const close = c.func("int close(int)") as Call;

const one = Buffer.from([1, 0, 0, 0]);
/** On, and no time: closing answers with a reset, so that no port and no connection stays behind. */
const lingerNot = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

const [role = "", address = "", port = "80"] = process.argv.slice(2);
const family = address.includes(":") ? AF_INET6 : AF_INET;

function acceptAll(): never {
  const fd = socket(family, SOCK_STREAM, 0);
  const where = socketAddress(address, Number(port));
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, one.length);
  bind(fd, where, where.length);
  listen(fd, 4096);
  for (;;) {
    const client = accept(fd, null, null);
    if (client >= 0) close(client);
  }
}

/** Answers datagrams that begin with 1, and takes all others in. */
function answer(): never {
  const fd = socket(family, SOCK_DGRAM, 0);
  const where = socketAddress(address, Number(port));
  bind(fd, where, where.length);
  const bytes = Buffer.alloc(64);
  const from = Buffer.alloc(28);
  const length = Buffer.alloc(4);
  for (;;) {
    length.writeUInt32LE(from.length);
    recvfrom(fd, bytes, bytes.length, 0, from, length);
    if (bytes[0] === 1) sendto(fd, bytes, 1, 0, from, from.length);
  }
}

/** Opens connections for that many milliseconds. */
function openFor(ms: number): number {
  const where = socketAddress(address, 80);
  let count = 0;
  const until = performance.now() + ms;
  while (performance.now() < until) {
    const fd = socket(family, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerNot, lingerNot.length);
    if (connect(fd, where, where.length) === 0) count++;
    close(fd);
  }
  return count;
}

/** Sends datagrams of a connection that both ends have spoken on. */
function sendFor(ms: number): number {
  const where = socketAddress(address, 81);
  const fd = socket(family, SOCK_DGRAM, 0);
  const timeout = Buffer.alloc(16);
  timeout.writeBigInt64LE(2n);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length);
  connect(fd, where, where.length);
  send(fd, one, 1, 0);
  recvfrom(fd, Buffer.alloc(8), 8, 0, null, null);
  const datagram = Buffer.alloc(32);
  let count = 0;
  const until = performance.now() + ms;
  while (performance.now() < until)
    for (let i = 0; i < 16; i++) count += send(fd, datagram, 32, 0) > 0 ? 1 : 0;
  close(fd);
  return count;
}

if (role === "accept") acceptAll();
else if (role === "answer") answer();
else
  createInterface({ input: process.stdin }).on("line", (line) => {
    const [what, ms = "0"] = line.split(" ");
    const before = process.cpuUsage();
    const count = what === "tcp" ? openFor(Number(ms)) : sendFor(Number(ms));
    const { user, system } = process.cpuUsage(before);
    process.stdout.write(`${count} ${user + system}\n`);
  });
