import { once } from "node:events";
import { createServer, Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { makeScene } from "./scene.ts";

const scene = makeScene();

describe("conntrack", () => {
  it("lists the connections of its namespace and forgets one", async () => {
    const { a, b } = scene.joined();
    // Connections are tracked only where a rule asks for it.
    await b.nft.run(
      "add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ct state new accept",
    );
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket));
    server.listen({ fd: b.sockets.listenTcp("0.0.0.0", 80) });
    const client = new Socket({ fd: a.sockets.connectTcp("10.0.0.2", 80), readable: true, writable: true });
    await once(server, "connection");

    const [flow, ...others] = await b.conntrack.list({ address: "10.0.0.1" });
    expect(others).toEqual([]);
    expect(flow).toMatchObject({
      family: 4,
      protocol: 6,
      original: { source: "10.0.0.1", destination: "10.0.0.2", destinationPort: 80 },
      reply: { source: "10.0.0.2", destination: "10.0.0.1", sourcePort: 80 },
      mark: 0,
      zone: 0,
      state: "ESTABLISHED",
    });
    expect(await a.conntrack.list()).toEqual([]);
    expect(await b.conntrack.list({ address: "10.0.0.3" })).toEqual([]);
    expect(await b.conntrack.list({ family: 6 })).toEqual([]);

    // Another id with the same addresses is another connection: it is not this one's business.
    b.conntrack.remove({ ...flow!, id: flow!.id ^ 1 });
    expect(await b.conntrack.list()).toHaveLength(1);
    // Lists take turns, and a removal does not wait for them; the thread may have read the table before it or after.
    const lists = [b.conntrack.list(), b.conntrack.list()];
    b.conntrack.remove(flow!);
    b.conntrack.remove(flow!);
    for (const list of await Promise.all(lists)) expect([0, 1]).toContain(list.length);
    expect(await b.conntrack.list()).toEqual([]);
    const late = b.conntrack.list();
    b.close();
    await expect(late).rejects.toMatchObject({ code: "kernel.closed" });
    await expect(b.conntrack.list()).rejects.toMatchObject({ code: "kernel.closed" });
    client.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});
