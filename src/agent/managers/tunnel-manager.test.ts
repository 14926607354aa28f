import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Node, nodeKind } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { silent } from "../../base/log.ts";
import { FakeMachine } from "../../kernel/fake/machine.ts";
import { MAIN_TABLE, ROUTE_PROTOCOL } from "../../kernel/kernel.ts";
import { type ClusterFacts, emptyFacts, type NodeFacts } from "../../plan/facts.ts";
import { tunnelMac } from "../../plan/routing/tunnels.ts";
import { memoryStore } from "../../store/memory.ts";
import type { Store } from "../../store/store.ts";
import type { TunnelAddresses } from "../pods/addresses.ts";
import { NodeTable } from "./node-table.ts";
import { TunnelManager } from "./tunnel-manager.ts";

const self: NodeFacts = { node: "a", addresses: ["192.168.18.11"], uplink: "eth0", endpoints: new Map() };
const inner = (address: string) => ({ "projectcalico.org/IPv4VXLANTunnelAddr": address });

function draft(name: string, address: string, annotations: Record<string, string> = {}) {
  return {
    apiVersion: "v1",
    kind: "Node" as const,
    metadata: { name, annotations },
    status: { addresses: [{ type: "InternalIP" as const, address }] },
  };
}

/** Holds 10.1.0.1 of the first pool for every device, while it may. */
class Addresses implements TunnelAddresses {
  readonly devices = new Map<string, { address: string; pool: string }>();
  refuse: Error | undefined;

  held(device: string) {
    return this.devices.get(device);
  }

  async hold(device: string, pools: readonly { readonly name: string }[]) {
    if (this.refuse) throw this.refuse;
    this.devices.set(device, { address: "10.1.0.1", pool: pools[0]?.name ?? "" });
    return "10.1.0.1";
  }

  async release(device: string) {
    this.devices.delete(device);
  }
}

let machine: FakeMachine;
let kernel: ReturnType<FakeMachine["open"]>;
let store: Store;
let addresses: Addresses;
let manager: TunnelManager;
let pools: Map<string, IPPool>;

function newManager(): TunnelManager {
  const table = new NodeTable(kernel.nft, ["tunnel"]);
  return new TunnelManager({ node: "a", kernel, store, table, addresses, logger: silent, lingerMs: 20 });
}

beforeEach(async () => {
  machine = new FakeMachine();
  machine.createNetns("a");
  kernel = machine.open({ name: "a" });
  const { index } = kernel.links.add({ kind: "dummy", name: "eth0", up: true });
  kernel.addresses.add({ linkIndex: index, address: "192.168.18.11/24", scope: "global" });
  store = memoryStore();
  await store.create(nodeKind, draft("a", "192.168.18.11"));
  await store.create(nodeKind, draft("b", "192.168.28.13", inner("10.1.0.65")));
  addresses = new Addresses();
  manager = newManager();
  pools = new Map();
});
afterEach(async () => {
  await manager.stop();
  await store.close();
});

function pool(spec: Partial<IPPool["spec"]>): void {
  pools.set("p", { metadata: { name: "p" }, spec: { cidr: "10.1.0.0/16", ...spec } } as IPPool);
}

async function facts(): Promise<ClusterFacts> {
  const { items } = await store.list(nodeKind);
  return { ...emptyFacts(), nodes: new Map(items.map((one) => [one.metadata.name, one])), pools };
}

const apply = async () =>
  manager.apply(
    await facts(),
    self,
    new Map([
      ["nodes", "all"],
      ["ippools", "all"],
    ] as const),
  );
const own = async (): Promise<Node | undefined> => store.get(nodeKind, "a");
const annotation = async (name: string) => (await own())?.metadata.annotations?.[name];
const reason = async () =>
  (await own())?.status?.conditions?.find(({ type }) => type === "TunnelReady")?.reason;
const quick = { interval: 2 };

