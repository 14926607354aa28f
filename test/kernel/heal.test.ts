// What others do to a node's settings and to pods' interfaces is put right; pods with several interfaces.
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CniResult } from "../../src/cni/spec.ts";
import { run } from "../../src/kernel/exec/index.ts";
import { type Kernel, POD_LINK_GROUP } from "../../src/kernel/index.ts";
import { TestNode } from "./agent-node.ts";
import { pings } from "./pings.ts";

let node: TestNode;
let kernel: Kernel;
beforeEach(async () => {
  node = new TestNode();
  node.addresses.families = [4, 6];
  await (await node.start({ health: { port: 0 } })).ready;
  kernel = node.machine.open({ name: node.netns });
});
afterEach(async () => {
  kernel.close();
  await node.stop();
});

const inNode = (...words: string[]) =>
  run(words[0] ?? "", words.slice(1), { netns: { name: node.netns }, codes: "any" });

async function plug(name: string, ifName = "eth0"): Promise<CniResult> {
  const netns = node.machine.listNetns().includes(`${node.netns}-${name}`)
    ? `/run/netns/${node.netns}-${name}`
    : node.pod(name);
  const added = await node.cni("ADD", { CNI_CONTAINERID: name, CNI_NETNS: netns, CNI_IFNAME: ifName });
  expect(added).toMatchObject({ code: 0 });
  return JSON.parse(added.stdout) as CniResult;
}

const reaches = (name: string, to: string, from?: string) =>
  pings(node.machine, `${node.netns}-${name}`, to, { from, timeoutMs: 3000 });

const ipsOf = (result: CniResult): string[] =>
  (result.ips ?? []).map(({ address }) => address.split("/")[0] ?? "");
const hostEnd = (result: CniResult): string => result.interfaces?.[0]?.name ?? "";
const metrics = async (): Promise<string> =>
  (await fetch(`http://127.0.0.1:${node.agent?.healthPort}/metrics`)).text();

describe("the node's settings", () => {
  it.each(["net/ipv4/ip_forward", "net/ipv4/conf/up0/forwarding", "net/ipv6/conf/all/forwarding"])(
    "%s is put back when somebody changes it, and counted",
    async (setting) => {
      expect(kernel.sysctl.get(setting)).toBe("1");
      kernel.sysctl.set(setting, 0);
      await expect.poll(() => kernel.sysctl.get(setting), { interval: 10, timeout: 3000 }).toBe("1");
      expect(await metrics()).toMatch(/trunkline_setting_repairs_total\{of="node",node="[^"]+"\} [1-9]/);
    },
  );

  it("are not touched before it is certain that this machine is the node", async () => {
    await node.agent?.stop();
    const settings = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];
    for (const setting of settings) kernel.sysctl.set(setting, 0);
    await node.start({ node: "another" });
    await expect.poll(() => node.agent?.notReady().join()).toContain("another has no InternalIP");
    await sleep(50);
    expect(settings.map((setting) => kernel.sysctl.get(setting))).toEqual(["0", "0"]);
  });

  it("that cannot be put right make the node not ready, and no pod is added", async () => {
    const refused = Object.assign(new Error("read-only"), { code: "EROFS" });
    const machine = {
      ...node.machine,
      createNetns: node.machine.createNetns.bind(node.machine),
      removeNetns: node.machine.removeNetns.bind(node.machine),
      listNetns: node.machine.listNetns.bind(node.machine),
      identityOf: node.machine.identityOf.bind(node.machine),
      open: (ref: Parameters<typeof node.machine.open>[0]) => {
        const handle = node.machine.open(ref);
        const set = handle.sysctl.set.bind(handle.sysctl);
        handle.sysctl.set = (key, value) => {
          if (key === "net/ipv4/ip_forward") throw refused;
          set(key, value);
        };
        return handle;
      },
    };
    await node.agent?.stop();
    kernel.sysctl.set("net/ipv4/ip_forward", 0);
    await node.start({ machine, health: { port: 0 } });
    await expect.poll(() => node.agent?.notReady().join()).toContain("read-only");
    const netns = node.pod("never");
    const added = await node.cni("ADD", { CNI_CONTAINERID: "never", CNI_NETNS: netns });
    expect(JSON.parse(added.stdout)).toMatchObject({ code: 11 });
    expect(await metrics()).toContain('trunkline_problems{code="settings.refused"');
  });
});

