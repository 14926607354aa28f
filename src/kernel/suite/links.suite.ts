import { expect, it } from "vitest";
import { hasIpv6 } from "../ipv6.ts";
import { codeOf, type Scene, until } from "./scene.suite.ts";

export function namespaceTests(scene: Scene): void {
  it("makes a namespace with its loopback up", () => {
    const name = scene.netns();
    expect(scene.machine.listNetns()).toContain(name);
    const lo = scene.open(name).links.get("lo");
    expect(lo).toMatchObject({ index: 1, name: "lo", kind: undefined, up: true, mtu: 65536 });
  });

  it("marks a namespace with its loopback's alias", () => {
    const name = scene.netns("somebody's");
    expect(scene.open(name).links.get("lo")?.alias).toBe("somebody's");
    expect(scene.open(scene.netns()).links.get("lo")?.alias).toBeUndefined();
  });

  it("refuses a name that is taken, and one that is no name", () => {
    const name = scene.netns();
    expect(codeOf(() => scene.machine.createNetns(name))).toBe("kernel.exists");
    expect(codeOf(() => scene.machine.createNetns("../x"))).toBe("kernel.name");
    expect(codeOf(() => scene.machine.open({ name: `${name}-not` }))).toBe("kernel.no-netns");
  });

  it("tells namespaces apart, and knows one by any of its names", () => {
    const [a, b] = [scene.netns(), scene.netns()];
    const { machine } = scene;
    expect(machine.identityOf({ name: a })).toBe(machine.identityOf({ path: `/run/netns/${a}` }));
    expect(machine.identityOf({ name: a })).not.toBe(machine.identityOf({ name: b }));
    expect(machine.identityOf({ name: a })).not.toBe(machine.identityOf("self"));
  });

  it("removes a namespace, also twice, and with it its links and their peers", async () => {
    const [here, there] = [scene.netns(), scene.netns()];
    const kernel = scene.open(here);
    kernel.links.add({ kind: "veth", name: "v0", peer: { name: "v1", netns: { name: there } } });
    await scene.machine.removeNetns(there);
    await scene.machine.removeNetns(there);
    expect(scene.machine.listNetns()).not.toContain(there);
    await until(() => kernel.links.get("v0") === undefined);
  });

  it("keeps a handle working when the name is gone, until it is closed", async () => {
    const [here, there] = [scene.netns(), scene.netns()];
    const [near, far] = [scene.open(here), scene.open(there)];
    near.links.add({ kind: "veth", name: "v0", peer: { name: "v1", netns: { name: there } } });
    await scene.machine.removeNetns(there);
    expect(far.links.get("v1")?.kind).toBe("veth");
    far.close();
    await until(() => near.links.get("v0") === undefined);
    expect(codeOf(() => far.links.list())).toBe("kernel.closed");
  });
}