describe("a node's tunnels", () => {
  it("get a device, an address, the other ends and a guard, and only then are told of", async () => {
    pool({ vxlanMode: "Always" });
    await apply();
    expect(kernel.links.get("vxlan.tl")).toMatchObject({ up: false, mtu: 1450, mac: tunnelMac("a") });
    await expect.poll(() => annotation("projectcalico.org/IPv4VXLANTunnelAddr"), quick).toBe("10.1.0.1");
    expect(await annotation("projectcalico.org/VXLANTunnelMACAddr")).toBe(tunnelMac("a"));
    await expect.poll(reason, quick).toBe("TunnelsStand");
    const link = kernel.links.get("vxlan.tl")!;
    expect(link).toMatchObject({
      up: true,
      vxlan: { id: 4096, port: 4789, local: "192.168.18.11", learning: false },
    });
    expect(kernel.addresses.list(link.index).map(({ address }) => address)).toEqual(["10.1.0.1/32"]);
    expect(kernel.links.features("vxlan.tl").get("tx-checksum-ip-generic")).toBe(false);
    const mac = tunnelMac("b");
    expect(kernel.neighbours.list({ linkIndex: link.index, fdb: true })).toMatchObject([
      { mac, address: "192.168.28.13" },
    ]);
    expect(kernel.neighbours.list({ linkIndex: link.index })).toMatchObject([{ mac, address: "10.1.0.65" }]);
    expect(await kernel.nft.text("list chain inet trunkline tunnel-arriving")).toContain("4789");
    // What is so already is left alone.
    const before = machine.calls.count;
    await apply();
    expect(machine.calls.count).toBe(before);
  });

  it("follow nodes that come and go, and a node that gets another address", async () => {
    pool({ vxlanMode: "Always" });
    await apply();
    await expect.poll(reason, quick).toBe("TunnelsStand");
    await store.create(nodeKind, draft("c", "192.168.28.14", inner("10.1.0.129")));
    await store.delete(nodeKind, "b");
    await apply();
    const link = kernel.links.get("vxlan.tl")!;
    expect(kernel.neighbours.list({ linkIndex: link.index, fdb: true })).toMatchObject([
      { address: "192.168.28.14" },
    ]);
    const node = (await own())!;
    await store.update(nodeKind, { ...node, ...draft("a", "192.168.18.77"), metadata: node.metadata });
    await apply();
    const again = kernel.links.get("vxlan.tl")!;
    expect(again).toMatchObject({ up: true, vxlan: { local: "192.168.18.77" } });
    expect(kernel.neighbours.list({ linkIndex: again.index, fdb: true })).toHaveLength(1);
  });

  it("stay while a route of the node leads through them, which would go with them", async () => {
    pool({ vxlanMode: "Always" });
    await apply();
    await expect.poll(reason, quick).toBe("TunnelsStand");
    const { index } = kernel.links.get("vxlan.tl")!;
    const route = {
      family: 4,
      type: "unicast",
      destination: "10.1.0.64/26",
      via: "10.1.0.65",
      linkIndex: index,
      onlink: true,
      protocol: ROUTE_PROTOCOL,
      table: MAIN_TABLE,
      metric: 512,
    } as const;
    kernel.routes.add(route);
    pool({ vxlanMode: "Never" });
    await apply();
    await sleep(60);
    await apply();
    expect(kernel.links.get("vxlan.tl")?.up).toBe(true);
    kernel.routes.remove(route);
    await apply();
    expect(kernel.links.get("vxlan.tl")).toBeUndefined();
  });

  it("are not told of any more before they are taken away, also by the next agent", async () => {
    pool({ vxlanMode: "Always" });
    await apply();
    await expect.poll(reason, quick).toBe("TunnelsStand");
    await manager.stop();
    manager = newManager();
    pool({ vxlanMode: "Never" });
    await apply();
    expect(kernel.links.get("vxlan.tl")?.up).toBe(true);
    await expect.poll(() => annotation("projectcalico.org/IPv4VXLANTunnelAddr"), quick).toBeUndefined();
    await expect.poll(() => kernel.links.get("vxlan.tl"), quick).toBeUndefined();
    await expect.poll(() => addresses.devices.size, quick).toBe(0);
    await expect
      .poll(() => kernel.nft.text("list chain inet trunkline tunnel-arriving"), quick)
      .toBeUndefined();
    await expect.poll(reason, quick).toBe("NotNeeded");
  });

  it("are said to lack what the kernel lacks, and hold no address for it", async () => {
    machine.lacking.add("ipip");
    pool({ ipipMode: "Always" });
    await apply();
    await expect.poll(reason, quick).toBe("KernelLacksIPIP");
    expect(addresses.devices.size).toBe(0);
    expect(manager.problems()).toMatchObject([{ code: "tunnel.not-ready", object: "Node/a" }]);
  });

  it("use the tunl0 that a kernel makes by itself, and leave it down", async () => {
    kernel.links.add({ kind: "ipip", name: "tunl0" });
    pool({ ipipMode: "Always" });
    await apply();
    await expect.poll(() => annotation("projectcalico.org/IPv4IPIPTunnelAddr"), quick).toBe("10.1.0.1");
    expect(kernel.links.get("tunl0")).toMatchObject({ up: true, mtu: 1480 });
    pools.clear();
    await apply();
    await expect.poll(() => kernel.links.get("tunl0")?.up, quick).toBe(false);
    expect(kernel.addresses.list(kernel.links.get("tunl0")!.index)).toEqual([]);
  });

  it("exchange an address of a pool that has no such tunnel any more, and say why they have none", async () => {
    addresses.devices.set("vxlan.tl", { address: "10.9.0.1", pool: "old" });
    addresses.refuse = new Error("the pool is full");
    pool({ vxlanMode: "Always" });
    await apply();
    await expect.poll(() => addresses.devices.size, quick).toBe(0);
    await apply();
    await expect.poll(() => manager.problems()[0]?.message, quick).toContain("the pool is full");
    expect(await annotation("projectcalico.org/IPv4VXLANTunnelAddr")).toBeUndefined();
  });
});
