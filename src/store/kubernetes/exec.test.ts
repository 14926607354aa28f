import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { ApiClient, ApiRefusal } from "./client.ts";
import { execInPod } from "./exec.ts";
import { FrameReader } from "./frames.ts";

/** A server's frame. */
function frame(kind: number, payload: Buffer, isLast = true): Buffer {
  const first = (isLast ? 0x80 : 0) | kind;
  if (payload.length < 126) return Buffer.concat([Buffer.from([first, payload.length]), payload]);
  const header = Buffer.alloc(payload.length < 65_536 ? 4 : 10);
  header[0] = first;
  header[1] = payload.length < 65_536 ? 126 : 127;
  if (payload.length < 65_536) header.writeUInt16BE(payload.length, 2);
  else header.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([header, payload]);
}
const stream = (number: number, text: string) => Buffer.concat([Buffer.from([number]), Buffer.from(text)]);
const close = frame(8, Buffer.from([3, 0xe8]));
const success = frame(2, stream(3, '{"status":"Success"}'));

const open = new Set<Server>();
afterEach(() => {
  for (const server of open) server.close();
  open.clear();
});

async function client(
  answer: (socket: Socket, url: URL) => void,
  asked: (text: string) => void = () => undefined,
): Promise<ApiClient> {
  const server = createServer((_, response) => {
    response.writeHead(403, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", code: 403, reason: "Forbidden", message: "pods/exec" }));
  });
  server.on("upgrade", (request, socket) => {
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    asked(String(request.headers["sec-websocket-protocol"]));
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n`,
    );
    answer(socket as Socket, new URL(request.url ?? "", "http://x"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.add(server);
  const { port } = server.address() as AddressInfo;
  return new ApiClient({ server: `http://127.0.0.1:${port}`, base: "", insecure: false });
}
const command = { namespace: "kube-system", pod: "agent-1", container: "agent", command: ["say", "a b"] };

describe("exec", () => {
  it("asks for what it runs, and returns both outputs and the exit code", async () => {
    let url: URL | undefined;
    let protocols = "";
    const api = await client(
      (socket, asked) => {
        url = asked;
        const failed = {
          status: "Failure",
          reason: "NonZeroExitCode",
          details: { causes: [{ reason: "ExitCode", message: "3" }] },
        };
        socket.write(frame(2, stream(1, "out")));
        socket.write(frame(2, stream(2, "err")));
        socket.end(Buffer.concat([frame(2, stream(3, JSON.stringify(failed))), close]));
      },
      (text) => (protocols = text),
    );
    expect(await execInPod(api, command)).toEqual({ code: 3, stdout: "out", stderr: "err" });
    expect(url?.pathname).toBe("/api/v1/namespaces/kube-system/pods/agent-1/exec");
    expect(url?.searchParams.getAll("command")).toEqual(["say", "a b"]);
    expect(protocols).toBe("v5.channel.k8s.io, v4.channel.k8s.io");
  });

  it("puts pieces together, whatever way they come, and answers pings between them", async () => {
    const long = "x".repeat(70_000);
    const all = Buffer.concat([
      frame(2, stream(1, long.slice(0, 300)), false),
      frame(9, Buffer.from("still there?")),
      frame(0, Buffer.from(long.slice(300))),
      success,
      close,
    ]);
    const heard: Buffer[] = [];
    const api = await client((socket) => {
      socket.on("data", (piece: Buffer) => heard.push(piece));
      for (let at = 0; at < all.length; at += 997) socket.write(all.subarray(at, at + 997));
    });
    expect(await execInPod(api, command)).toEqual({ code: 0, stdout: long, stderr: "" });
    // RFC 6455, 5.5.3: a pong has the ping's words.
    expect(Buffer.concat(heard).toString("latin1")).toContain("still there?");
  });

  it("tells a refusal, a program that could not be run, and a stream that breaks off apart", async () => {
    const forbidden = await client(() => undefined);
    const plain = new ApiClient({ server: forbidden.server, base: "", insecure: false });
    const wrong = { ...command, namespace: "n" };
    await expect(plain.ask({ method: "GET", path: "/" })).rejects.toThrow(ApiRefusal);
    const missing = '{"status":"Failure","reason":"InternalError","message":"no such file"}';
    const lacks = await client((socket) => socket.end(Buffer.concat([frame(2, stream(3, missing)), close])));
    await expect(execInPod(lacks, wrong)).rejects.toThrow("no such file");
    const broken = await client((socket) => socket.end(frame(2, stream(1, "half"))));
    await expect(execInPod(broken, wrong)).rejects.toThrow("broke off");
    const silent = await client(() => undefined);
    await expect(execInPod(silent, wrong, 50)).rejects.toThrow("within 50 ms");
  });
});

describe("frames", () => {
  it("that are none are refused", () => {
    for (const bytes of [
      [0xf2, 1, 0],
      [0x82, 0x81, 0, 0, 0, 0, 0],
      [0x80, 1, 0],
    ])
      expect(() => new FrameReader().take(Buffer.from(bytes))).toThrow();
    const huge = Buffer.from([0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]);
    expect(() => new FrameReader().take(huge)).toThrow("bytes");
  });
});