export function linkTests(scene: Scene): void {
  it("puts a link into a group when it is made, and into another one later", async () => {
    const kernel = scene.open(scene.netns());
    const link = { kind: "veth", name: "v0", group: 0x544c0000, peer: { name: "v1" } } as const;
    expect((await kernel.links.make(link)).group).toBe(0x544c0000);
    expect(kernel.links.get("v1")?.group).toBe(0);
    kernel.links.change("v0", { group: 7 });
    expect(kernel.links.list().find(({ name }) => name === "v0")?.group).toBe(7);
  });

  it("makes a veth with its peer in another namespace, and never takes a name here", () => {
    const [here, there] = [scene.netns(), scene.netns()];
    const [near, far] = [scene.open(here), scene.open(there)];
    const link = near.links.add({
      kind: "veth",
      name: "v0",
      mac: "02:00:00:00:00:aa",
      mtu: 1400,
      alias: "pod a/b",
      up: true,
      txQueues: 1,
      peer: { name: "eth0", netns: { name: there }, mac: "02:00:00:00:00:bb", mtu: 1300, up: true },
    });
    const eth0 = far.links.get("eth0");
    expect(link).toMatchObject({
      name: "v0",
      kind: "veth",
      mac: "02:00:00:00:00:aa",
      mtu: 1400,
      alias: "pod a/b",
      up: true,
    });
    expect(eth0).toMatchObject({
      kind: "veth",
      mac: "02:00:00:00:00:bb",
      mtu: 1300,
      up: true,
      running: true,
    });
    expect(link.lower).toBe(eth0?.index);
    expect(eth0?.lower).toBe(link.index);
    expect(near.links.get("eth0")).toBeUndefined();
    expect(near.links.get(link.index)).toEqual({ ...link, running: true });
    expect(near.links.list().map((one) => one.name)).toEqual(["lo", "v0"]);
  });

  it("makes a link straight in another namespace", () => {
    const [here, there] = [scene.netns(), scene.netns()];
    const link = scene
      .open(here)
      .links.add({ kind: "bridge", name: "br0", netns: { name: there }, alias: "x" });
    expect(scene.open(there).links.get("br0")).toEqual(link);
    expect(scene.open(here).links.get("br0")).toBeUndefined();
  });

  it("refuses a name that is taken on either side", () => {
    const [here, there] = [scene.netns(), scene.netns()];
    const [near, far] = [scene.open(here), scene.open(there)];
    near.links.add({ kind: "bridge", name: "taken" });
    far.links.add({ kind: "bridge", name: "eth0" });
    const peer = { name: "eth0", netns: { name: there } };
    expect(codeOf(() => near.links.add({ kind: "bridge", name: "taken" }))).toBe("kernel.exists");
    expect(codeOf(() => near.links.add({ kind: "veth", name: "v0", peer }))).toBe("kernel.exists");
    expect(near.links.get("v0")).toBeUndefined();
  });

  it("refuses what cannot be a name, and a namespace that is not there", () => {
    const kernel = scene.open(scene.netns());
    expect(codeOf(() => kernel.links.add({ kind: "bridge", name: "a/b" }))).toBe("kernel.refused");
    const peer = { name: "eth0", netns: { name: "no-such-namespace-here" } };
    expect(codeOf(() => kernel.links.add({ kind: "veth", name: "v0", peer }))).toBe("kernel.no-netns");
    expect(kernel.links.get("a-name-that-is-far-too-long")).toBeUndefined();
    expect(kernel.links.list()).toHaveLength(1);
  });

  it("changes name, address, size, alias, master and state", () => {
    const kernel = scene.open(scene.netns());
    const bridge = kernel.links.add({ kind: "bridge", name: "br0" });
    const { index } = kernel.links.add({ kind: "veth", name: "v0", peer: { name: "v1" } });
    kernel.links.change(index, {
      name: "port",
      mac: "02:00:00:00:00:01",
      mtu: 1280,
      alias: "a",
      master: bridge.index,
    });
    kernel.links.change("port", { addressGeneration: "none", up: true });
    expect(kernel.links.get("port")).toMatchObject({
      index,
      mac: "02:00:00:00:00:01",
      mtu: 1280,
      alias: "a",
      master: bridge.index,
      addressGeneration: "none",
      up: true,
      running: false,
    });
    kernel.links.change("port", { master: 0, alias: "", up: false });
    expect(kernel.links.get("port")).toMatchObject({ master: undefined, alias: undefined, up: false });
    expect(codeOf(() => kernel.links.change("not-there", { up: true }))).toBe("kernel.missing");
    expect(codeOf(() => kernel.links.change("port", { name: "v1" }))).toBe("kernel.exists");
  });

  it("changes a link's own IPv4 settings, which sysctl then shows", () => {
    const kernel = scene.open(scene.netns());
    kernel.links.add({ kind: "veth", name: "v0", peer: { name: "v1" } });
    const settings = (link: string) =>
      ["proxy_arp", "forwarding", "rp_filter"].map((name) =>
        kernel.sysctl.get(`net/ipv4/conf/${link}/${name}`),
      );
    kernel.links.change("v0", {
      ipv4: { proxyArp: true, forwarding: true, reversePath: "strict" },
      addressGeneration: "none",
    });
    kernel.links.change("v1", { ipv4: { forwarding: false, reversePath: "off" } });
    expect(settings("v0")).toEqual(["1", "1", "1"]);
    expect(settings("v1")).toEqual(["0", "0", "0"]);
    expect(kernel.links.get("v0")?.addressGeneration).toBe("none");
    kernel.links.change("v0", { ipv4: { proxyArp: false, reversePath: "loose" } });
    expect(settings("v0")).toEqual(["0", "1", "2"]);
  });

  it("tells links with their settings as their files do", () => {
    const kernel = scene.open(scene.netns());
    kernel.links.add({ kind: "veth", name: "v0", peer: { name: "v1" } });
    kernel.links.change("v0", { ipv4: { proxyArp: true, reversePath: "loose" } });
    kernel.sysctl.set("net/ipv4/conf/v1/forwarding", 1);
    if (hasIpv6(kernel))
      for (const [name, value] of [
        ["proxy_ndp", 1],
        ["accept_ra", 0],
        ["accept_dad", 0],
        ["disable_ipv6", 1],
      ] as const)
        kernel.sysctl.set(`net/ipv6/conf/v1/${name}`, value);
    const told = kernel.links.listWithSettings();
    expect(told).toMatchObject(kernel.links.list());
    for (const { name, settings } of told) {
      for (const family of [4, 6] as const)
        for (const [setting, value] of Object.entries(settings[family]))
          expect([name, family, setting, value]).toEqual([
            name,
            family,
            setting,
            kernel.sysctl.get(`net/ipv${family}/conf/${name}/${setting}`),
          ]);
      expect(Object.keys(settings[4]).sort()).toEqual(["forwarding", "proxy_arp", "rp_filter"]);
      const six = hasIpv6(kernel) ? ["accept_dad", "accept_ra", "disable_ipv6", "proxy_ndp"] : [];
      expect(Object.keys(settings[6]).sort()).toEqual(six);
    }
  });

  it("moves a link, which arrives down and without its addresses", () => {
    const [here, there] = [scene.netns(), scene.netns()];
    const [near, far] = [scene.open(here), scene.open(there)];
    const { index } = near.links.add({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
    near.addresses.add({ linkIndex: index, address: "10.0.0.1/24", scope: "global" });
    near.links.change("v0", { netns: { name: there }, name: "eth0" });
    expect(near.links.get("v0")).toBeUndefined();
    expect(near.routes.list({ family: 4 })).toEqual([]);
    const moved = far.links.get("eth0");
    expect(moved).toMatchObject({ kind: "veth", up: false });
    expect(far.addresses.list(moved?.index)).toEqual([]);
    expect(near.links.get("v1")).toMatchObject({ up: true, running: false });
  });

  it("removes a link with its peer, and is content if it is gone", async () => {
    const [here, there] = [scene.netns(), scene.netns()];
    const [near, far] = [scene.open(here), scene.open(there)];
    near.links.add({ kind: "veth", name: "v0", peer: { name: "eth0", netns: { name: there } } });
    await near.links.remove("v0");
    expect(near.links.get("v0")).toBeUndefined();
    expect(far.links.get("eth0")).toBeUndefined();
    await near.links.remove("v0");
    await near.links.remove(4711);
  });

  it("removes many links at once, both ends of a pair among them", async () => {
    const kernel = scene.open(scene.netns());
    const names = [1, 2, 3, 4].flatMap((n) => [`a${n}`, `b${n}`]);
    for (const n of [1, 2, 3, 4]) kernel.links.add({ kind: "veth", name: `a${n}`, peer: { name: `b${n}` } });
    kernel.links.add({ kind: "bridge", name: "stays" });
    await Promise.all(names.map((name) => kernel.links.remove(name)));
    expect(kernel.links.list().map((link) => link.name)).toEqual(["lo", "stays"]);
  });

  it("does not remove the loopback, but what was asked for together with it", async () => {
    const kernel = scene.open(scene.netns());
    kernel.links.add({ kind: "bridge", name: "a" });
    kernel.links.add({ kind: "bridge", name: "b" });
    kernel.links.add({ kind: "bridge", name: "stays" });
    const [first, lo, second] = await Promise.allSettled(
      ["a", "lo", "b"].map((name) => kernel.links.remove(name)),
    );
    expect(lo).toMatchObject({ status: "rejected", reason: { code: "kernel.refused" } });
    expect([first?.status, second?.status]).toEqual(["fulfilled", "fulfilled"]);
    expect(kernel.links.list().map((link) => link.name)).toEqual(["lo", "stays"]);
  });

  it("takes a macvlan away with what it stands on", async () => {
    const kernel = scene.open(scene.netns());
    const { index } = kernel.links.add({ kind: "veth", name: "v0", peer: { name: "v1" } });
    const upper = kernel.links.add({ kind: "macvlan", name: "m0", lower: index, mode: "bridge" });
    expect(upper).toMatchObject({ kind: "macvlan", lower: index });
    await kernel.links.remove("v0");
    expect(kernel.links.get("m0")).toBeUndefined();
    const macvlan = { kind: "macvlan", name: "m1", lower: index, mode: "private" } as const;
    expect(codeOf(() => kernel.links.add(macvlan))).toBe("kernel.missing");
  });

  it("makes a vxlan and reads its settings", () => {
    const kernel = scene.open(scene.netns());
    const vxlan = { id: 7, port: 4789, local: "10.0.0.1", learning: false };
    expect(kernel.links.add({ kind: "vxlan", name: "vx0", vxlan }).vxlan).toEqual(vxlan);
    expect(codeOf(() => kernel.links.add({ kind: "vxlan", name: "vx1", vxlan }))).toBe("kernel.exists");
  });
}
