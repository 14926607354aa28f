// A conversation by TCP that goes on until somebody ends it: `talk.ts serve PORT` answers each byte by one; `talk.ts ADDRESS PORT
// FILE` sends one 20 ms after each answer, and keeps in FILE how many were answered, and what ended it.
import { renameSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";

const PAUSE_MS = 20;
const [first = "", second = "", file = ""] = process.argv.slice(2);

if (first === "serve") {
  createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  }).listen(Number(second));
} else {
  let answers = 0;
  const tell = (end?: string) => {
    writeFileSync(
      `${file}.new`,
      `${JSON.stringify({ answers, at: Date.now(), ...(end !== undefined && { end }) })}\n`,
    );
    renameSync(`${file}.new`, file);
  };
  const socket = connect({ host: first, port: Number(second), noDelay: true });
  const ask = () => socket.write("a");
  socket.on("connect", ask);
  socket.on("data", () => {
    answers++;
    tell();
    setTimeout(ask, PAUSE_MS);
  });
  const over = (why: string) => {
    tell(why);
    process.exit(0);
  };
  socket.on("error", (error) => over(error.message));
  socket.on("close", () => over("closed"));
}
