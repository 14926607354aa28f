import { expect, it } from "vitest";
import type { Ground } from "../../explain/ground/ground.ts";
import { FakeMachine } from "../../kernel/fake/machine.ts";
import { POD_LINK_GROUP, ROUTE_PROTOCOL, type Route } from "../../kernel/kernel.ts";
import { groundNow } from "./ground-now.ts";

const built: Ground = {
  machines: ["node/n1", "host/h", "host/elsewhere"].map((name, at) => ({
    name,
    links: [{ name: "eth0", network: "nodes", addresses: [`192.168.18.${at + 1}/24`] }],
    routes: [],
    forwards: false,
    podRoutes: false,
    ports: [],
  })),
};

function lab() {
  const machine = new FakeMachine();
  return ["n1", "h"].map((name, at) => {
    machine.createNetns(name);
    const kernel = machine.open({ name });
    const address = (link: string, text: string, scope: "global" | "link" = "global") =>
      kernel.addresses.add({ linkIndex: kernel.links.get(link)!.index, address: text, scope });
    kernel.links.add({ kind: "dummy", name: "eth0", up: true });
    kernel.links.add({ kind: "dummy", name: "tlpod", up: true, group: POD_LINK_GROUP });
    kernel.links.add({ kind: "dummy", name: "tlvpn0", up: true });
    address("eth0", `192.168.18.${at + 1}/24`);
    const interfaces = [{ name: "eth0", lan: { name: "nodes" } }];
    return { kernel, address, plan: { name, interfaces } };
  });
}

it("tells every link but those to pods, with its addresses in the kernel's order", () => {
  const members = lab();
  const { address } = members[0]!;
  address("eth0", "192.168.18.100/32");
  address("eth0", "169.254.7.7/32", "link");
  address("lo", "192.168.18.101/32");
  address("tlpod", "192.168.18.102/32");
  address("tlvpn0", "10.9.0.1/24");
  const [n1, h, elsewhere] = groundNow(built, members).machines;
  expect(n1).toMatchObject({ live: true, bound: ["192.168.18.1"] });
  const own = (links: typeof n1) =>
    Object.fromEntries(links!.links.map(({ name, network, addresses }) => [name, [network, ...addresses]]));
  expect(own(n1)).toEqual({
    lo: expect.anything(),
    eth0: ["nodes", "192.168.18.1/24", "192.168.18.100/32", "169.254.7.7/32"],
    tlvpn0: [undefined, "10.9.0.1/24"],
  });
  expect(n1!.links.find(({ name }) => name === "eth0")!.narrow).toEqual(["169.254.7.7/32"]);
  expect(own(n1)["lo"]).toContain("192.168.18.101/32");
  expect(own(h)["eth0"]).toEqual(["nodes", "192.168.18.2/24"]);
  expect(elsewhere).toBe(built.machines[2]);
});

it("tells the routes that are there now, but for those to single pods, and routing rules that somebody added", () => {
  const members = lab();
  const { kernel } = members[1]!;
  const route = (destination: string, via: string, protocol: number, metric: number) =>
    kernel.routes.add({ family: 4, destination, type: "unicast", via, protocol, table: 254, metric });
  route("10.1.0.0/26", "192.168.18.12", 12, 32);
  route("10.1.0.0/26", "192.168.18.11", 12, 20);
  route("10.1.0.64/26", "192.168.18.11", 84, 512);
  const tl = kernel.links.get("tlpod")!.index;
  kernel.routes.add({
    family: 4,
    destination: "10.1.0.70/32",
    type: "unicast",
    linkIndex: tl,
    protocol: 84,
    table: 254,
  });
  kernel.rules.add({ family: 4, priority: 100, from: "10.1.0.0/16", table: 100, protocol: 4 });
  const [, h] = groundNow(built, members).machines;
  const learned = h!.routes.filter(({ via }) => via !== undefined);
  expect(learned.toSorted((a, b) => (a.metric ?? 0) - (b.metric ?? 0))).toEqual([
    { to: "10.1.0.0/26", via: "192.168.18.11", link: "eth0", metric: 20 },
    { to: "10.1.0.0/26", via: "192.168.18.12", link: "eth0", metric: 32 },
    { to: "10.1.0.64/26", via: "192.168.18.11", link: "eth0", metric: 512 },
  ]);
  expect(h!.routes.some(({ to }) => to === "10.1.0.70/32")).toBe(false);
  expect(h!.rules).toEqual([{ family: 4, text: "100: from 10.1.0.0/16 lookup 100" }]);
});

it("tells what a machine takes for its own, and what it answers for, by settings and routes made by hand", () => {
  const members = lab();
  const { kernel } = members[0]!;
  const add = (destination: string, more: object) =>
    kernel.routes.add({ family: 4, destination, type: "local", table: 255, protocol: 3, ...more } as Route);
  const [eth0, tl] = ["eth0", "tlpod"].map((name) => kernel.links.get(name)!.index);
  const lo = kernel.links.get("lo")!.index;
  add("192.168.18.99/32", { linkIndex: lo });
  add("192.168.18.255/32", { type: "broadcast", protocol: 2, linkIndex: eth0 });
  add("10.9.9.0/24", { type: "unicast", table: 253, linkIndex: eth0 });
  add("10.1.0.70/32", { type: "unicast", table: 254, linkIndex: tl, protocol: ROUTE_PROTOCOL });
  kernel.sysctl.set("net/ipv4/conf/tlpod/route_localnet", 1);
  kernel.sysctl.set("net/ipv4/conf/eth0/proxy_arp", 1);
  kernel.neighbours.replace({ linkIndex: eth0!, address: "192.168.18.77", state: "permanent", proxy: true });
  kernel.neighbours.replace({ linkIndex: tl!, address: "192.168.18.78", state: "permanent", proxy: true });
  const [n1, h] = groundNow(built, members).machines;
  expect(n1).toMatchObject({
    taken: ["192.168.18.99/32"],
    broadcasts: ["192.168.18.255"],
    localnet: ["10.1.0.70"],
    proxies: ["nodes"],
    proxied: [{ network: "nodes", address: "192.168.18.77" }],
    rules: [{ family: 4, text: "a route to 10.9.9.0/24 in table default" }],
  });
  expect(h).not.toHaveProperty("taken");
});

it("tells how a machine chooses sources where somebody has changed that, and leaves out addresses that are not its own yet", () => {
  const members = lab();
  const { kernel } = members[0]!;
  const eth0 = kernel.links.get("eth0")!.index;
  const list = kernel.addresses.list();
  const doubled = { linkIndex: eth0, address: "fd00::7/64", scope: "global", tentative: true } as const;
  kernel.addresses.list = () => [...list, doubled];
  kernel.addresses.labels = () => [
    { range: "fd00::/64", label: 7, linkIndex: eth0 },
    { range: "::/0", label: 1 },
  ];
  kernel.sysctl.set("net/ipv6/conf/eth0/use_oif_addrs_only", 1);
  const [n1] = groundNow(built, members).machines;
  expect(n1!.labels).toEqual([
    { range: "fd00::/64", label: 7, link: "eth0" },
    { range: "::/0", label: 1 },
  ]);
  expect(JSON.stringify(n1!.links)).not.toContain("fd00::7");
  expect(n1!.odd).toContainEqual({ what: "use_oif_addrs_only of eth0 is 1" });
});
