// Packets that a pod sends from another pod's IPv6 address, and that the kernel would answer before any rule of the forward
// hook is asked: the answer must not reach whom the address belongs to.
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Ipv6Guard } from "../../../src/agent/managers/policy/ipv6-guard.ts";
import { HOST_MAC } from "../../../src/agent/pods/wire.ts";
import { probe } from "../../../src/agent/probe/client.ts";
import { formatIp, parseIp } from "../../../src/base/ip.ts";
import type { CniResult } from "../../../src/cni/spec.ts";
import type { Kernel } from "../../../src/kernel/index.ts";
import { TestNode } from "../agent-node.ts";

const IPV6 = 0x86dd;
const OPTIONS = "net/ipv6/max_hbh_opts_number";

interface Pod {
  readonly kernel: Kernel;
  readonly six: string;
  readonly link: number;
  readonly mac: string;
  readonly hostEnd: string;
}

let node: TestNode;
let kernel: Kernel;
const pods: Pod[] = [];

beforeEach(async () => {
  node = new TestNode();
  node.addresses.families = [4, 6];
  await (await node.start({ managers: (parts) => [new Ipv6Guard(parts.kernel)] })).ready;
  kernel = node.machine.open({ name: node.netns });
});
afterEach(async () => {
  for (const pod of pods.splice(0)) pod.kernel.close();
  kernel.close();
  await node.stop();
});

async function plug(name: string): Promise<Pod> {
  const netns = node.pod(name);
  const added = await node.cni("ADD", { CNI_CONTAINERID: name, CNI_NETNS: netns });
  const result = JSON.parse(added.stdout) as CniResult;
  const inside = node.machine.open({ path: netns });
  const eth0 = inside.links.get("eth0")!;
  const six = result.ips?.[1]?.address.split("/")[0] ?? "";
  const pod = {
    kernel: inside,
    six,
    link: eth0.index,
    mac: eth0.mac ?? "",
    hostEnd: result.interfaces?.[0]?.name ?? "",
  };
  pods.push(pod);
  return pod;
}

const bytesOf = (address: string): Buffer =>
  Buffer.from(parseIp(address).value.toString(16).padStart(32, "0"), "hex");
const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(":", ""), "hex");

interface Facts {
  readonly from: string;
  readonly to: string;
  readonly hopLimit?: number;
  readonly option?: boolean;
  readonly length?: number;
}

/** Sends a UDP datagram, perhaps behind a hop-by-hop option that nobody knows and everybody must complain about. */
function send(pod: Pod, { from, to, hopLimit = 64, option = false, length = 16 }: Facts): void {
  const datagram = Buffer.alloc(length);
  datagram.writeUInt16BE(4000, 0);
  datagram.writeUInt16BE(4001, 2);
  datagram.writeUInt16BE(length, 4);
  const payload = option ? Buffer.concat([Buffer.from([17, 0, 0x9e, 4, 0, 0, 0, 0]), datagram]) : datagram;
  const header = Buffer.alloc(40);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(payload.length, 4);
  header.writeUInt8(option ? 0 : 17, 6);
  header.writeUInt8(hopLimit, 7);
  bytesOf(from).copy(header, 8);
  bytesOf(to).copy(header, 24);
  const frame = Buffer.concat([
    macBytes(HOST_MAC),
    macBytes(pod.mac),
    Buffer.from("86dd", "hex"),
    header,
    payload,
  ]);
  const fd = pod.kernel.sockets.openPacket(pod.link, IPV6);
  pod.kernel.sockets.sendPacket(fd, pod.link, frame);
  pod.kernel.sockets.close(fd);
}

/** Collects the types of ICMPv6 errors (1 to 4) that reach a pod. */
function errorsAt(pod: Pod): { readonly types: number[]; stop(): void } {
  const types: number[] = [];
  const fd = pod.kernel.sockets.openPacket(pod.link, IPV6);
  const watch = pod.kernel.sockets.receivePackets(fd, ({ direction, bytes }) => {
    const type = bytes[54] ?? 0;
    const to = formatIp({
      family: 6,
      value: BigInt(`0x${Buffer.from(bytes.subarray(38, 54)).toString("hex")}`),
    });
    if (direction === "in" && bytes[20] === 58 && type < 128 && to === pod.six) types.push(type);
  });
  return {
    types,
    stop: () => {
      watch.stop();
      pod.kernel.sockets.close(fd);
    },
  };
}

/** All that the kernel answers by itself: hop limit used up, no way, too big, an option that it does not know. */
function sendAll(pod: Pod, from: string, to: string): void {
  send(pod, { from, to, hopLimit: 1 });
  send(pod, { from, to: "2001:db8::1" });
  send(pod, { from, to, length: 1400 });
  send(pod, { from, to, option: true });
}

it("get no answer, while honest ones do; without the guard the answers reach the victim", async () => {
  const [attacker, victim, other] = [await plug("a"), await plug("b"), await plug("c")];
  kernel.links.change(other.hostEnd, { mtu: 1300 });
  expect(Number(kernel.sysctl.get(OPTIONS))).toBeLessThan(0);
  const [own, stolen] = [errorsAt(attacker), errorsAt(victim)];
  sendAll(attacker, victim.six, other.six);
  sendAll(attacker, attacker.six, other.six);
  await expect.poll(() => new Set(own.types)).toEqual(new Set([1, 2, 3]));
  expect(stolen.types).toEqual([]);
  const target = { kernel: attacker.kernel, to: victim.six, protocol: "ICMP", timeoutMs: 3000 } as const;
  expect((await probe(target)).reachable).toBe(true);
  expect(stolen.types).toEqual([]);

  await node.agent?.stop();
  await kernel.nft.run("delete table ip6 trunkline");
  kernel.sysctl.set(OPTIONS, 8);
  // The kernel sends one address only so many errors a second.
  await sleep(1000);
  sendAll(attacker, victim.six, other.six);
  await expect.poll(() => new Set(stolen.types), { timeout: 3000 }).toEqual(new Set([1, 2, 3, 4]));
  own.stop();
  stolen.stop();
});

it("meet a table that is there only while pods have IPv6, and comes back when somebody takes it away", async () => {
  const table = () => kernel.nft.text("list table ip6 trunkline");
  node.addresses.families = [4];
  await node.cni("ADD", { CNI_CONTAINERID: "four", CNI_NETNS: node.pod("four") });
  expect(await table()).toBeUndefined();
  node.addresses.families = [4, 6];
  const pod = await plug("six");
  expect(await table()).toContain(`"${pod.hostEnd}" . ${pod.six}`);
  const other = node.machine.open({ name: node.netns });
  await other.nft.run("delete table ip6 trunkline");
  other.close();
  await expect.poll(table, { timeout: 5000 }).toContain(`"${pod.hostEnd}" . ${pod.six}`);
  await node.cni("DEL", { CNI_CONTAINERID: "six", CNI_NETNS: "" });
  await expect.poll(table, { timeout: 5000 }).toBeUndefined();
});
