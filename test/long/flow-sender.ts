// Asks for an echo every millisecond and counts the answers, which the far kernel gives by itself: node flow-sender.ts
// ADDRESS SECONDS, or until SIGTERM. Run where the flow is to begin. It never catches up on what a busy machine kept it from sending: a
// burst would be lost in buffers, and that is not what is measured.
import { linuxMachine } from "../../src/kernel/index.ts";

const ECHO = 8;
const ECHO_REPLY = 0;
const ICMP = 1;
const LAST_ANSWERS_MS = 1000;

const [host = "", seconds] = process.argv.slice(2);
let total = Number(seconds) * 1000;
process.once("SIGTERM", () => {
  total = 0;
});
const kernel = linuxMachine().open("self");
const fd = kernel.sockets.openRaw(4, ICMP);
const id = process.pid & 0xffff;
let sent = 0;
let answers = 0;
let longestGapMs = 0;
let last = performance.now();
kernel.sockets.receiveRaw(fd, (packet) => {
  const message = Buffer.from(packet).subarray((packet[0]! & 15) * 4);
  if (message[0] !== ECHO_REPLY || message.readUInt16BE(4) !== id) return;
  const now = performance.now();
  longestGapMs = Math.max(longestGapMs, now - last);
  last = now;
  answers++;
});

function echo(sequence: number): Buffer {
  const message = Buffer.alloc(16);
  message[0] = ECHO;
  message.writeUInt16BE(id, 4);
  message.writeUInt16BE(sequence & 0xffff, 6);
  let sum = 0;
  for (let at = 0; at < message.length; at += 2) sum += message.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  message.writeUInt16BE(~sum & 0xffff, 2);
  return message;
}

const start = performance.now();
const timer = setInterval(() => {
  if (performance.now() - start < total) {
    sent++;
    try {
      kernel.sockets.sendRaw(fd, host, echo(sent));
    } catch {
      // What has no route is lost like any other.
    }
    return;
  }
  clearInterval(timer);
  setTimeout(() => {
    console.log(JSON.stringify({ sent, answers, longestGapMs: Math.round(longestGapMs) }));
    process.exit(0);
  }, LAST_ANSWERS_MS);
}, 1);
