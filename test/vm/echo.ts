// UDP with silences: `echo.ts serve PORT` sends each datagram back; `echo.ts ADDRESS PORT FILE` sends some at once, then some more
// after a silence that is longer than the kernel keeps a flow (30 s), and says in FILE how many came back.
import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const SILENCE_MS = 35_000;
const PAUSE_MS = 200;
const AT_ONCE = 50;
const [first = "", second = "", file = ""] = process.argv.slice(2);
const socket = createSocket("udp4");

if (first === "serve") {
  socket.on("message", (message, from) => socket.send(message, from.port, from.address));
  socket.bind(Number(second));
} else {
  let [sent, got] = [0, 0];
  socket.on("message", () => got++);
  for (const count of [AT_ONCE, 5]) {
    if (sent > 0) await sleep(SILENCE_MS);
    for (let at = 0; at < count; at++) {
      socket.send("x", Number(second), first);
      sent++;
      await sleep(PAUSE_MS);
    }
  }
  for (let left = 50; got < sent && left > 0; left--) await sleep(PAUSE_MS);
  writeFileSync(file, `${JSON.stringify({ sent, got })}\n`);
  socket.close();
}
