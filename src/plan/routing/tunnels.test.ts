import { describe, expect, it } from "vitest";
import type { Node } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { NftTable } from "../../kernel/nft/document.ts";
import { type ClusterFacts, emptyFacts } from "../facts.ts";
import { planRoutes } from "./plan-routes.ts";
import { poolTunnelCondition } from "./pool-tunnel.ts";
import { tunnelNodes, writeTunnelGuard } from "./tunnel-guard.ts";
import { mtusOf, passageOf, tunnelEnds, tunnelMac, tunnelTypes, wantedTunnels } from "./tunnels.ts";

const [ipip, vxlan, vxlan6] = tunnelTypes;

function node(name: string, address: string, more: Record<string, string> = {}): Node {
  const six = `fd00:18::${address.split(".")[3]}`;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      annotations: { "trunkline.dev/node-network": `${address}/24,${six}/64`, ...more },
    },
    status: {
      addresses: [
        { type: "InternalIP", address },
        { type: "InternalIP", address: six },
      ],
    },
  } as unknown as Node;
}

const inner = (number: number) => ({
  "projectcalico.org/IPv4IPIPTunnelAddr": `10.1.0.${number}`,
  "projectcalico.org/IPv4VXLANTunnelAddr": `10.1.1.${number}`,
  "projectcalico.org/IPv6VXLANTunnelAddr": `fd00:10::${number}`,
});

function pool(spec: Partial<IPPool["spec"]>): IPPool {
  return {
    apiVersion: "",
    kind: "IPPool",
    metadata: { name: "p" },
    spec: { cidr: "10.1.0.0/16", ...spec },
  } as never;
}

function lacking(one: Node): Node {
  const condition = { type: "TunnelReady", status: "False", reason: "KernelLacksIPIP" };
  return { ...one, status: { ...one.status, conditions: [condition] } } as unknown as Node;
}

const near = [node("a", "192.168.18.11", inner(1)), node("b", "192.168.18.12", inner(2))] as const;
const far = node("c", "192.168.28.13", inner(3));
const unready = node("d", "192.168.28.14");

describe("the passage between two nodes", () => {
  it.each([
    [{}, near[1], { through: "direct" }],
    [{ ipipMode: "Never", vxlanMode: "Never" }, far, { through: "direct" }],
    [{ vxlanMode: "Always", disabled: true }, far, { through: "direct" }],
    [
      { ipipMode: "Always" },
      near[1],
      { through: "tunnel", type: ipip, inner: "10.1.0.2", outer: "192.168.18.12" },
    ],
    [
      { vxlanMode: "Always" },
      near[1],
      { through: "tunnel", type: vxlan, inner: "10.1.1.2", outer: "192.168.18.12" },
    ],
    [{ vxlanMode: "CrossSubnet" }, near[1], { through: "direct", because: "same-subnet" }],
    [
      { ipipMode: "CrossSubnet" },
      far,
      { through: "tunnel", type: ipip, inner: "10.1.0.3", outer: "192.168.28.13" },
    ],
    [{ vxlanMode: "Always" }, unready, { through: "direct", because: "not-ready" }],
    [{ ipipMode: "Always" }, lacking(far), { through: "direct", because: "kernel" }],
    [
      { vxlanMode: "CrossSubnet", cidr: "fd00:10::/64" },
      node("e", "192.168.28.15", { "trunkline.dev/node-network": "", ...inner(5) }),
      { through: "direct", because: "same-subnet" },
    ],
    [
      { vxlanMode: "Always", cidr: "fd00:10::/64" },
      far,
      { through: "tunnel", type: vxlan6, inner: "fd00:10::3", outer: "fd00:18::13" },
    ],
  ] as const)("for %j to %#", (spec, to, expected) => {
    expect(passageOf(emptyFacts(), pool(spec as never), near[0], to)).toEqual(expected);
  });

  it("is a tunnel only where the sender's own device stands, and always where nobody knows its network", () => {
    const spec = pool({ vxlanMode: "CrossSubnet" });
    expect(passageOf(emptyFacts(), spec, unready, far)).toEqual({
      through: "direct",
      because: "same-subnet",
    });
    expect(passageOf(emptyFacts(), spec, unready, near[0])).toEqual({
      through: "direct",
      because: "not-ready",
    });
    const unknown = { ...near[0], metadata: { ...near[0].metadata, annotations: inner(1) } } as Node;
    expect(passageOf(emptyFacts(), spec, unknown, near[1])).toMatchObject({ through: "tunnel" });
    expect(passageOf(emptyFacts(), pool({ ipipMode: "Always" }), lacking(near[0]), far)).toMatchObject({
      because: "kernel",
    });
  });
});