describe("a pod's interface on the node", () => {
  it("that is set down and up again has its routes and its address back", async () => {
    const a = await plug("a");
    const b = await plug("b");
    const others = ipsOf(b);
    await inNode("ip", "link", "set", hostEnd(a), "down");
    await inNode("ip", "link", "set", hostEnd(a), "up");
    const routes = () =>
      kernel.routes.list().filter(({ destination }) => ipsOf(a).includes(destination.split("/")[0] ?? ""));
    await expect.poll(routes, { interval: 5, timeout: 3000 }).toHaveLength(2);
    for (const ip of others) expect(await reaches("a", ip)).toBe(true);
    expect(kernel.links.get(hostEnd(a))?.up).toBe(true);
  });

  it("that is set down is set up", async () => {
    const [a, b] = [await plug("a"), await plug("b")];
    await inNode("ip", "link", "set", hostEnd(a), "down");
    await expect.poll(() => kernel.links.get(hostEnd(a))?.up, { interval: 5, timeout: 5000 }).toBe(true);
    await expect
      .poll(() => kernel.addresses.list(kernel.links.get(hostEnd(a))?.index), { timeout: 5000 })
      .toHaveLength(1);
    for (const ip of ipsOf(b)) expect(await reaches("a", ip)).toBe(true);
  });

  it.each([
    ["net/ipv4/conf/NAME/rp_filter", "1"],
    ["net/ipv4/conf/NAME/forwarding", "1"],
    ["net/ipv4/conf/NAME/proxy_arp", "1"],
    ["net/ipv6/conf/NAME/proxy_ndp", "1"],
  ])("has %s put back by event", async (name, value) => {
    const a = await plug("a");
    const setting = name.replace("NAME", hostEnd(a));
    expect(kernel.sysctl.get(setting)).toBe(value);
    kernel.sysctl.set(setting, 0);
    await expect.poll(() => kernel.sysctl.get(setting), { interval: 5, timeout: 3000 }).toBe(value);
  });

  it("gets its IPv6 back when somebody switches that off", async () => {
    const [a, b] = [await plug("a"), await plug("b")];
    const six = ipsOf(b)[1] ?? "";
    kernel.sysctl.set(`net/ipv6/conf/${hostEnd(a)}/disable_ipv6`, 1);
    await expect.poll(() => reaches("a", six), { interval: 20, timeout: 5000 }).toBe(true);
  });

  it("is put back into the group by which the rules know it", async () => {
    const a = await plug("a");
    await inNode("ip", "link", "set", hostEnd(a), "group", "0");
    await expect.poll(() => kernel.links.get(hostEnd(a))?.group, { interval: 5 }).toBe(POD_LINK_GROUP);
  });
});

describe("a pod with two interfaces", () => {
  it("keeps the first one's default routes, is reached by both, and is whole after DEL of the second", async () => {
    const first = await plug("a");
    const b = await plug("b");
    const pod = node.machine.open({ name: `${node.netns}-a` });
    const before = pod.routes.list().filter(({ destination }) => !destination.startsWith("fe80"));
    const second = await plug("a", "net1");
    const now = () => pod.routes.list().filter(({ destination }) => !destination.startsWith("fe80"));
    expect(second.routes).toEqual([]);
    // The kernel's own routes of the new addresses, and nothing else.
    expect(now().filter(({ protocol }) => protocol !== 2)).toEqual(
      before.filter(({ protocol }) => protocol !== 2),
    );
    for (const ip of [...ipsOf(first), ...ipsOf(second)])
      expect([ip, await reaches("b", ip)]).toEqual([ip, true]);
    for (const [at, ip] of ipsOf(b).entries()) {
      expect(await reaches("a", ip)).toBe(true);
      expect(await reaches("a", ip, ipsOf(second)[at])).toBe(true);
    }
    const check = { CNI_CONTAINERID: "a", CNI_NETNS: `/run/netns/${node.netns}-a` };
    for (const [ifName, prevResult] of [
      ["eth0", first],
      ["net1", second],
    ] as const)
      expect(
        await node.cni("CHECK", { ...check, CNI_IFNAME: ifName }, node.config({ prevResult })),
      ).toMatchObject({
        code: 0,
        stdout: "",
      });
    expect(await node.cni("DEL", { ...check, CNI_IFNAME: "net1" })).toMatchObject({ code: 0 });
    await node.agent?.endpoints.settled();
    expect(now()).toEqual(before);
    expect(pod.rules.list().filter(({ from }) => from !== undefined)).toEqual([]);
    for (const ip of ipsOf(b)) expect(await reaches("a", ip)).toBe(true);
    expect(await node.cni("CHECK", check, node.config({ prevResult: first }))).toMatchObject({ code: 0 });
    pod.close();
  });

  it("keeps the default routes that another plugin made", async () => {
    const netns = `${node.netns}-a`;
    node.pod("a");
    const pod = node.machine.open({ name: netns });
    const inPod = (...words: string[]) => run("ip", words, { netns: { name: netns } });
    await inPod("link", "add", "eth0", "type", "bridge");
    await inPod("address", "add", "10.50.0.2/24", "dev", "eth0");
    await inPod("-6", "address", "add", "fd50::2/64", "dev", "eth0", "nodad");
    await inPod("link", "set", "eth0", "up");
    await inPod("route", "add", "default", "via", "10.50.0.1");
    await inPod("-6", "route", "add", "default", "via", "fd50::1", "metric", "512");
    const defaults = () =>
      pod.routes.list().filter(({ destination }) => ["0.0.0.0/0", "::/0"].includes(destination));
    const before = defaults();
    expect(before).toHaveLength(2);
    const result = await plug("a", "net1");
    expect(defaults()).toEqual(before);
    expect(result.routes).toEqual([]);
    const b = await plug("b");
    for (const [at, ip] of ipsOf(b).entries()) expect(await reaches("a", ip, ipsOf(result)[at])).toBe(true);
    await node.cni("DEL", { CNI_CONTAINERID: "a", CNI_NETNS: `/run/netns/${netns}`, CNI_IFNAME: "net1" });
    expect(defaults()).toEqual(before);
    pod.close();
  });
});
