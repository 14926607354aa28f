// HAProxy: a file of an ACL or a map, which counts when it starts, and the same in the running process by its runtime socket
// (management guide, 9.3): what differs is added, then taken away, and the end is read again.

import { connect } from "node:net";
import { TrunklineError, textOf } from "../base/errors.ts";
import { asRange } from "../explain/allowlist/sources.ts";
import { formed } from "./file.ts";
import { allowedPath, replaceFile, textIn } from "./files.ts";
import type { SinkMaker } from "./sink.ts";

const TIMEOUT_MS = 5000;
/** Of an answer: a list of a hundred thousand ranges is not as long. What is longer is nobody's list. */
const MOST_BYTES = 8 * 2 ** 20;
/** HAProxy reads a line of at most tune.bufsize (16384) bytes. */
const LINE_BYTES = 8000;

export const haproxySink: SinkMaker<"haproxy"> =
  ({ path, socket, value }) =>
  async (list, { folders }) => {
    const file = await allowedPath(path, folders);
    const door = await allowedPath(socket, folders);
    const kind = value === undefined ? "acl" : "map";
    const plain = formed(list, "haproxy");
    const text = value === undefined ? plain : plain.replaceAll(/^(?!#)(.+)$/gm, `$1 ${value}`);
    if ((await textIn(file)) !== text) await replaceFile(file, text);
    const wanted = new Set(list.ranges);
    const held = await read(door, kind, path);
    const isRight = (key: string) => wanted.has(key) && held.get(key) === (value ?? "");
    const gone = [...held.keys()].filter((key) => !isRight(key));
    const fresh = [...wanted].filter((key) => !isRight(key) || !held.has(key));
    const tail = value === undefined ? "" : ` ${value}`;
    // A key whose value differs must go before it comes again.
    await send(
      door,
      gone.filter((key) => wanted.has(key)).map((key) => `del ${kind} ${path} ${key}`),
    );
    await send(
      door,
      fresh.map((key) => `add ${kind} ${path} ${key}${tail}`),
    );
    await send(
      door,
      gone.filter((key) => !wanted.has(key)).map((key) => `del ${kind} ${path} ${key}`),
    );
    if (gone.length === 0 && fresh.length === 0) return;
    const after = await read(door, kind, path);
    if (after.size !== wanted.size || [...wanted].some((key) => after.get(key) !== (value ?? "")))
      throw refused(`it holds other entries than it was told, ${after.size} instead of ${wanted.size}`);
  };

/** Returns what the running process has: values by range, as it was written. @throws `sinks.refused`, `sinks.not-running` */
async function read(socket: string, kind: "acl" | "map", path: string): Promise<Map<string, string>> {
  const answer = await ask(socket, `show ${kind} ${path}`);
  const lines = answer.split("\n").filter((line) => line.trim() !== "");
  const found = new Map<string, string>();
  for (const line of lines) {
    const [mark = "", key = "", ...rest] = line.split(" ");
    if (!mark.startsWith("0x")) throw refused(line.trim());
    // An address without a length is its own range.
    found.set(asRange(key), rest.join(" "));
  }
  return found;
}

/** @throws `sinks.refused` with what it says of the first that it does not take */
async function send(socket: string, commands: readonly string[]): Promise<void> {
  let line: string[] = [];
  let bytes = 0;
  const flush = async () => {
    if (line.length === 0) return;
    const said = (await ask(socket, line.join(";"))).trim();
    if (said !== "") throw refused(said);
    line = [];
    bytes = 0;
  };
  for (const command of commands) {
    if (bytes + command.length > LINE_BYTES) await flush();
    line.push(command);
    bytes += command.length + 1;
  }
  await flush();
}

function ask(path: string, line: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ path });
  let answer = "";
  const fail = (error: unknown) => {
    socket.destroy();
    const code = (error as NodeJS.ErrnoException).code ?? textOf(error);
    reject(
      new TrunklineError("sinks.not-running", {
        what: "HAProxy",
        why: `${path}: ${code}; the list is in its file`,
      }),
    );
  };
  socket.setEncoding("utf8");
  // As a whole: who says a word now and then does not answer either.
  const timer = setTimeout(() => fail(new Error("no answer")), TIMEOUT_MS);
  socket.on("error", fail);
  socket.on("data", (text: string) => {
    answer += text;
    if (answer.length > MOST_BYTES) fail(new Error("an answer without end"));
  });
  socket.on("close", () => {
    clearTimeout(timer);
    resolve(answer);
  });
  socket.write(`${line}\n`);
  return promise;
}

function refused(why: string): TrunklineError {
  return new TrunklineError("sinks.refused", { what: "HAProxy", why: why.slice(0, 200) });
}
