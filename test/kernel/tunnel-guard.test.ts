import { describe, expect, it } from "vitest";
import { checksum } from "../../src/agent/probe/icmp.ts";
import { parseIp } from "../../src/base/ip.ts";
import { type Kernel, POD_LINK_GROUP } from "../../src/kernel/index.ts";
import { NftTable } from "../../src/kernel/nft/document.ts";
import { writeTunnelGuard } from "../../src/plan/routing/tunnel-guard.ts";
import { tunnelTypes, VXLAN_PORT } from "../../src/plan/routing/tunnels.ts";
import { firstPacket } from "./packets.ts";
import { makeScene, until } from "./scene.ts";

const scene = makeScene();
const TRANSLATED = 5353;
/** A node's neighbour, whose packets are a known node's or not by the source that it writes. */
const known = { 4: "10.0.0.1", 6: "fd00::1" } as const;
const stranger = { 4: "10.0.0.9", 6: "fd00::9" } as const;
const own = { 4: "10.0.0.2", 6: "fd00::2" } as const;
const toMany = { 4: ["10.0.0.255", "255.255.255.255", "224.0.0.1"], 6: ["ff02::1"] } as const;

async function guarded() {
  const { a, b, linkA, linkB } = scene.joined();
  const table = new NftTable("inet", "trunkline");
  const all = { 4: [own[4], known[4]], 6: [own[6], known[6]] };
  writeTunnelGuard(table, tunnelTypes, { all, others: { 4: [known[4]], 6: [known[6]] } });
  for (const step of table.steps()) await b.nft.run("text" in step ? step.text : "");
  await b.nft.run(`
    add table inet seen
    add chain inet seen translating { type nat hook prerouting priority -100; }
    add rule inet seen translating udp dport ${TRANSLATED} redirect to :${VXLAN_PORT}
    add chain inet seen reached { type filter hook input priority 300; }
    add rule inet seen reached udp dport ${VXLAN_PORT} counter drop
    add rule inet seen reached udp dport 9 counter drop`);
  const socket = a.sockets.openPacket(linkA.index);
  const send = (from: string, to: string, port: number = VXLAN_PORT) => {
    a.sockets.sendPacket(socket, linkA.index, frame(linkB.mac!, from, to, port));
  };
  const counted = async () =>
    [...(await b.nft.text("list chain inet seen reached"))!.matchAll(/packets (\d+)/g)].map(([, n]) => +n!);
  /** Returns how many packets have reached a tunnel's port, once all that were sent are through. */
  const reached = async () => {
    const [, before = 0] = await counted();
    for (let i = 0; i < 8; i++) send(known[4], own[4], 9);
    await until(async () => (await counted())[1] === before + 8);
    return (await counted())[0];
  };
  return { node: b, linkB, send, reached };
}

describe("a node with tunnels", () => {
  for (const family of [4, 6] as const) {
    it(`takes tunnels' packets of known nodes, untracked, and nobody else's (IPv${family})`, async () => {
      const { node, send, reached } = await guarded();
      send(known[family], own[family]);
      expect(await reached()).toBe(1);
      expect(await tunnelled(node)).toEqual([]);
      for (const to of [own[family], ...toMany[family]]) send(stranger[family], to);
      const [linkLocal] = node.addresses.list().filter(({ scope }) => scope === "link");
      if (family === 6) send(stranger[6], linkLocal!.address.split("/")[0]!);
      expect(await reached()).toBe(1);
      // They would have reached it.
      await node.nft.run("delete table inet trunkline");
      for (const to of [own[family], ...toMany[family]]) send(stranger[family], to);
      expect(await reached()).toBe(2 + toMany[family].length);
    });

    it(`asks for the sender of what is translated to a tunnel's port, too (IPv${family})`, async () => {
      const { send, reached } = await guarded();
      send(stranger[family], own[family], TRANSLATED);
      expect(await reached()).toBe(0);
      send(known[family], own[family], TRANSLATED);
      expect(await reached()).toBe(1);
    });

    it(`takes none that a pod sends with a node's address (IPv${family})`, async () => {
      const { node, linkB, send, reached } = await guarded();
      node.links.change(linkB.index, { group: POD_LINK_GROUP });
      send(known[family], own[family]);
      expect(await reached()).toBe(0);
    });
  }
});

async function tunnelled(node: Kernel) {
  return (await node.conntrack.list()).filter(({ original }) => original.destinationPort === VXLAN_PORT);
}

/** An Ethernet frame with a UDP packet; to all where the address is not this link's. */
function frame(mac: string, from: string, to: string, port: number): Uint8Array {
  const isV6 = to.includes(":");
  const udp = firstPacket({ protocol: "UDP", from, to, sourcePort: 40_000, port });
  const isOne = to === own[4] || to === own[6] || to.startsWith("fe80");
  const ethernet = Buffer.from(
    `${isOne ? mac.replaceAll(":", "") : "ffffffffffff"}020000000009${isV6 ? "86dd" : "0800"}`,
    "hex",
  );
  return Buffer.concat([ethernet, isV6 ? header6(from, to, udp.length) : header4(from, to, udp.length), udp]);
}

/** RFC 791: the sum covers the header only. */
function header4(from: string, to: string, length: number): Buffer {
  const addresses = [from, to].flatMap((address) => address.split(".").map(Number));
  const header = Buffer.from([0x45, 0, 0, 20 + length, 0, 1, 0, 0, 64, 17, 0, 0, ...addresses]);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

/** RFC 8200. */
function header6(from: string, to: string, length: number): Buffer {
  const addresses = [from, to].map((address) =>
    Buffer.from(parseIp(address).value.toString(16).padStart(32, "0"), "hex"),
  );
  return Buffer.concat([Buffer.from([0x60, 0, 0, 0, 0, length, 17, 64]), ...addresses]);
}
