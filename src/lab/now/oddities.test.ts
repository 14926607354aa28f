import { expect, it } from "vitest";
import { FakeMachine } from "../../kernel/fake/machine.ts";
import { MAIN_TABLE, ROUTE_PROTOCOL } from "../../kernel/kernel.ts";
import { foreignRules, machineOddities, missingRules, wireOddities } from "./oddities.ts";

const mac = "ee:ee:ee:ee:ee:ee";
const gateways = new Map([["169.254.1.1", mac]]);

function pod() {
  const machine = new FakeMachine();
  machine.createNetns("pod");
  const kernel = machine.open({ name: "pod" });
  kernel.links.change("lo", { up: true });
  const eth0 = kernel.links.add({ kind: "dummy", name: "eth0", up: true }).index;
  kernel.addresses.add({ linkIndex: eth0, address: "10.1.0.5/32", scope: "global" });
  kernel.neighbours.replace({ linkIndex: eth0, address: "169.254.1.1", mac, state: "permanent" });
  const common = {
    family: 4,
    type: "unicast",
    linkIndex: eth0,
    protocol: ROUTE_PROTOCOL,
    table: MAIN_TABLE,
  } as const;
  kernel.routes.add({ ...common, destination: "169.254.1.1/32" });
  kernel.routes.add({ ...common, destination: "0.0.0.0/0", via: "169.254.1.1" });
  const odd = () =>
    wireOddities({ kernel, netns: { name: "pod" }, ips: ["10.1.0.5"], gateways }).map(({ what }) => what);
  return { kernel, eth0, common, odd };
}

it("finds nothing odd about a pod's wire as it was made", () => {
  expect(pod().odd()).toEqual([]);
});

it("names what somebody has put into a pod's network, or taken from it", () => {
  const { kernel, eth0, common, odd } = pod();
  kernel.addresses.add({ linkIndex: eth0, address: "10.9.9.9/32", scope: "global" });
  kernel.routes.add({ ...common, destination: "10.9.0.0/24", via: "169.254.1.1", protocol: 3 });
  kernel.rules.add({ family: 4, priority: 100, from: "10.1.0.0/16", table: 100, protocol: 3 });
  kernel.neighbours.replace({
    linkIndex: eth0,
    address: "169.254.1.1",
    mac: "02:00:00:00:00:01",
    state: "permanent",
  });
  expect(odd()).toEqual([
    "address 10.9.9.9 of its own",
    "route 10.9.0.0/24 by eth0",
    "routing rule 100",
    "a fixed neighbour 169.254.1.1 on eth0",
  ]);
  kernel.routes.remove({ ...common, destination: "0.0.0.0/0", via: "169.254.1.1" });
  kernel.addresses.remove({ linkIndex: eth0, address: "10.1.0.5/32", scope: "global" });
  expect(odd()).toContain("it has lost its address 10.1.0.5");
  expect(odd()).toContain("it has lost its route 0.0.0.0/0");
  kernel.links.change("eth0", { up: false });
  expect(odd()).toContain("link eth0 is down");
});

it("names what a machine's own interfaces have that is not followed, and not that of others", () => {
  const { kernel, eth0 } = pod();
  expect(machineOddities(kernel, ["eth1"])).toEqual([]);
  expect(machineOddities(kernel, ["eth0"])).toEqual([{ what: "a fixed neighbour 169.254.1.1 on eth0" }]);
  // What the lab's cloud has told its router is as asking would find it; with another MAC address it is not.
  expect(machineOddities(kernel, ["eth0"], new Set([`169.254.1.1 ${mac}`]))).toEqual([]);
  expect(machineOddities(kernel, ["eth0"], new Set(["169.254.1.1 02:00:00:00:00:99"]))).toHaveLength(1);
  kernel.neighbours.remove({ linkIndex: eth0, address: "169.254.1.1", mac, state: "permanent" });
  expect(machineOddities(kernel, ["eth0"])).toEqual([]);
});

it("names a filter of reverse paths that takes nothing: strict, or loose on a link without an address", () => {
  const { kernel } = pod();
  kernel.links.add({ kind: "dummy", name: "eth1", up: true });
  const odd = () =>
    machineOddities(kernel, ["eth0", "eth1"]).flatMap(({ what }) =>
      what.startsWith("rp_filter") ? [what] : [],
    );
  expect(odd()).toEqual([]);
  kernel.sysctl.set("net/ipv4/conf/all/rp_filter", 2);
  expect(odd()).toEqual(["rp_filter of eth1 is loose, and the link has no address"]);
  kernel.sysctl.set("net/ipv4/conf/all/rp_filter", 0);
  kernel.sysctl.set("net/ipv4/conf/eth0/rp_filter", 1);
  expect(odd()).toEqual(["rp_filter of eth0 is strict"]);
});

