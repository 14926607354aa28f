// Servers that speak, but not what they should: the sink says so, and takes the list again once they are themselves.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sinkOf } from "./make.ts";
import type { SinkList, SinkPlace } from "./sink.ts";

const list: SinkList = { name: "l", to: "host/db", ranges: ["10.0.0.1/32"], sources: [] };

let folder: string;
let place: SinkPlace;
let server: Server;
let answer: (socket: Socket, asked: string) => void;
const open = new Set<Socket>();
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-nonsense-"));
  place = { netns: "self", folders: [folder] };
  server = createServer((socket) => {
    open.add(socket.on("close", () => open.delete(socket)).on("error", () => {}));
    socket.once("data", (asked) => answer(socket, asked.toString()));
  });
});
afterEach(async () => {
  for (const socket of open) socket.destroy();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  rmSync(folder, { recursive: true });
});

/** Writes until nobody listens any more. */
function forEver(socket: Socket): void {
  const chunk = "0x1 10.0.0.9\n".repeat(10_000);
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on("drain", more);
  more();
}

describe("the sink of HAProxy", () => {
  const put = () => {
    const haproxy = { path: path.join(folder, "allow.lst"), socket: path.join(folder, "admin.sock") };
    return sinkOf({ name: "h", haproxy })(list, place);
  };
  beforeEach(
    () => new Promise<void>((resolve) => void server.listen(path.join(folder, "admin.sock"), resolve)),
  );

  it("takes no nonsense for an answer, and none without end; what a new process reads is in the file", async () => {
    answer = (socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nwelcome\n");
    await expect(put()).rejects.toThrow("HTTP/1.1 200 OK");
    answer = forEver;
    await expect(put()).rejects.toThrow("an answer without end");
    answer = (socket) => socket.destroy();
    await expect(put()).rejects.toThrow(/HAProxy/);
    expect(readFileSync(path.join(folder, "allow.lst"), "utf8")).toContain("\n10.0.0.1/32\n");
  });

  it("catches up with one that has come to its senses", async () => {
    answer = (socket) => socket.end("?\n");
    await expect(put()).rejects.toThrow("?");
    const held: string[] = [];
    answer = (socket, asked) => {
      const added = /^add acl \S+ (\S+)/.exec(asked)?.[1];
      if (added !== undefined) held.push(added);
      socket.end(added === undefined ? held.map((one) => `0x1 ${one}\n`).join("") : "");
    };
    await put();
    expect(held).toEqual(["10.0.0.1/32"]);
  });
});

describe("the sink of nginx", () => {
  it("reads no configuration from where it may not write: root would do whatever that says", async () => {
    const nginx = { path: path.join(folder, "allow.conf"), config: "/etc/trunkline-no-such.conf" };
    await expect(sinkOf({ name: "n", nginx })(list, place)).rejects.toMatchObject({ code: "sinks.folder" });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("the sink of an HTTP server", () => {
  it("takes no nonsense for an answer", async () => {
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const put = sinkOf({ name: "h", http: { url } });
    answer = (socket) => socket.end("220 mail.example.com ESMTP\r\n");
    await expect(put(list, place)).rejects.toThrow(/Parse Error/);
    answer = (socket) => socket.destroy();
    await expect(put(list, place)).rejects.toThrow(/hang up|reset/i);
    answer = (socket) => socket.end("HTTP/1.1 204 No Content\r\n\r\n");
    await put(list, place);
  });
});
