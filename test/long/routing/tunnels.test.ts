// Packets between nodes in tunnels: VXLAN on this kernel, and what becomes of IP in IP where the kernel has none.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Commands } from "../../e2e/trunkline.ts";

const LAB = `
name: tunnels
networks:
  - {name: lan-a, cidr: 192.168.18.0/24}
  - {name: lan-b, cidr: 192.168.28.0/24}
routers: [{name: r1, type: static, addresses: [192.168.18.1, 192.168.28.1], podRoutes: false}]
nodes:
  - {name: node1, address: 192.168.18.11, labels: {at: n1}}
  - {name: node2, address: 192.168.18.12, labels: {at: n2}}
  - {name: node3, address: 192.168.28.13, labels: {at: n3}}
`;
const pool = (mode: string) => `apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pool}
spec: {cidr: 10.1.0.0/16, natOutgoing: true, ${mode}}
`;
const pod = (name: string, at: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  nodeSelector: {at: ${at}}
  containers: [{name: web, image: web, ports: [{containerPort: 80}]}]
`;

/** Both other nodes are reached through the device. */
const TWICE = /dev vxlan\.tl .*onlink[\s\S]*dev vxlan\.tl .*onlink/;

describe("tunnels between nodes", () => {
  const commands = new Commands();
  const { lab } = commands;
  const on = (member: string, ...words: string[]) => commands.ask("lab", "exec", member, "--", ...words);
  const routes = () => on("node1", "ip", "route", "show", "proto", "84");
  const eventually = { timeout: 20_000, interval: 100 };
  const turn = (mode: string) => commands.ask("apply", "-f", commands.file("pool.yaml", pool(mode)));
  const podIp = (name: string) => commands.ask("get", "pod", name, "-o", "jsonpath={.status.podIP}");
  const seen = async (from: string, to: string) =>
    (await commands.json<{ reachable: boolean; sourceSeen: string }>("probe", from, to)).sourceSeen;
  const tunnelAddress = (node: string) =>
    commands.ask(
      "get",
      "node",
      node,
      "-o",
      "jsonpath={.metadata.annotations.projectcalico\\.org/IPv4VXLANTunnelAddr}",
    );

  beforeAll(async () => {
    await commands.up(commands.file("lab.yaml", LAB));
    const text = pool("vxlanMode: Always") + pod("w1", "n1") + pod("w2", "n2") + pod("w3", "n3");
    await commands.ask("apply", "-f", commands.file("all.yaml", text));
    await commands.ask("wait", "--for", "ready", "--all");
  }, 60_000);
  afterAll(() => commands.end(), 60_000);

  it("carry packets between networks that know nothing of pods, with room for what they add", async () => {
    await turn("vxlanMode: Always");
    await expect.poll(routes, eventually).toMatch(TWICE);
    const source = await tunnelAddress("node1");
    expect(await seen("pod/w1", "pod/w3:80")).toBe(await podIp("w1"));
    expect(await seen("node/node1", "pod/w3:80")).toBe(source);
    const told = await commands.json<{ sourceSeen: string }>("explain", "node/node1", "pod/w3:80");
    expect(told.sourceSeen).toBe(source);
    expect(await on("node1", "ip", "-d", "link", "show", "vxlan.tl")).toMatch(
      /mtu 1450.*vxlan id 4096 .*dstport 4789 nolearning/s,
    );
    expect(await on("node1", "ethtool", "-k", "vxlan.tl")).toContain("tx-checksum-ip-generic: off");
    expect(await on("w1", "ip", "link", "show", "eth0")).toContain("mtu 1450");
    const held = await commands.ask("ipam", "show", "--addresses");
    expect(held).toMatch(new RegExp(`${source.replaceAll(".", "\\.")} +tunnel \\(vxlan\\.tl\\) +node1`));
    expect((await commands.say("ipam", "check", "--lab", lab)).code).toBe(0);
    // Connections are tracked as pods have them, and not once more around them.
    const tracked = await on("node1", "cat", "/proc/net/nf_conntrack");
    expect(tracked).toContain(`src=${await podIp("w1")}`);
    expect(tracked).not.toMatch(/dport=4789\b/);
  }, 60_000);

  it("are taken from known nodes only, and pods can send none to nodes", async () => {
    await turn("vxlanMode: Always");
    await expect.poll(routes, eventually).toContain("vxlan.tl");
    const device = async () => {
      const text = await on("node3", "ip", "-j", "-s", "link", "show", "vxlan.tl");
      return (JSON.parse(text) as { address: string; stats64: { rx: { packets: number } } }[])[0]!;
    };
    const received = async () => (await device()).stats64.rx.packets;
    // What a node would send to w3 by itself, as whole packets in VXLAN: from a pod, and from somebody who is no node.
    await expect.poll(() => tunnelAddress("node3"), eventually).not.toBe("");
    const [{ address }, target] = [await device(), await podIp("w3")];
    const forged = (to: string) => [process.execPath, "-e", FORGE, to, address, target];
    const before = await received();
    await on("w1", ...forged("192.168.28.13"));
    await on("r1", ...forged("192.168.28.13"));
    expect(await received()).toBe(before);
    // The same packets by a node arrive, so they are no bad ones.
    await on("node1", ...forged("192.168.28.13"));
    await expect.poll(received, eventually).toBe(before + 1);
    // That is what explain says of the port, and what a packet finds that is no tunnel's.
    for (const [from, to] of [
      ["pod/w1", "node/node3"],
      ["pod/w1", "node/node1"],
      ["host/r1", "node/node3"],
      ["node/node1", "node/node3"],
    ]) {
      const asked = (what: string) =>
        commands.say(what, `${from}`, `${to}:4789/udp`, "-o", "json", "--lab", lab);
      const told = JSON.parse((await asked("explain")).stdout) as { expected: string };
      const found = JSON.parse((await asked("probe")).stdout) as { outcome: string };
      expect([from, to, told.expected, found.outcome]).toEqual([from, to, "filtered", "filtered"]);
    }
  }, 60_000);

  it("are closed to pods that sent there before there were any, by connections that are open", async () => {
    await turn("vxlanMode: Never");
    const chains = () => on("node1", "nft", "list", "chains", "inet");
    await expect.poll(chains, eventually).not.toContain("tunnel-");
    const [send, from] = [() => on("w1", process.execPath, "-e", SEND, "192.168.28.13"), await podIp("w1")];
    const open = async () =>
      (await on("node1", "cat", "/proc/net/nf_conntrack"))
        .split("\n")
        .filter((line) => line.includes(`src=${from} `) && /dport=4789\b/.test(line));
    await send();
    expect(await open()).toHaveLength(1);
    await turn("vxlanMode: Always");
    await expect.poll(routes, eventually).toMatch(TWICE);
    expect(await open()).toEqual([]);
    await send();
    expect(await open()).toEqual([]);
  }, 60_000);

  it("are switched on a running pool: no pod loses its address, and every way is there in the end", async () => {
    const before = await podIp("w3");
    await turn("vxlanMode: CrossSubnet");
    await expect.poll(routes, eventually).toMatch(/via 192\.168\.18\.12 dev eth0/);
    await expect.poll(routes, eventually).toMatch(/dev vxlan\.tl/);
    expect(await seen("pod/w1", "pod/w2:80")).toBe(await podIp("w1"));
    expect(await seen("pod/w1", "pod/w3:80")).toBe(await podIp("w1"));
    const explained = await commands.ask("explain", "pod/w1", "pod/w2:80");
    expect(explained).toContain("without a tunnel, as both nodes are in one network");
    await turn("vxlanMode: Never");
    await expect.poll(routes, eventually).not.toContain("vxlan.tl");
    const device = () =>
      commands.say("lab", "exec", "node1", "--lab", lab, "--", "ip", "link", "show", "vxlan.tl");
    await expect.poll(async () => (await device()).code, eventually).toBe(1);
    expect(await tunnelAddress("node1")).toBe("");
    await turn("vxlanMode: Always");
    await expect.poll(routes, eventually).toMatch(TWICE);
    await expect
      .poll(async () => (await commands.say("probe", "pod/w1", "pod/w3:80", "--lab", lab)).code, eventually)
      .toBe(0);
    expect(await podIp("w3")).toBe(before);
  }, 90_000);

  it("follow a node that is renumbered and an agent that is killed", async () => {
    await turn("vxlanMode: Always");
    await expect.poll(routes, eventually).toMatch(TWICE);
    await commands.ask("lab", "process", "kill", "agent/node3");
    await commands.ask("lab", "node", "renumber", "node3", "192.168.28.77");
    const ends = () => on("node1", "bridge", "fdb", "show", "dev", "vxlan.tl");
    await expect.poll(ends, eventually).toContain("dst 192.168.28.77");
    await expect
      .poll(async () => (await commands.say("probe", "pod/w1", "pod/w3:80", "--lab", lab)).code, eventually)
      .toBe(0);
    expect(await ends()).not.toContain("192.168.28.13");
    await commands.ask("lab", "node", "renumber", "node3", "192.168.28.13");
    await expect.poll(ends, eventually).toContain("dst 192.168.28.13");
  }, 60_000);

  it("that the kernel lacks are told of on the node and on the pool, and packets go without them", async () => {
    await turn("ipipMode: Always");
    const condition = (kind: string, name: string) =>
      commands.ask("get", kind, name, "-o", "jsonpath={.status.conditions[?(@.type=='TunnelReady')].reason}");
    // A kernel with the module is asked in test/vm.
    if (
      (await commands.say("lab", "exec", "node1", "--lab", lab, "--", "ip", "link", "show", "tunl0")).code ===
      0
    )
      throw new Error("this kernel has IP in IP: what it is like without cannot be shown here");
    await expect.poll(() => condition("node", "node1"), eventually).toBe("KernelLacksIPIP");
    await expect.poll(() => condition("ippool", "pool"), eventually).toBe("KernelLacksIPIP");
    await expect.poll(routes, eventually).toMatch(/via 192\.168\.18\.12 dev eth0/);
    expect(await seen("pod/w1", "pod/w2:80")).toBe(await podIp("w1"));
    expect(await commands.ask("describe", "ippool", "pool")).toContain("the kernel has no IP in IP");
    expect(await commands.ask("route", "show", "--node", "node1")).toContain(
      "a node's kernel has no IP in IP",
    );
    expect((await commands.say("ipam", "check", "--lab", lab)).code).toBe(0);
    await turn("vxlanMode: Always");
    await expect.poll(() => condition("ippool", "pool"), eventually).toBe("TunnelsStand");
  }, 60_000);
});

/** Sends one UDP datagram to port 4789 that holds an Ethernet frame with an ICMP echo request for a pod. */
const FORGE = `
const [to, mac, pod] = process.argv.slice(1);
const sum = (bytes) => {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt16BE(at);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
};
const address = (text) => Buffer.from(text.split(".").map(Number));
const echo = Buffer.from([8, 0, 0, 0, 0, 7, 0, 1]);
echo.writeUInt16BE(sum(echo), 2);
const head = Buffer.from([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0]);
const ip = Buffer.concat([head, address("10.1.255.254"), address(pod)]);
ip.writeUInt16BE(sum(ip), 10);
const vxlan = Buffer.from([8, 0, 0, 0, 0, 0x10, 0, 0]);
const frame = Buffer.concat([Buffer.from(mac.replaceAll(":", ""), "hex"), Buffer.from("020000000001" + "0800", "hex"), ip, echo]);
const socket = require("node:dgram").createSocket("udp4");
socket.send(Buffer.concat([vxlan, frame]), 4789, to, () => socket.close());
`;

/** Sends one UDP datagram to port 4789, always from the same port. */
const SEND = `
const socket = require("node:dgram").createSocket("udp4");
socket.bind(5555, () => socket.send("x", 4789, process.argv[1], () => socket.close()));
`;
