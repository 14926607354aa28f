import { describe, expect, it } from "vitest";
import { block, cluster } from "../cluster.suite.ts";
import { clusterRows, nodeTable } from "./tables.ts";
import type { NodeRouting } from "./types.ts";

const facts = cluster(
  block("10.1.0.0/26", "n1", { loans: [{ address: "10.1.0.9", node: "n2" }] }),
  block("10.1.0.128/26", "n2", { state: "pending" }),
  block("10.1.0.192/26", "lost"),
);
const nobody = new Map<string, NodeRouting>();

const heard = {
  type: "unicast",
  best: true,
  interface: "eth0",
  from: undefined,
  asPath: [65_001],
  communities: [[84, 0, 1]],
} as const;
const session = (protocol: string, peer: string, peerNode: string | null) =>
  ({ protocol, peer, peerNode }) as unknown as NodeRouting["sessions"][number];
const node = (name: string, parts: Partial<NodeRouting>): NodeRouting => ({
  node: name,
  running: true,
  error: null,
  sessions: [],
  ripNeighbours: [],
  findings: [],
  routes: [],
  refused: [],
  exports: {},
  kernel: [],
  links: [{ name: "eth0", index: 2, mtu: 1500, addresses: ["192.168.18.3"] }],
  ...parts,
});

describe("the cluster's table", () => {
  it("says who announces each prefix, in the order of addresses", () => {
    expect(
      clusterRows(facts, nobody).map(({ prefix, announcedBy, via }) => [prefix, announcedBy, via]),
    ).toEqual([
      ["10.1.0.0/26", "n1", "192.168.18.3"],
      ["10.1.0.9/32", "n2", "192.168.18.4"],
      ["10.1.0.64/26", "n2", "192.168.18.4"],
      ["10.1.0.128/26", "n2", null],
      ["10.1.0.192/26", "lost", null],
    ]);
    expect(clusterRows(facts, nobody).find(({ announcedBy }) => announcedBy === "lost")?.why).toBe(
      "block 10-1-0-192-26 was of lost, which does not exist any more: no node has a route",
    );
  });

  it("names the peer outside that a route came by, also where a node has it by another node", () => {
    const live = new Map([
      [
        "n2",
        node("n2", {
          sessions: [session("bgp_n1", "192.168.18.3", "n1")],
          routes: [
            {
              ...heard,
              prefix: "10.9.0.0/24",
              protocol: "bgp_n1",
              via: "192.168.18.1",
              nextHop: "192.168.18.7",
            },
          ],
        }),
      ],
      [
        "n1",
        node("n1", {
          sessions: [session("bgp_r1", "192.168.18.1", null)],
          routes: [
            {
              ...heard,
              prefix: "10.9.0.0/24",
              protocol: "bgp_r1",
              via: "192.168.18.1",
              nextHop: "192.168.18.7",
            },
          ],
          refused: [{ prefix: "0.0.0.0/0", peer: "192.168.18.1", through: "bgp", why: "no default" }],
        }),
      ],
    ]);
    const outside = clusterRows(facts, live).filter((row) => row.outside);
    expect(outside).toMatchObject([
      { prefix: "0.0.0.0/0", announcedBy: "192.168.18.1", accepted: false, why: "refused: no default" },
      {
        prefix: "10.9.0.0/24",
        announcedBy: "192.168.18.1",
        accepted: true,
        via: "192.168.18.7",
        through: "bgp",
      },
    ]);
  });
});

describe("a node's table", () => {
  it("tells the routes with the reason of each, and what cannot be routed", () => {
    const { routes, problems } = nodeTable(facts, "n1", undefined);
    expect(routes.map(({ prefix, type, via, inKernel }) => [prefix, type, via, inKernel])).toEqual([
      ["10.1.0.0/26", "blackhole", null, false],
      ["10.1.0.9/32", "unicast", "192.168.18.4", false],
      ["10.1.0.64/26", "unicast", "192.168.18.4", false],
    ]);
    expect(routes[1]?.why).toBe("10.1.0.9 of block 10-1-0-0-26 is lent to n2");
    expect(problems).toEqual([{ prefix: "10.1.0.192/26", node: "lost", why: "node-unknown" }]);
  });

  it("has what the kernel has, and says what goes out to whom", () => {
    const kernel = { family: 4, type: "unicast", table: 254, linkIndex: 2 } as const;
    const live = node("n1", {
      kernel: [
        { ...kernel, destination: "10.1.0.64/26", via: "192.168.18.4", protocol: 84, metric: 512 },
        { ...kernel, destination: "10.9.0.0/24", via: "192.168.18.1", protocol: 12, metric: 32 },
      ],
      sessions: [session("bgp_r1", "192.168.18.1", null)],
      routes: [
        { ...heard, prefix: "10.9.0.0/24", protocol: "bgp_r1", via: "192.168.18.1", nextHop: "192.168.18.1" },
      ],
      exports: { "192.168.18.1": ["10.1.0.0/26"] },
    });
    const { routes, exports } = nodeTable(facts, "n1", live);
    expect(routes.find(({ prefix }) => prefix === "10.1.0.64/26")).toMatchObject({
      dev: "eth0",
      inKernel: true,
    });
    expect(routes.find(({ prefix }) => prefix === "10.9.0.0/24")).toMatchObject({
      outside: true,
      dev: "eth0",
      inKernel: true,
      peer: "192.168.18.1",
    });
    expect(exports).toMatchObject([{ prefix: "10.1.0.0/26", peers: ["192.168.18.1"] }]);
  });

  it("says why each prefix goes out, and names the sessions that do not stand", () => {
    const down = {
      ...session("bgp_r2", "192.168.18.2", null),
      object: "BGPPeer/r2",
      state: "Idle",
      error: { code: "wrong-as", message: "192.168.18.2 is not in AS 65099" },
    } as unknown as NodeRouting["sessions"][number];
    const live = node("n1", {
      sessions: [session("bgp_r1", "192.168.18.1", null), down],
      routes: [
        { ...heard, prefix: "10.9.0.0/24", protocol: "bgp_r1", via: "192.168.18.1", nextHop: "192.168.18.1" },
      ],
      exports: { "192.168.18.4": ["10.1.0.64/26", "10.9.0.0/24", "172.21.0.0/20"] },
    });
    const { exports, problems } = nodeTable(facts, "n1", live);
    expect(exports.map(({ why }) => why)).toEqual([
      expect.stringContaining("; passed on"),
      "told by 192.168.18.1; passed on",
      "a range of Services",
    ]);
    expect(problems).toContainEqual({
      prefix: "BGPPeer/r2",
      node: "n1",
      why: "wrong-as",
      message: "no session with 192.168.18.2: 192.168.18.2 is not in AS 65099",
    });
  });
});
