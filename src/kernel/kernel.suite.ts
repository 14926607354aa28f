// What every implementation of Machine does alike. Run by the fake one as a unit test, by the real one as root.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isError } from "../base/errors.ts";
import {
  type Kernel,
  type KernelEvent,
  type Link,
  MAIN_TABLE,
  type Machine,
  ROUTE_PROTOCOL,
  type Route,
  type Rule,
} from "./kernel.ts";
import { sameRoute } from "./route.ts";

interface Scene {
  readonly machine: Machine;
  /** Makes a namespace of its own name, which is removed after the test. */
  readonly netns: () => string;
  readonly open: (name: string) => Kernel;
}

/** Runs the suite; `prefix` begins the names of the namespaces that it makes. */
export function kernelSuite(title: string, makeMachine: () => Machine, prefix: string): void {
  let names: string[] = [];
  let handles: Kernel[] = [];
  let made = 0;
  let machine: Machine;
  const scene: Scene = {
    get machine() {
      return machine;
    },
    netns: () => {
      const name = `${prefix}${++made}`;
      machine.createNetns(name);
      names.push(name);
      return name;
    },
    open: (name) => {
      const handle = machine.open({ name });
      handles.push(handle);
      return handle;
    },
  };

  describe(title, () => {
    beforeEach(() => {
      machine = makeMachine();
    });
    afterEach(async () => {
      for (const handle of handles) handle.close();
      await Promise.all(names.map((name) => machine.removeNetns(name)));
      handles = [];
      names = [];
    });
    describe("namespaces", () => namespaceTests(scene));
    describe("links", () => linkTests(scene));
    describe("addresses", () => addressTests(scene));
    describe("routes", () => routeTests(scene));
    describe("rules", () => ruleTests(scene));
    describe("neighbours", () => neighbourTests(scene));
    describe("sysctl", () => sysctlTests(scene));
    describe("nft", () => nftTests(scene));
    describe("events", () => eventTests(scene));
  });
}