describe("a node's routes", () => {
  const facts = (spec: Partial<IPPool["spec"]>): ClusterFacts => {
    const block = {
      metadata: { name: "x" },
      spec: {
        cidr: "10.1.3.0/26",
        pool: "p",
        node: "c",
        state: "confirmed",
        loans: [{ address: "10.1.3.9", node: "b", seq: 1 }],
      },
    };
    return {
      ...emptyFacts(),
      nodes: new Map([...near, far].map((one) => [one.metadata.name, one])),
      pools: new Map([["p", pool(spec)]]),
      blocks: new Map([["x", block as never]]),
    };
  };
  const routes = (spec: Partial<IPPool["spec"]>) =>
    planRoutes(facts(spec), "a").routes.map(({ route, tunnel, noTunnel }) => [
      route.destination,
      route.via,
      route.onlink ?? false,
      tunnel?.device ?? noTunnel,
    ]);

  it("go by the other node itself through tunl0, and by its device's address through VXLAN; loans too", () => {
    expect(routes({ ipipMode: "Always" })).toEqual([
      ["10.1.3.0/26", "192.168.28.13", true, "tunl0"],
      ["10.1.3.9/32", "192.168.18.12", true, "tunl0"],
    ]);
    expect(routes({ vxlanMode: "CrossSubnet" })).toEqual([
      ["10.1.3.0/26", "10.1.1.3", true, "vxlan.tl"],
      ["10.1.3.9/32", "192.168.18.12", false, "same-subnet"],
    ]);
    expect(routes({})).toEqual([
      ["10.1.3.0/26", "192.168.28.13", false, undefined],
      ["10.1.3.9/32", "192.168.18.12", false, undefined],
    ]);
  });

  it("have the hardware address that a node wrote down, if it is one", () => {
    const macOf = (text: string) => {
      const one = node("b", "192.168.18.12", { ...inner(2), "projectcalico.org/VXLANTunnelMACAddr": text });
      const facts: ClusterFacts = {
        ...emptyFacts(),
        nodes: new Map([near[0], one].map((each) => [each.metadata.name, each])),
      };
      return tunnelEnds(facts, "a", vxlan!)[0]?.mac;
    };
    expect(macOf("66:AA:bb:00:00:01")).toBe("66:aa:bb:00:00:01");
    for (const text of ["66:aa:bb:00:00", "nonsense", ""]) expect(macOf(text)).toBe(tunnelMac("b"));
  });

  it("need the types of tunnel that enabled pools ask for, with the ends that stand", () => {
    expect(wantedTunnels(facts({ vxlanMode: "Always" }))).toEqual([vxlan]);
    expect(wantedTunnels(facts({ vxlanMode: "Always", disabled: true }))).toEqual([]);
    const all = {
      ...facts({}),
      nodes: new Map([...near, far, unready].map((one) => [one.metadata.name, one])),
    };
    expect(tunnelEnds(all, "a", vxlan!)).toEqual([
      { node: "b", outer: "192.168.18.12", inner: "10.1.1.2", mac: tunnelMac("b") },
      { node: "c", outer: "192.168.28.13", inner: "10.1.1.3", mac: tunnelMac("c") },
    ]);
    expect(tunnelMac("b")).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
    expect(tunnelMac("b")).not.toBe(tunnelMac("c"));
  });
});

it("leaves room for the tunnel that adds most, unless settings say otherwise", () => {
  const none = { ipip: null, vxlan: null, vxlan6: null };
  expect(mtusOf(1500, [])).toEqual({ pod: 1500, ...none });
  expect(mtusOf(9000, [ipip!])).toEqual({ pod: 8980, ...none, ipip: 8980 });
  expect(mtusOf(1500, [ipip!, vxlan!, vxlan6!])).toEqual({
    pod: 1430,
    ipip: 1480,
    vxlan: 1450,
    vxlan6: 1430,
  });
  expect(mtusOf(1500, [vxlan!], { pod: 1400, vxlan: 0 })).toEqual({ pod: 1400, ...none, vxlan: 1450 });
  expect(mtusOf(1500, [vxlan!], { pod: 70_000, vxlan: 9 })).toEqual({ pod: 1450, ...none, vxlan: 1450 });
  expect(mtusOf(1500, [vxlan!], { vxlan: 1300 })).toEqual({ pod: 1300, ...none, vxlan: 1300 });
});

