import { expect, it } from "vitest";
import { type KernelEvent, ROUTE_PROTOCOL, type Rule } from "../kernel.ts";
import { route, type Scene, table, until } from "./scene.suite.ts";

export function eventTests(scene: Scene): void {
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
      events.some((one) => one.kind === "link" && one.change === "gone" && one.name === "v0"),
    );
    const told = (part: object): void => expect(events).toContainEqual(expect.objectContaining(part));
    told({ kind: "link", change: "new", name: "v0", up: true });
    told({ kind: "link", change: "gone", name: "v1" });
    told({ kind: "address", change: "new", address: expect.objectContaining({ address: "10.0.0.1/24" }) });
    told({ kind: "address", change: "gone", address: expect.objectContaining({ address: "10.0.0.1/24" }) });
    told({ kind: "route", change: "new", route: expect.objectContaining({ destination: "10.9.0.0/16" }) });
    told({ kind: "route", change: "gone", route: expect.objectContaining({ destination: "10.9.0.0/16" }) });
    told({ kind: "rule", change: "new" });
    told({ kind: "neighbour", change: "new" });
    watch.stop();
  });

  it("tells of settings that decide where packets go, and of whose they are", async () => {
    const name = scene.netns();
    const [watching, other] = [scene.open(name), scene.open(name)];
    const { index } = other.links.add({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
    const events: KernelEvent[] = [];
    const watch = watching.watch(["setting"], (event) => events.push(event));
    const settings: readonly string[] = ["rp_filter", "proxy_arp", "forwarding"];
    const turn = (key: string) => other.sysctl.set(key, other.sysctl.get(key) === "0" ? 1 : 0);
    for (const setting of settings) turn(`net/ipv4/conf/v0/${setting}`);
    await until(() => events.filter((one) => one.kind === "setting" && one.link === index).length >= 3);
    turn("net/ipv4/ip_forward");
    await until(() => events.some((one) => one.kind === "setting" && one.link === "all"));
    expect(events.every((one) => one.kind === "setting")).toBe(true);
    watch.stop();
  });

  it("tells which group a link that is up is in", async () => {
    const name = scene.netns();
    const [watching, other] = [scene.open(name), scene.open(name)];
    other.links.add({ kind: "veth", name: "v0", group: 7, up: true, peer: { name: "v1" } });
    const groups: number[] = [];
    const watch = watching.watch(["link"], (event) => {
      if (event.kind === "link" && event.name === "v0") groups.push(event.group);
    });
    other.links.change("v0", { group: 8 });
    await until(() => groups.includes(8));
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