function namespaceTests(scene: Scene): void {
  it("makes a namespace with its loopback up", () => {
    const name = scene.netns();
    expect(scene.machine.listNetns()).toContain(name);
    const lo = scene.open(name).links.get("lo");
    expect(lo).toMatchObject({ index: 1, name: "lo", kind: undefined, up: true, mtu: 65536 });
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

function linkTests(scene: Scene): void {
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

/** A veth pair in one namespace, both ends up, the first with 10.0.0.1/24 and fd00::1/64. */
function pair(scene: Scene): { kernel: Kernel; link: Link; name: string } {
  const name = scene.netns();
  const kernel = scene.open(name);
  const link = kernel.links.add({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
  kernel.addresses.add({ linkIndex: link.index, address: "10.0.0.1/24", scope: "global" });
  kernel.addresses.add({ linkIndex: link.index, address: "fd00::1/64", scope: "global", noDad: true });
  return { kernel, link, name };
}

function addressTests(scene: Scene): void {
  it("adds, lists and removes addresses of both families", () => {
    const { kernel, link } = pair(scene);
    const six = { linkIndex: link.index, address: "fd00::1/64", scope: "global", noDad: true } as const;
    const four = { linkIndex: link.index, address: "10.0.0.1/24", scope: "global" } as const;
    const global = kernel.addresses.list(link.index).filter((one) => one.scope === "global");
    expect(global).toEqual([four, six]);
    expect(codeOf(() => kernel.addresses.add(four))).toBe("kernel.exists");
    expect(codeOf(() => kernel.addresses.add({ ...four, linkIndex: 4711 }))).toBe("kernel.missing");
    kernel.addresses.remove(four);
    kernel.addresses.remove(four);
    expect(kernel.addresses.list().map((one) => one.address)).not.toContain("10.0.0.1/24");
    expect(kernel.addresses.list().map((one) => one.address)).toContain("127.0.0.1/8");
  });

  it("gives a link with carrier a link-local address, unless told not to", async () => {
    const kernel = scene.open(scene.netns());
    kernel.links.add({ kind: "veth", name: "v0", mac: "02:00:00:00:00:0a", peer: { name: "v1" } });
    kernel.links.change("v1", { addressGeneration: "none", up: true });
    kernel.links.change("v0", { up: true });
    const local = (name: string): string[] =>
      kernel.addresses.list(kernel.links.get(name)?.index ?? -1).map((one) => one.address);
    await until(() => local("v0").includes("fe80::ff:fe00:a/64"));
    expect(local("v1")).toEqual([]);
  });

  it("makes a route to the address's network and takes it away again", () => {
    const { kernel, link } = pair(scene);
    const networks = (): string[] =>
      kernel.routes
        .list()
        .filter((one) => one.linkIndex === link.index)
        .map((one) => one.destination);
    expect(networks()).toContain("10.0.0.0/24");
    expect(networks()).toContain("fd00::/64");
    kernel.addresses.remove({ linkIndex: link.index, address: "10.0.0.1/24", scope: "global" });
    expect(networks()).not.toContain("10.0.0.0/24");
  });
}

function route(facts: Partial<Route> & { destination: string }): Route {
  const family = facts.destination.includes(":") ? 6 : 4;
  return { family, type: "unicast", protocol: ROUTE_PROTOCOL, table: MAIN_TABLE, ...facts };
}

function ours(kernel: Kernel, table = MAIN_TABLE): Route[] {
  return kernel.routes.list({ protocol: ROUTE_PROTOCOL, table });
}

function routeTests(scene: Scene): void {
  it("lists what was added, equal in every respect", () => {
    const { kernel, link } = pair(scene);
    const linkIndex = link.index;
    const wanted = [
      route({ destination: "10.1.0.0/24", via: "10.0.0.2", linkIndex }),
      route({ destination: "10.2.0.1/32", linkIndex }),
      route({
        destination: "10.3.0.0/16",
        via: "10.0.0.2",
        linkIndex,
        mtu: 1400,
        metric: 50,
        source: "10.0.0.1",
      }),
      route({ destination: "0.0.0.0/0", via: "169.254.1.1", linkIndex, onlink: true }),
      route({ destination: "10.4.0.0/16", type: "blackhole" }),
      route({ destination: "10.5.0.0/16", type: "unreachable" }),
      route({ destination: "10.6.0.0/16", type: "prohibit" }),
      route({ destination: "fd01::/64", via: "fd00::2", linkIndex }),
      route({ destination: "fd02::/64", via: "fe80::1", linkIndex, metric: 7 }),
      route({ destination: "fd03::/64", type: "blackhole" }),
      route({ destination: "::/0", via: "fd00::2", linkIndex, mtu: 1350 }),
    ];
    for (const one of wanted) kernel.routes.add(one);
    const found = ours(kernel);
    expect(found).toHaveLength(wanted.length);
    for (const one of wanted) expect(found.filter((other) => sameRoute(one, other))).toHaveLength(1);
  });

  it("keeps tables apart, also those above 255, and filters by family", () => {
    const { kernel, link } = pair(scene);
    kernel.routes.add(route({ destination: "10.9.0.0/16", linkIndex: link.index, table: 1000 }));
    kernel.routes.add(route({ destination: "fd09::/64", linkIndex: link.index, table: 1000 }));
    expect(ours(kernel)).toEqual([]);
    expect(kernel.routes.list({ table: 1000 })).toHaveLength(2);
    expect(kernel.routes.list({ table: 1000, family: 6 })).toMatchObject([
      { destination: "fd09::/64", table: 1000 },
    ]);
    expect(kernel.routes.list({ table: 1001 })).toEqual([]);
  });

  it("refuses a second route to the same destination, and replaces it when asked", () => {
    const { kernel, link } = pair(scene);
    for (const [destination, a, b] of [
      ["10.9.0.0/16", "10.0.0.2", "10.0.0.3"],
      ["fd09::/64", "fd00::2", "fd00::3"],
    ] as const) {
      const first = route({ destination, via: a, linkIndex: link.index });
      const second = route({ destination, via: b, linkIndex: link.index });
      kernel.routes.replace(first);
      expect(codeOf(() => kernel.routes.add(first))).toBe("kernel.exists");
      expect(codeOf(() => kernel.routes.add(second))).toBe("kernel.exists");
      kernel.routes.replace(second);
      kernel.routes.add({ ...first, metric: 10 });
      const found = ours(kernel).filter((one) => one.destination === destination);
      expect(new Set(found.map((one) => one.via))).toEqual(new Set([a, b]));
      expect(found).toHaveLength(2);
    }
  });

  it("refuses a next hop that is not on the link, a link that is down, and one that is not there", () => {
    const { kernel, link } = pair(scene);
    const add = (facts: Partial<Route>): unknown =>
      codeOf(() => kernel.routes.add(route({ destination: "10.9.0.0/16", ...facts })));
    expect(add({ via: "192.0.2.1", linkIndex: link.index })).toBe("kernel.refused");
    expect(add({ via: "192.0.2.1" })).toBe("kernel.refused");
    expect(add({ linkIndex: 4711 })).toBe("kernel.missing");
    expect(add({ linkIndex: link.index, source: "192.0.2.9" })).toBe("kernel.refused");
    expect(add({ destination: "fd09::/64", via: "2001:db8::1", linkIndex: link.index })).toBe(
      "kernel.refused",
    );
    kernel.links.change("v0", { up: false });
    expect(add({ linkIndex: link.index })).toBe("kernel.refused");
    expect(ours(kernel)).toEqual([]);
  });

  it("finds the link of a next hop by itself", () => {
    const { kernel, link } = pair(scene);
    kernel.routes.add(route({ destination: "10.9.0.0/16", via: "10.0.0.2" }));
    expect(ours(kernel)).toMatchObject([{ linkIndex: link.index }]);
  });

  it("removes a route that fits, and is content if it is gone", () => {
    const { kernel, link } = pair(scene);
    const four = route({ destination: "10.9.0.0/16", via: "10.0.0.2", linkIndex: link.index });
    const six = route({ destination: "fd09::/64", via: "fd00::2", linkIndex: link.index });
    const black = route({ destination: "10.8.0.0/16", type: "blackhole", table: 700 });
    for (const one of [four, six, black]) kernel.routes.add(one);
    kernel.routes.remove({ ...four, via: "10.0.0.3" });
    kernel.routes.remove({ ...four, protocol: 3 });
    expect(ours(kernel)).toHaveLength(2);
    for (const one of [four, six, black, four, six, black]) kernel.routes.remove(one);
    expect(ours(kernel)).toEqual([]);
    expect(ours(kernel, 700)).toEqual([]);
  });

  it("loses the routes of a link that goes down or away", async () => {
    const { kernel, link } = pair(scene);
    kernel.routes.add(route({ destination: "10.9.0.0/16", via: "10.0.0.2", linkIndex: link.index }));
    kernel.routes.add(route({ destination: "10.9.0.0/16", linkIndex: link.index, table: 700 }));
    kernel.links.change("v0", { up: false });
    expect(ours(kernel)).toEqual([]);
    expect(ours(kernel, 700)).toEqual([]);
    kernel.links.change("v0", { up: true });
    expect(kernel.routes.list({ family: 4 }).map((one) => one.destination)).toEqual(["10.0.0.0/24"]);
    kernel.routes.add(route({ destination: "10.9.0.0/16", linkIndex: link.index, table: 700 }));
    await kernel.links.remove("v0");
    expect(kernel.routes.list({ family: 4 })).toEqual([]);
    expect(ours(kernel, 700)).toEqual([]);
  });

  it("answers which route a packet would take", () => {
    const { kernel, link } = pair(scene);
    const linkIndex = link.index;
    kernel.routes.add(route({ destination: "10.9.0.0/16", via: "10.0.0.2", linkIndex }));
    kernel.routes.add(route({ destination: "10.9.1.0/24", via: "10.0.0.3", linkIndex }));
    kernel.routes.add(route({ destination: "10.9.2.0/24", type: "blackhole" }));
    kernel.routes.add(route({ destination: "10.9.3.0/24", type: "prohibit" }));
    kernel.routes.add(route({ destination: "0.0.0.0/0", via: "10.0.0.9", linkIndex, table: 700 }));
    kernel.rules.add({
      family: 4,
      priority: 100,
      mark: { value: 7, mask: 15 },
      table: 700,
      protocol: ROUTE_PROTOCOL,
    });
    expect(kernel.routes.lookup({ to: "10.9.7.7" })).toMatchObject({
      via: "10.0.0.2",
      linkIndex,
      source: "10.0.0.1",
    });
    expect(kernel.routes.lookup({ to: "10.9.1.7" })).toMatchObject({ via: "10.0.0.3" });
    expect(kernel.routes.lookup({ to: "10.9.1.7", mark: 0x17 })).toMatchObject({
      via: "10.0.0.9",
      table: 700,
    });
    expect(kernel.routes.lookup({ to: "10.0.0.1" })).toMatchObject({ type: "local" });
    for (const to of ["10.9.2.1", "10.9.3.1", "192.0.2.1"]) {
      expect(codeOf(() => kernel.routes.lookup({ to }))).toBe("kernel.refused");
    }
  });
}

function ruleTests(scene: Scene): void {
  it("adds, lists and removes rules of both families beside the kernel's own", () => {
    const kernel = scene.open(scene.netns());
    const common = { protocol: ROUTE_PROTOCOL, table: 1000 };
    const wanted: Rule[] = [
      { ...common, family: 4, priority: 512, from: "10.0.0.1/32" },
      {
        ...common,
        family: 4,
        priority: 600,
        to: "10.1.0.0/16",
        incoming: "lo",
        mark: { value: 16, mask: 0xf0 },
      },
      { ...common, family: 6, priority: 512, from: "fd00::1/128", table: 77 },
    ];
    for (const one of wanted) kernel.rules.add(one);
    const found = (): Rule[] => kernel.rules.list().filter((one) => one.protocol === ROUTE_PROTOCOL);
    expect(found()).toEqual(wanted);
    expect(kernel.rules.list(6).filter((one) => one.protocol === ROUTE_PROTOCOL)).toHaveLength(1);
    expect(kernel.rules.list(4).map((one) => one.priority)).toEqual([0, 512, 600, 32766, 32767]);
    expect(codeOf(() => kernel.rules.add(wanted[0]!))).toBe("kernel.exists");
    for (const one of [...wanted, ...wanted]) kernel.rules.remove(one);
    expect(found()).toEqual([]);
  });
}

function neighbourTests(scene: Scene): void {
  it("keeps entries, proxies and forwarding entries apart", () => {
    const { kernel, link } = pair(scene);
    const linkIndex = link.index;
    const vxlan = { id: 9, port: 4789, local: "10.0.0.1", learning: false };
    const { index } = kernel.links.add({ kind: "vxlan", name: "vx0", vxlan });
    const mac = "02:00:00:00:00:07";
    const entry = { linkIndex, address: "10.0.0.7", mac, state: "permanent" } as const;
    const six = { linkIndex, address: "fd00::7", mac, state: "permanent" } as const;
    const proxy = { linkIndex, address: "10.0.0.8", state: "other", proxy: true } as const;
    const forward = { linkIndex: index, address: "10.0.0.9", mac, state: "permanent", fdb: true } as const;
    for (const one of [entry, six, proxy, forward]) kernel.neighbours.replace(one);
    const permanent = kernel.neighbours.list({ linkIndex }).filter((one) => one.state === "permanent");
    expect(permanent.toSorted((a, b) => a.address.localeCompare(b.address))).toEqual([entry, six]);
    expect(kernel.neighbours.list({ proxy: true })).toEqual([proxy]);
    expect(kernel.neighbours.list({ fdb: true, linkIndex: index })).toEqual([forward]);

    kernel.neighbours.replace({ ...entry, mac: "02:00:00:00:00:99" });
    kernel.neighbours.replace({ ...forward, address: "10.0.0.10" });
    expect(kernel.neighbours.list({ linkIndex })).toContainEqual({ ...entry, mac: "02:00:00:00:00:99" });
    expect(kernel.neighbours.list({ fdb: true, linkIndex: index })).toMatchObject([{ address: "10.0.0.10" }]);

    for (const one of [entry, proxy, { ...forward, address: "10.0.0.10" }]) {
      kernel.neighbours.remove(one);
      kernel.neighbours.remove(one);
    }
    expect(kernel.neighbours.list({ proxy: true })).toEqual([]);
    expect(kernel.neighbours.list({ fdb: true, linkIndex: index })).toEqual([]);
    expect(kernel.neighbours.list({ linkIndex }).map((one) => one.address)).not.toContain("10.0.0.7");
    expect(codeOf(() => kernel.neighbours.replace({ ...entry, linkIndex: 4711 }))).toBe("kernel.missing");
  });

  it("sends unknown destinations of a vxlan to several tunnel ends", () => {
    const { kernel } = pair(scene);
    const vxlan = { id: 9, port: 4789, local: "10.0.0.1", learning: false };
    const { index } = kernel.links.add({ kind: "vxlan", name: "vx0", vxlan });
    const any = { linkIndex: index, mac: "00:00:00:00:00:00", state: "permanent", fdb: true } as const;
    for (const address of ["10.0.0.2", "10.0.0.3", "10.0.0.2"])
      kernel.neighbours.replace({ ...any, address });
    const ends = kernel.neighbours.list({ fdb: true, linkIndex: index }).map((one) => one.address);
    expect(ends.toSorted()).toEqual(["10.0.0.2", "10.0.0.3"]);
  });
}

function sysctlTests(scene: Scene): void {
  it("sets what belongs to its own namespace only", () => {
    const [a, b] = [scene.open(scene.netns()), scene.open(scene.netns())];
    a.sysctl.set("net/ipv4/ip_forward", 1);
    expect(a.sysctl.get("net/ipv4/ip_forward")).toBe("1");
    expect(a.sysctl.get("net/ipv4/conf/all/forwarding")).toBe("1");
    expect(b.sysctl.get("net/ipv4/ip_forward")).toBe("0");
  });

  it("knows a link's settings only while there is the link, and refuses keys that lead elsewhere", () => {
    const kernel = scene.open(scene.netns());
    const key = "net/ipv4/conf/br0/proxy_arp";
    expect(codeOf(() => kernel.sysctl.set(key, 1))).toBe("kernel.sysctl");
    kernel.links.add({ kind: "bridge", name: "br0" });
    kernel.sysctl.set(key, 1);
    expect(kernel.sysctl.get(key)).toBe("1");
    expect(codeOf(() => kernel.sysctl.get("net/../../etc/hostname"))).toBe("kernel.name");
  });
}

const table = "add table inet t; add chain inet t c; add set inet t s { type ipv4_addr; }";

function nftTests(scene: Scene): void {
  it("runs commands as one transaction: all or nothing", async () => {
    const kernel = scene.open(scene.netns());
    expect(await kernel.nft.text("list table inet t")).toBeUndefined();
    await kernel.nft.run(table);
    const failing = kernel.nft.run("add element inet t s { 10.0.0.1 }\nadd rule inet t nowhere accept");
    await expect(failing).rejects.toMatchObject({ code: "kernel.nft" });
    await expect(failing).rejects.toThrow("No such file or directory");
    expect(await kernel.nft.text("list set inet t s")).not.toContain("10.0.0.1");
    await kernel.nft.run("add element inet t s { 10.0.0.1 }");
    expect(await kernel.nft.text("list set inet t s")).toContain("10.0.0.1");
  });

  it("keeps namespaces apart", async () => {
    const [a, b] = [scene.open(scene.netns()), scene.open(scene.netns())];
    await Promise.all([a.nft.run(table), b.nft.run("add table inet other")]);
    expect(await a.nft.list("list table inet other")).toBeUndefined();
    expect(await b.nft.list("list table inet t")).toBeUndefined();
  });

  it("guards what is referred to", async () => {
    const kernel = scene.open(scene.netns());
    await kernel.nft.run(table);
    await kernel.nft.run(
      "add map inet t m { type ipv4_addr : verdict; }\nadd element inet t m { 10.0.0.1 : jump c }",
    );
    await kernel.nft.run("add chain inet t d\nadd rule inet t d ip saddr @s accept");
    for (const refused of [
      "delete chain inet t c",
      "delete set inet t s",
      "delete chain inet t nowhere",
      "delete element inet t s { 10.0.0.9 }",
      "add element inet t m { 10.0.0.1 : drop }",
      "add element inet t m { 10.0.0.2 : jump nowhere }",
      "add rule inet t d ip saddr @nowhere accept",
      "create table inet t",
      "delete table inet nowhere",
    ]) {
      await expect(kernel.nft.run(refused), refused).rejects.toMatchObject({ code: "kernel.nft" });
    }
    await kernel.nft.run(
      "delete element inet t m { 10.0.0.1 }\nflush chain inet t d\ndelete chain inet t c\ndelete set inet t s",
    );
    expect(await kernel.nft.text("list table inet t")).not.toContain("chain c");
  });

  it("lists as JSON", async () => {
    const kernel = scene.open(scene.netns());
    await kernel.nft.run(
      [
        "add table inet t",
        "add chain inet t c { type filter hook forward priority -10; policy drop; }",
        "add chain inet t d",
        "add map inet t m { type ipv4_addr . inet_service : verdict; }",
        "add element inet t m { 10.0.0.1 . 80 : goto d, 10.0.0.2 . 80 : accept }",
        "add set inet t i { type ipv4_addr; flags interval; }",
        "add element inet t i { 10.0.0.0/8, 192.168.0.1-192.168.0.7 }",
      ].join("\n"),
    );
    const found = await kernel.nft.list("list table inet t");
    const common = { family: "inet", table: "t" };
    const of = (kind: string): unknown[] => (found ?? []).flatMap((one) => (kind in one ? [one[kind]] : []));
    expect(of("table")).toMatchObject([{ family: "inet", name: "t" }]);
    const hook = { ...common, name: "c", type: "filter", hook: "forward", prio: -10, policy: "drop" };
    expect(of("chain")).toEqual(
      expect.arrayContaining([
        expect.objectContaining(hook),
        expect.objectContaining({ ...common, name: "d" }),
      ]),
    );
    const [map] = of("map") as [{ elem: unknown[] }];
    expect(map).toMatchObject({ ...common, name: "m", type: ["ipv4_addr", "inet_service"], map: "verdict" });
    expect(map.elem).toHaveLength(2);
    expect(map.elem).toContainEqual([{ concat: ["10.0.0.1", 80] }, { goto: { target: "d" } }]);
    expect(of("set")).toMatchObject([{ name: "i", type: "ipv4_addr", flags: ["interval"] }]);
    const [set] = of("set") as [{ elem: unknown[] }];
    expect(set.elem).toContainEqual({ prefix: { addr: "10.0.0.0", len: 8 } });
    expect(set.elem).toContainEqual({ range: ["192.168.0.1", "192.168.0.7"] });
  });

  it("replaces a whole table in one go, by delete and add or in block form", async () => {
    const kernel = scene.open(scene.netns());
    await kernel.nft.run(table);
    await kernel.nft.run("add table inet t\ndelete table inet t\nadd table inet t\nadd chain inet t other");
    await kernel.nft.run(
      "table ip u {\n set s {\n type ipv4_addr\n elements = { 10.0.0.1 }\n }\n chain c {\n ip saddr @s accept\n }\n}",
    );
    expect(await kernel.nft.text("list table inet t")).not.toContain("set s");
    expect(await kernel.nft.text("list chain ip u c")).toContain("ip saddr @s accept");
  });

  it("does not run what is no listing as a listing", async () => {
    const kernel = scene.open(scene.netns());
    await expect(kernel.nft.list("flush ruleset")).rejects.toMatchObject({ code: "kernel.nft" });
  });
}

function eventTests(scene: Scene): void {
  it("tells of links, addresses, routes, rules and neighbours, whoever changes them", async () => {
    const name = scene.netns();
    const [watching, other] = [scene.open(name), scene.open(name)];
    const events: KernelEvent[] = [];
    const watch = watching.watch(["link", "address", "route", "rule", "neighbour"], (event) =>
      events.push(event),
    );
    const { index } = other.links.add({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
    const address = { linkIndex: index, address: "10.0.0.1/24", scope: "global" } as const;
    const black = route({ destination: "10.9.0.0/16", type: "blackhole" });
    other.addresses.add(address);
    other.routes.add(black);
    other.routes.remove(black);
    other.rules.add({ family: 4, priority: 9, from: "10.0.0.1/32", table: 9, protocol: ROUTE_PROTOCOL });
    const mac = "02:00:00:00:00:01";
    other.neighbours.replace({ linkIndex: index, address: "10.0.0.9", mac, state: "permanent" });
    other.addresses.remove(address);
    await other.links.remove("v0");
    await until(() =>
      events.some((one) => one.kind === "link" && one.change === "gone" && one.link.name === "v0"),
    );
    const told = (part: object): void => expect(events).toContainEqual(expect.objectContaining(part));
    told({ kind: "link", change: "new", link: expect.objectContaining({ name: "v0", up: true }) });
    told({ kind: "link", change: "gone", link: expect.objectContaining({ name: "v1" }) });
    told({ kind: "address", change: "new", address: expect.objectContaining({ address: "10.0.0.1/24" }) });
    told({ kind: "address", change: "gone", address: expect.objectContaining({ address: "10.0.0.1/24" }) });
    told({ kind: "route", change: "new", route: expect.objectContaining({ destination: "10.9.0.0/16" }) });
    told({ kind: "route", change: "gone", route: expect.objectContaining({ destination: "10.9.0.0/16" }) });
    told({ kind: "rule", change: "new" });
    told({ kind: "neighbour", change: "new" });
    watch.stop();
  });

  it("tells only what was asked for, of its own namespace, until it is stopped", async () => {
    const [name, elsewhere] = [scene.netns(), scene.netns()];
    const kernel = scene.open(name);
    const events: KernelEvent[] = [];
    const later: KernelEvent[] = [];
    const watch = kernel.watch(["rule"], (event) => events.push(event));
    const rule: Rule = { family: 4, priority: 9, from: "10.0.0.1/32", table: 9, protocol: ROUTE_PROTOCOL };
    scene.open(elsewhere).rules.add(rule);
    kernel.links.add({ kind: "bridge", name: "br0" });
    kernel.rules.add(rule);
    await until(() => events.length > 0);
    watch.stop();
    kernel.watch(["rule"], (event) => later.push(event));
    kernel.rules.remove(rule);
    await until(() => later.length > 0);
    expect(events).toEqual([{ kind: "rule", change: "new" }]);
    expect(later).toEqual([{ kind: "rule", change: "gone" }]);
  });

  it("tells of nftables' transactions, one event a table, and knows its own", async () => {
    const name = scene.netns();
    const [kernel, other] = [scene.open(name), scene.open(name)];
    const events: KernelEvent[] = [];
    kernel.watch(["nftables"], (event) => events.push(event));
    await kernel.nft.run(table);
    await other.nft.run("add element inet t s { 10.0.0.1 }");
    await kernel.nft.run("add element inet t s { 10.0.0.2, 10.0.0.3 }\nadd table ip u");
    await until(() => events.length >= 4);
    expect(events).toEqual([
      { kind: "nftables", table: "t", byUs: true },
      { kind: "nftables", table: "t", byUs: false },
      { kind: "nftables", table: "t", byUs: true },
      { kind: "nftables", table: "u", byUs: true },
    ]);
  });
}

/** Returns the code of the error that is thrown; undefined where none is. */
function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (isError(error)) return error.code;
    throw error;
  }
}

/** Waits for something that the kernel does in its own time. */
async function until(condition: () => boolean): Promise<void> {
  for (let left = 400; !condition(); left--) {
    if (left === 0) expect.fail("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
