import fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { AddressBlock } from "../../api/kinds/address-block.ts";
import { silent } from "../../base/log.ts";
import { BIRD_PROTOCOL } from "../../bird/config/types.ts";
import type { FakeCalls } from "../../kernel/fake/calls.ts";
import { fakeMachine } from "../../kernel/index.ts";
import { type Kernel, MAIN_TABLE, ROUTE_PROTOCOL, type Route } from "../../kernel/kernel.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { peer } from "../../plan/routing/bird/facts.suite.ts";
import { block, facts, node } from "../../plan/routing/facts.suite.ts";
import { ROUTE_METRIC } from "../../plan/routing/plan-routes.ts";
import { RoutingManager } from "./routing-manager.ts";

/** IPv6 addresses as people write them, which is not how the kernel lists them. */
const nodes = [node("a", "192.168.18.11", "fd18::11"), node("b", "192.168.18.12", "FD18:0::12")];

/** What may become of nodes that are not this one; one has no address, and one comes that is not there at first. */
const otherNodes: readonly { name: string; addresses: readonly string[] | undefined }[] = [
  { name: "b", addresses: ["192.168.18.12", "fd18::12"] },
  { name: "b", addresses: ["192.168.18.22"] },
  { name: "b", addresses: undefined },
  { name: "z", addresses: ["192.168.18.26", "fd18::26"] },
  { name: "z", addresses: [] },
  { name: "z", addresses: undefined },
];

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

  it("comes to the same by single blocks and nodes that changed as by a look at the whole", async () => {
    const cidrs = ["10.1.0.0/26", "10.1.0.64/26", "10.1.0.128/26", "fd00::/122"];
    const change = fc.record({
      cidr: fc.constantFrom(...cidrs),
      // z is unknown
      owner: fc.constantFrom("a", "b", "z", undefined),
      pending: fc.boolean(),
      lent: fc.boolean(),
    });
    const round = fc.record({
      list: fc.array(change, { maxLength: 3 }),
      others: fc.array(fc.constantFrom(...otherNodes), { maxLength: 2 }),
    });
    const rounds = fc.array(round, { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(rounds, fc.boolean(), async (rounds, bgp) => {
        await manager.resync(facts(nodes, []), self);
        const blocks = new Map<string, AddressBlock>();
        const extra = bgp ? { bgpPeers: new Map([peer("r", { peerIP: "192.168.18.1", asNumber: 1 })]) } : {};
        const known = new Map(facts(nodes, []).nodes);
        const whole: ClusterFacts = { ...facts(nodes, []), nodes: known, blocks, ...extra };
        await manager.apply(whole, self, new Map([["nodes", "all"]]));
        for (const { list, others } of rounds) {
          const keys = new Set<string>();
          const names = new Set<string>();
          for (const { name, addresses } of others) {
            if (addresses) known.set(name, node(name, ...addresses));
            else known.delete(name);
            names.add(name);
          }
          for (const { cidr, owner, pending, lent } of list) {
            const loans = lent && cidr === cidrs[0] ? [{ address: "10.1.0.9", node: "b" }] : [];
            const made = block(cidr, owner ?? "", { loans, ...(pending && { state: "pending" }) });
            if (owner === undefined) blocks.delete(made.metadata.name);
            else blocks.set(made.metadata.name, made);
            keys.add(made.metadata.name);
          }
          const kinds = [["addressblocks", keys] as const, ["nodes", names] as const];
          await manager.apply(whole, self, new Map(kinds.filter(([, changed]) => changed.size > 0)));
          const followed = [present(), manager.problems()];
          await manager.resync(whole, self);
          expect(followed).toEqual([present(), manager.problems()]);
        }
      }),
      {
        numRuns: 300,
        examples: [
          // Its route waits for BIRD's in the kernel when the block goes.
          [
            (["a", "b", undefined] as const).map((owner) => ({
              list: [{ cidr: "10.1.0.0/26", owner, pending: false, lent: false }],
              others: [],
            })),
            true,
          ],
        ],
      },
    );
  });

  it("reads nothing back for another node and its block", async () => {
    const blocks = new Map<string, AddressBlock>();
    const known = new Map(facts(nodes, []).nodes);
    const whole: ClusterFacts = { ...facts(nodes, []), nodes: known, blocks };
    await manager.resync(whole, self);
    const lists = vi.spyOn(kernel.routes, "list");
    const added = block("10.1.0.64/26", "c");
    blocks.set(added.metadata.name, added);
    known.set("c", node("c", "192.168.18.13"));
    const keys = new Set([added.metadata.name]);
    await manager.apply(
      whole,
      self,
      new Map([
        ["nodes", new Set(["c"])],
        ["addressblocks", keys],
      ]),
    );
    known.set("c", node("c", "192.168.18.14"));
    await manager.apply(whole, self, new Map([["nodes", new Set(["c"])]]));
    expect(lists).not.toHaveBeenCalled();
    lists.mockRestore();
    expect(present()).toMatchObject([{ destination: "10.1.0.64/26", via: "192.168.18.14" }]);
  });

  it("waits on for BIRD's routes where the kernel refuses a look at its own", async () => {
    const made = block("10.1.0.64/26", "b");
    await manager.resync(owned(made), self);
    const bgpPeers = new Map([peer("r", { peerIP: "192.168.18.1", asNumber: 1 })]);
    vi.useFakeTimers();
    try {
      await manager.resync({ ...owned(made), bgpPeers }, self);
      expect(present()).toHaveLength(1);
      const list = vi.spyOn(kernel.routes, "list").mockImplementationOnce(() => {
        throw new Error("no buffer space");
      });
      vi.advanceTimersByTime(250);
      expect(list).toHaveBeenCalledOnce();
      list.mockRestore();
      kernel.routes.add({
        family: 4,
        destination: "10.1.0.64/26",
        type: "unicast",
        via: "192.168.18.12",
        protocol: BIRD_PROTOCOL,
        metric: 32,
        table: MAIN_TABLE,
      });
      vi.advanceTimersByTime(250);
      expect(present()).toEqual([]);
    } finally {
      vi.useRealTimers();
      manager.stop();
    }
  });
});
