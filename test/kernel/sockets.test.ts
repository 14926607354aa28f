import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, Socket } from "node:net";
import { describe, expect, it } from "vitest";
import type { Kernel } from "../../src/kernel/index.ts";
import { makeScene } from "./scene.ts";

const scene = makeScene();

/** Answers every connection with the address that it came from. */
async function serve(kernel: Kernel, address: string, port: number): Promise<Server> {
  const server = createServer((socket) => socket.end(socket.remoteAddress ?? ""));
  server.listen({ fd: kernel.sockets.listenTcp(address, port) });
  await once(server, "listening");
  return server;
}

async function ask(fd: number): Promise<string> {
  const socket = new Socket({ fd, readable: true, writable: true });
  let text = "";
  socket.on("data", (chunk) => {
    text += String(chunk);
  });
  await once(socket, "close");
  return text;
}

describe("TCP", () => {
  it("connects from one namespace to another, over both families", async () => {
    const { a, b } = scene.joined();
    const servers = [await serve(b, "0.0.0.0", 80), await serve(b, "::", 80)];
    expect(await ask(a.sockets.connectTcp("10.0.0.2", 80))).toBe("10.0.0.1");
    expect(await ask(a.sockets.connectTcp("fd00::2", 80))).toBe("fd00::1");
    for (const server of servers) server.close();
  });

  it("connects from the address that it is told to", async () => {
    const { a, b, linkA } = scene.joined();
    a.addresses.add({ linkIndex: linkA.index, address: "10.0.0.77/24", scope: "global" });
    const server = await serve(b, "10.0.0.2", 80);
    expect(await ask(a.sockets.connectTcp("10.0.0.2", 80, "10.0.0.77"))).toBe("10.0.0.77");
    server.close();
  });

  it("refuses a port that is taken, an address that is not its own, and a way that is none", () => {
    const { a } = scene.joined();
    const fd = a.sockets.listenTcp("10.0.0.1", 80);
    const refused = (errno: string): unknown =>
      expect.objectContaining({ data: expect.objectContaining({ errno }) });
    expect(() => a.sockets.listenTcp("10.0.0.1", 80)).toThrow(refused("EADDRINUSE"));
    expect(() => a.sockets.listenTcp("10.0.0.99", 80)).toThrow(refused("EADDRNOTAVAIL"));
    expect(() => a.sockets.connectTcp("192.0.2.1", 80)).toThrow(refused("ENETUNREACH"));
    a.sockets.close(fd);
    a.sockets.close(a.sockets.listenTcp("10.0.0.1", 80));
  });
});

describe("UDP", () => {
  it("receives and answers in its namespace", async () => {
    const { a, b } = scene.joined();
    const server = createSocket("udp4");
    server.bind({ fd: b.sockets.bindUdp("0.0.0.0", 53) });
    server.on("message", (message, from) =>
      server.send(`${String(message)} ${from.address}`, from.port, from.address),
    );
    const client = createSocket("udp4");
    client.bind({ fd: a.sockets.bindUdp("10.0.0.1", 0) });
    client.send("hello", 53, "10.0.0.2");
    const [answer] = (await once(client, "message")) as [Buffer];
    expect(String(answer)).toBe("hello 10.0.0.1");
    client.close();
    server.close();
  });
});

describe("raw sockets", () => {
  it("carry packets of a protocol, with the IP header in IPv4 and without it in IPv6", async () => {
    const { a, b } = scene.joined();
    for (const [family, to, from, header] of [
      [4, "10.0.0.2", "10.0.0.1", 20],
      [6, "fd00::2", "fd00::1", 0],
    ] as const) {
      const [sender, receiver] = [a.sockets.openRaw(family, 132), b.sockets.openRaw(family, 132)];
      let stop = (): void => {};
      const received = new Promise<[Uint8Array, string]>((resolve) => {
        ({ stop } = b.sockets.receiveRaw(receiver, (packet, source) => resolve([packet, source])));
      });
      // The checksum of SCTP is not the kernel's business here: a raw socket sends what it is given.
      const payload = Uint8Array.from([0, 80, 0, 81, 1, 2, 3, 4, 5, 6, 7, 8]);
      a.sockets.sendRaw(sender, to, payload);
      const [packet, source] = await received;
      expect(source).toBe(from);
      expect(packet.subarray(header)).toEqual(payload);
      stop();
      a.sockets.close(sender);
      b.sockets.close(receiver);
    }
  });
});
