import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Node } from "../../api/kinds/core.ts";
import { block, facts, node } from "./facts.suite.ts";
import { planRoutes, routeFor, routeTo } from "./plan-routes.ts";

const two = [node("a", "192.168.18.11"), node("b", "192.168.18.12", "fd00::12")];

describe("planRoutes", () => {
  it("blackholes the node's own block and routes the other node's by its address", () => {
    const plan = planRoutes(facts(two, [block("10.1.0.0/26", "a"), block("10.1.0.64/26", "b")]), "a");
    expect(plan.routes.map(({ route }) => [route.destination, route.type, route.via])).toEqual([
      ["10.1.0.0/26", "blackhole", undefined],
      ["10.1.0.64/26", "unicast", "192.168.18.12"],
    ]);
  });

  it("does not route a block whose claim is not confirmed, but blackholes it at its owner", () => {
    const pending = facts(two, [block("10.1.0.64/26", "b", { state: "pending" })]);
    expect(planRoutes(pending, "a").routes).toEqual([]);
    expect(planRoutes(pending, "b").routes.map(({ route }) => route.type)).toEqual(["blackhole"]);
  });

  it("routes a lent address by the borrower, except on the borrower and once it was returned", () => {
    const lent = facts(
      [...two, node("c", "192.168.18.13")],
      [
        block("10.1.0.0/26", "a", {
          loans: [
            { address: "10.1.0.5", node: "b" },
            { address: "10.1.0.6", node: "b", returned: true },
          ],
        }),
      ],
    );
    const loans = (name: string) =>
      planRoutes(lent, name)
        .routes.filter(({ because }) => because.kind === "loan")
        .map(({ route }) => route.via);
    expect(loans("a")).toEqual(["192.168.18.12"]);
    expect(loans("c")).toEqual(["192.168.18.12"]);
    expect(loans("b")).toEqual([]);
  });

  it("takes the next hop of the block's own family", () => {
    const plan = planRoutes(facts(two, [block("fd00:1::/122", "b")]), "a");
    expect(plan.routes[0]?.route.via).toBe("fd00::12");
  });

  it("reports a block whose owner is unknown, has no address of the family, or whose range is no range", () => {
    const broken = facts(
      [node("a", "192.168.18.11"), node("v4", "192.168.18.14")],
      [block("10.1.0.64/26", "gone"), block("fd00:1::/122", "v4"), block("10.1.0.1/26", "a")],
    );
    const plan = planRoutes(broken, "a");
    expect(plan.routes).toEqual([]);
    expect(plan.problems.map(({ why }) => why).toSorted()).toEqual([
      "bad-range",
      "node-unknown",
      "node-without-address",
    ]);
  });

  it("follows every object that a route hangs on, also where the block stays the same", () => {
    const blocks = [block("10.1.0.64/26", "b")];
    const pool = (spec: object) => ({ metadata: { name: "p" }, spec: { cidr: "10.1.0.0/16", ...spec } });
    const inner = (one: Node, address: string): Node => ({
      ...one,
      metadata: { ...one.metadata, annotations: { "projectcalico.org/IPv4VXLANTunnelAddr": address } },
    });
    const [a, b] = [node("a", "192.168.18.11"), node("b", "192.168.18.12")];
    const viaOf = (nodes: Node[], more: object = {}, from = "a") => {
      const { routes, problems } = planRoutes({ ...facts(nodes, blocks), ...more }, from);
      return routes[0]?.route.via ?? routes[0]?.route.type ?? problems[0]?.why;
    };
    const tunnel = { pools: new Map([["p", pool({ vxlanMode: "Always" })]]) };
    const none = {
      routingConfigurations: new Map([["default", { spec: { nodeAddress: { ipv4: "none" } } }]]),
    };
    for (let round = 0; round < 2; round++) {
      expect(viaOf([a, b])).toBe("192.168.18.12");
      expect(viaOf([a, node("b", "192.168.18.77")])).toBe("192.168.18.77");
      expect(viaOf([a, b], {}, "b")).toBe("blackhole");
      expect(viaOf([a, b], tunnel)).toBe("192.168.18.12");
      expect(viaOf([a, inner(b, "10.1.0.64")], tunnel)).toBe("192.168.18.12");
      expect(viaOf([inner(a, "10.1.0.1"), inner(b, "10.1.0.64")], tunnel)).toBe("10.1.0.64");
      expect(viaOf([a, b], none)).toBe("node-without-address");
      expect(viaOf([a])).toBe("node-unknown");
    }
  });

  it("gives the same plan whatever the order of the objects", () => {
    const blocks = ["10.1.0.0/26", "10.1.0.64/26", "10.1.0.128/26", "10.1.1.0/26"].map((cidr, at) =>
      block(cidr, at % 2 === 0 ? "a" : "b"),
    );
    fc.assert(
      fc.property(fc.shuffledSubarray(blocks, { minLength: blocks.length }), (shuffled) => {
        expect(planRoutes(facts(two, shuffled), "a")).toEqual(planRoutes(facts(two, blocks), "a"));
      }),
    );
  });
});

describe("routeFor", () => {
  it("takes the longest prefix", () => {
    const known = facts(two, [
      block("10.1.0.64/26", "b", { loans: [{ address: "10.1.0.70", node: "a" }] }),
      block("10.1.0.0/26", "a"),
    ]);
    const plan = planRoutes(known, "c");
    for (const address of ["10.1.0.70", "10.1.0.71", "10.1.0.1", "10.9.0.1"])
      expect(routeTo(known, "c", address)).toEqual(routeFor(plan, address));
    expect(routeFor(plan, "10.1.0.70")?.because.kind).toBe("loan");
    expect(routeFor(plan, "10.1.0.71")?.because.kind).toBe("remote-block");
    expect(routeFor(plan, "10.9.0.1")).toBeUndefined();
  });
});