it("names what may hold or drop what a machine sends: queues, IPsec, short lives, links that do not answer or pass on", () => {
  const { kernel, eth0 } = pod();
  const odd = (of: Parameters<typeof machineOddities>[0] = kernel) =>
    machineOddities(of, ["eth0"]).flatMap(({ what }) => (what.startsWith("a fixed") ? [] : [what]));
  expect(odd()).toEqual([]);
  const { sysctl, links } = kernel;
  sysctl.set("net/ipv4/conf/eth0/forwarding", 1);
  sysctl.set("net/ipv4/conf/eth0/arp_ignore", 8);
  sysctl.set("net/ipv4/ip_default_ttl", 1);
  expect(odd()).toEqual([
    "forwarding of eth0 is 1, and that of the machine is not",
    "arp_ignore of eth0 is 8",
    "net/ipv4/ip_default_ttl is 1",
  ]);
  for (const [range, what] of [
    ["32768 60999", []],
    ["40000 50000", []],
    ["1024 65535", ["ip_local_port_range is 1024 65535"]],
  ] as const) {
    sysctl.set("net/ipv4/ip_local_port_range", range);
    expect(odd().filter((one) => one.includes("port_range"))).toEqual(what);
  }
  sysctl.set("net/ipv4/ip_local_port_range", "32768 60999");
  // Who passes packets on does not follow what routers tell of shorter ways.
  sysctl.set("net/ipv4/conf/eth0/accept_redirects", 1);
  sysctl.set("net/ipv4/ip_forward", 0);
  expect(odd()).toContain("net/ipv4/conf/eth0/accept_redirects is 1");
  sysctl.set("net/ipv4/ip_forward", 1);
  sysctl.set("net/ipv4/conf/eth0/arp_ignore", 0);
  sysctl.set("net/ipv4/ip_default_ttl", 64);
  expect(odd()).toEqual([]);
  const stub = {
    sysctl,
    addresses: kernel.addresses,
    neighbours: kernel.neighbours,
    links: { list: () => links.list().map((link) => ({ ...link, noArp: true as const })) } as typeof links,
    rateLimits: { list: () => [], remove: () => {}, others: () => [{ linkIndex: eth0, kind: "netem" }] },
    ipsecPolicies: () => 2,
  } as Parameters<typeof machineOddities>[0];
  expect(odd(stub)).toEqual(["IPsec policies (2)", "queue netem on eth0", "eth0 has ARP off"]);
});

it("tells the kernel's own routing rules from those that stand in their places, and which of them are gone", () => {
  const { kernel } = pod();
  expect([foreignRules(kernel.rules.list()), missingRules(kernel.rules.list())]).toEqual([[], []]);
  const prohibit = { family: 4, priority: 0, to: "10.9.0.0/24", table: 0, protocol: 3, other: true } as const;
  expect(foreignRules([...kernel.rules.list(), prohibit])).toEqual([prohibit]);
  const some = kernel.rules.list().filter(({ family, priority }) => family === 6 || priority !== 32766);
  expect(missingRules(some)).toEqual([{ family: 4, text: "its rule 32766 is gone" }]);
  const four = kernel.rules.list().filter(({ family }) => family === 4);
  expect(missingRules(four)).toEqual([]);
});

it("names neighbours that are not asked for, but not the kernel's own, and links that are parts of others", () => {
  const { kernel, eth0 } = pod();
  const add = (address: string, of: string) =>
    kernel.neighbours.replace({ linkIndex: eth0, address, mac: of, state: "noarp" });
  add("224.0.0.22", "01:00:5e:00:00:16");
  add("10.1.0.255", "ff:ff:ff:ff:ff:ff");
  add("0.0.0.0", "00:00:00:00:00:00");
  const odd = () =>
    machineOddities(kernel, ["eth0"], new Set([`169.254.1.1 ${mac}`])).map(({ what }) => what);
  expect(odd()).toEqual([]);
  add("10.1.0.9", "02:00:00:00:00:99");
  expect(odd()).toEqual(["a fixed neighbour 10.1.0.9 on eth0"]);
  // By a link to a pod, too.
  expect(machineOddities(kernel, [], new Set(), ["eth0"])).toHaveLength(2);
});