describe("a pool's condition", () => {
  it("says whom the tunnel does not reach, and why", () => {
    const of = (spec: Partial<IPPool["spec"]>, ...nodes: Node[]) => poolTunnelCondition(pool(spec), nodes);
    expect(of({}, near[0])).toBeUndefined();
    expect(of({ vxlanMode: "Always" }, ...near, far)).toMatchObject({
      status: "True",
      reason: "TunnelsStand",
    });
    expect(of({ vxlanMode: "Always" }, ...near, unready)).toMatchObject({
      status: "False",
      reason: "TunnelsNotReady",
      message: expect.stringContaining("vxlan.tl does not stand on d"),
    });
    expect(of({ ipipMode: "CrossSubnet" }, near[0], lacking(far))).toMatchObject({
      status: "False",
      reason: "KernelLacksIPIP",
      message: expect.stringContaining("to and from c go"),
    });
    const told = { ...pool({}), status: { conditions: [{ type: "TunnelReady", status: "False" }] } } as never;
    expect(poolTunnelCondition(told, [])).toMatchObject({ status: "True", reason: "NotNeeded" });
  });
});

describe("the guard of tunnels", () => {
  const nodes = (...four: string[]) => ({
    all: { 4: four, 6: ["fd00::1"] },
    others: { 4: four.slice(1), 6: ["fd00::1"] },
  });

  it("knows nodes' addresses as kernels write them, however objects do", () => {
    const node = (name: string, ...addresses: string[]) => ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "" },
      status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
    });
    const list = [node("a", "10.0.0.1", "FD00:0::A"), node("b", "10.0.0.2", "FD00:0::B", "no address")];
    const facts = { ...emptyFacts(), nodes: new Map(list.map((one) => [one.metadata.name, one])) };
    expect(tunnelNodes(facts as never, "a")).toEqual({
      all: { 4: ["10.0.0.1", "10.0.0.2"], 6: ["fd00::a", "fd00::b"] },
      others: { 4: ["10.0.0.2"], 6: ["fd00::b"] },
    });
  });

  it("takes packets of known nodes only, and lets none of pods' through to nodes", () => {
    const table = new NftTable("inet", "t");
    writeTunnelGuard(table, [ipip!, vxlan!], nodes("10.0.0.1", "10.0.0.2"));
    expect(table.chain("tunnel-arriving")).toEqual({
      base: { type: "filter", hook: "prerouting", priority: -300 },
      rules: [
        "meta l4proto 4 goto tunnel-arriving-ipip",
        "@th,16,16 4789 meta l4proto 17 goto tunnel-arriving-vxlan",
      ],
    });
    // A pod's own tunnel to elsewhere is tracked, whatever its address.
    const arriving = [
      "meta nfproto ipv4 ip saddr @tunnel-from4 iifgroup & 0xffff0000 != 0x544c0000 notrack accept",
      "meta nfproto ipv4 fib daddr type { local, broadcast, anycast, multicast } drop",
    ];
    expect(table.chain("tunnel-arriving-ipip")?.rules).toEqual(arriving);
    expect(table.chain("tunnel-arriving-vxlan")?.rules).toEqual(arriving);
    // What was sent elsewhere and comes to the node by a translation is seen here.
    expect(table.chain("tunnel-translated")).toEqual({
      base: { type: "nat", hook: "input", priority: -190 },
      rules: [
        "meta nfproto ipv4 meta l4proto 4 ip saddr != @tunnel-from4 drop",
        "meta nfproto ipv4 udp dport 4789 ip saddr != @tunnel-from4 drop",
      ],
    });
    // Only a connection's first packet pays for the question, but not a pod's whose source is translated before.
    expect(table.chain("tunnel-leaving")).toEqual({
      base: { type: "nat", hook: "postrouting", priority: -190 },
      rules: [
        "meta nfproto ipv4 meta l4proto 4 ip daddr @tunnel-nodes4 iifgroup & 0xffff0000 != 0x544c0000 accept",
        "meta nfproto ipv4 meta l4proto 4 ip daddr @tunnel-nodes4 drop",
        "meta nfproto ipv4 udp dport 4789 ip daddr @tunnel-nodes4 iifgroup & 0xffff0000 != 0x544c0000 accept",
        "meta nfproto ipv4 udp dport 4789 ip daddr @tunnel-nodes4 drop",
      ],
    });
    expect(table.chain("tunnel-untracked-out")?.rules[1]).toBe(
      "meta nfproto ipv4 udp dport 4789 ip daddr @tunnel-from4 notrack",
    );
    expect([...table.elements("tunnel-from4").keys()]).toEqual(["10.0.0.2"]);
    expect([...table.elements("tunnel-nodes4").keys()]).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(table.hasSet("tunnel-from6")).toBe(false);
    writeTunnelGuard(table, [vxlan6!], nodes("10.0.0.1"));
    expect(table.setNames()).toEqual(["tunnel-from6", "tunnel-nodes6"]);
    expect(table.chainNames()).not.toContain("tunnel-arriving-ipip");
    expect(table.chain("tunnel-arriving-vxlan")?.rules).toContain("ip6 daddr ff00::/8 drop");
    writeTunnelGuard(table, [], nodes("10.0.0.1"));
    expect([table.setNames(), table.chainNames()]).toEqual([[], []]);
  });
});
