// Sends a UDP packet every millisecond and counts the answers: node flow-sender.mjs ADDRESS PORT SECONDS
import dgram from "node:dgram";

const [host = "", port, seconds] = process.argv.slice(2);
const total = Number(seconds) * 1000;
const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
let sent = 0;
let answers = 0;
socket.on("message", () => answers++);
socket.on("error", () => {});
socket.bind();
const start = performance.now();
const timer = setInterval(() => {
  const due = Math.min(total, Math.floor(performance.now() - start));
  for (; sent < due; sent++) socket.send("x", Number(port), host, () => {});
  if (sent < total) return;
  clearInterval(timer);
  setTimeout(() => {
    console.log(JSON.stringify({ sent, answers }));
    process.exit(0);
  }, 1000);
}, 1);
