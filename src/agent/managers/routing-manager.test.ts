import { beforeEach, describe, expect, it } from "vitest";
import type { AddressBlock } from "../../api/kinds/address-block.ts";
import { silent } from "../../base/log.ts";
import type { FakeCalls } from "../../kernel/fake/calls.ts";
import { fakeMachine } from "../../kernel/index.ts";
import { type Kernel, MAIN_TABLE, ROUTE_PROTOCOL, type Route } from "../../kernel/kernel.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { block, facts, node } from "../../plan/routing/facts.suite.ts";
import { ROUTE_METRIC } from "../../plan/routing/plan-routes.ts";
import { RoutingManager } from "./routing-manager.ts";

/** IPv6 addresses as people write them, which is not how the kernel lists them. */
const nodes = [node("a", "192.168.18.11", "fd18::11"), node("b", "192.168.18.12", "FD18:0::12")];

const owned = (...blocks: AddressBlock[]): ClusterFacts => facts(nodes, blocks);

const self: NodeFacts = {
  node: "a",
  addresses: ["192.168.18.11", "fd18::11"],
  uplink: "eth0",
  endpoints: new Map(),
};

describe("routing manager", () => {
  let kernel: Kernel;
  let manager: RoutingManager;
  let calls: FakeCalls;
  beforeEach(() => {
    const machine = fakeMachine();
    calls = machine.calls;
    machine.createNetns("a");
    kernel = machine.open({ name: "a" });
    const link = kernel.links.add({
      kind: "veth",
      name: "eth0",
      up: true,
      peer: { name: "other", up: true },
    });
    kernel.addresses.add({ linkIndex: link.index, address: "192.168.18.11/24", scope: "global" });
    kernel.addresses.add({ linkIndex: link.index, address: "fd18::11/64", scope: "global", noDad: true });
    manager = new RoutingManager(kernel, silent);
  });

  const present = () =>
    kernel.routes
      .list({ protocol: ROUTE_PROTOCOL })
      .map(({ destination, type, via, mtu }) => ({ destination, type, via, mtu }))
      .toSorted((a, b) => (a.destination < b.destination ? -1 : 1));

  it("turns a route into one of another type when its block changes hands, and back", async () => {
    for (const [four, six] of [
      ["a", "b"],
      ["b", "a"],
      ["a", "b"],
    ] as const) {
      await manager.resync(owned(block("10.1.0.0/26", four), block("fd00::/122", six)), self);
      const by = (owner: string, via: string) =>
        owner === "a" ? { type: "blackhole", via: undefined } : { type: "unicast", via };
      expect(present()).toMatchObject([
        { destination: "10.1.0.0/26", ...by(four, "192.168.18.12") },
        { destination: "fd00::/122", ...by(six, "fd18::12") },
      ]);
    }
  });

  it("writes nothing where all is as planned", async () => {
    const planned = owned(block("10.1.0.0/26", "a"), block("10.1.0.64/26", "b"), block("fd00::/122", "b"));
    const before = calls.count;
    await manager.resync(planned, self);
    expect(calls.count).toBe(before + 3);
    await manager.resync(planned, self);
    expect(calls.count).toBe(before + 3);
  });

  it("takes back what others did to its routes, and leaves theirs alone", async () => {
    const planned = owned(block("10.1.0.64/26", "b"));
    await manager.resync(planned, self);
    const common = { family: 4, type: "unicast", table: MAIN_TABLE, via: "192.168.18.12" } as const;
    const ours: Route = {
      ...common,
      destination: "10.1.0.64/26",
      protocol: ROUTE_PROTOCOL,
      metric: ROUTE_METRIC,
    };
    kernel.routes.replace({ ...ours, mtu: 1000 });
    kernel.routes.add({ ...ours, destination: "10.1.0.128/26" });
    const pods: Route = { ...common, destination: "10.1.0.9/32", protocol: ROUTE_PROTOCOL };
    const others: Route = { ...common, destination: "10.1.0.192/26", protocol: 3, metric: ROUTE_METRIC };
    kernel.routes.add(pods);
    kernel.routes.add(others);
    await manager.resync(planned, self);
    expect(present()).toMatchObject([
      { destination: "10.1.0.64/26", mtu: undefined },
      { destination: "10.1.0.9/32" },
    ]);
    expect(kernel.routes.list({ protocol: 3 })).toHaveLength(1);
  });
});
