import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventKind, type Node, nodeKind } from "../../api/kinds/core.ts";
import { routingConfigurationKind } from "../../api/kinds/routing/routing-configuration.ts";
import { silent } from "../../base/log.ts";
import { FakeMachine } from "../../kernel/fake/machine.ts";
import { type ClusterFacts, emptyFacts, type NodeFacts } from "../../plan/facts.ts";
import { nodeAddress } from "../../plan/routing/node-address.ts";
import { memoryStore } from "../../store/memory.ts";
import type { Store } from "../../store/store.ts";
import { AddressManager } from "./address-manager.ts";

const self: NodeFacts = { node: "a", addresses: ["192.168.18.11"], uplink: "eth0", endpoints: new Map() };
const V4 = "projectcalico.org/IPv4Address";
const V6 = "projectcalico.org/IPv6Address";

let kernel: ReturnType<FakeMachine["open"]>;
let store: Store;
let manager: AddressManager;
let eth1: number;

async function facts(): Promise<ClusterFacts> {
  const nodes = (await store.list(nodeKind)).items;
  const configurations = (await store.list(routingConfigurationKind)).items;
  return {
    ...emptyFacts(),
    nodes: new Map(nodes.map((one) => [one.metadata.name, one])),
    routingConfigurations: new Map(configurations.map((one) => [one.metadata.name, one])),
  };
}

/** Lets the manager look until it has no more to write. */
async function settle(): Promise<Node> {
  for (let turn = 0; turn < 3; turn++) {
    await manager.apply(await facts(), self, new Map([["nodes", "all" as const]]));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return (await store.get(nodeKind, "a"))!;
}

async function say(nodeAddressSpec: Record<string, string>): Promise<void> {
  const before = await store.get(routingConfigurationKind, "default");
  if (before)
    await store.update(routingConfigurationKind, { ...before, spec: { nodeAddress: nodeAddressSpec } });
  else
    await store.create(routingConfigurationKind, {
      apiVersion: "trunkline.dev/v1alpha1",
      kind: "RoutingConfiguration",
      metadata: { name: "default" },
      spec: { nodeAddress: nodeAddressSpec },
    });
}

async function addNode(name: string, address: string): Promise<void> {
  await store.create(nodeKind, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    status: { addresses: [{ type: "InternalIP", address }] },
  });
}

const conditionOf = (node: Node) => node.status?.conditions?.find(({ type }) => type === "NodeAddressReady");

beforeEach(async () => {
  const machine = new FakeMachine();
  machine.createNetns("a");
  kernel = machine.open({ name: "a" });
  const eth0 = kernel.links.add({ kind: "dummy", name: "eth0", up: true }).index;
  eth1 = kernel.links.add({ kind: "dummy", name: "eth1", up: true }).index;
  kernel.addresses.add({ linkIndex: eth0, address: "192.168.18.11/24", scope: "global" });
  kernel.addresses.add({ linkIndex: eth1, address: "10.9.0.11/16", scope: "global" });
  kernel.addresses.add({ linkIndex: eth1, address: "fd09::11/64", scope: "global", noDad: true });
  store = memoryStore();
  await addNode("a", "192.168.18.11");
  await addNode("b", "192.168.18.12");
  manager = new AddressManager({ node: "a", kernel, store, logger: silent, againMs: 5 });
});
afterEach(async () => {
  await manager.stop();
  kernel.close();
});

describe("address manager", () => {
  it("writes the InternalIP with the length of its network, and says nothing of what is well", async () => {
    const node = await settle();
    expect(node.metadata.annotations).toEqual({ [V4]: "192.168.18.11/24" });
    expect(conditionOf(node)).toBeUndefined();
    expect(manager.problems()).toEqual([]);
    const version = node.metadata.resourceVersion;
    expect((await settle()).metadata.resourceVersion).toBe(version);
  });

  it("follows the method as it changes, for both families", async () => {
    await say({ ipv4: "interface=eth1", ipv6: "first-found" });
    expect((await settle()).metadata.annotations).toEqual({ [V4]: "10.9.0.11/16", [V6]: "fd09::11/64" });
    await say({ ipv4: "cidr=192.168.0.0/16", ipv6: "none" });
    const node = await settle();
    expect(node.metadata.annotations).toEqual({ [V4]: "192.168.18.11/24" });
    expect(nodeAddress(await facts(), node, 6)).toBeUndefined();
  });

  it("follows the machine's addresses", async () => {
    await say({ ipv4: "interface=eth1" });
    await settle();
    kernel.addresses.remove({ linkIndex: eth1, address: "10.9.0.11/16", scope: "global" });
    kernel.addresses.add({ linkIndex: eth1, address: "10.9.0.77/16", scope: "global" });
    expect((await settle()).metadata.annotations?.[V4]).toBe("10.9.0.77/16");
  });

  it("keeps the last address while nothing is found, and says so until something is", async () => {
    await say({ ipv4: "interface=eth1" });
    await settle();
    kernel.links.change(eth1, { up: false });
    const node = await settle();
    expect(node.metadata.annotations?.[V4]).toBe("10.9.0.11/16");
    expect(conditionOf(node)).toMatchObject({ status: "False", reason: "NotDetected" });
    expect(conditionOf(node)?.message).toContain("10.9.0.11/16 is used");
    expect(manager.problems()).toMatchObject([{ code: "node-address.not-found", object: "Node/a" }]);
    expect((await store.list(eventKind)).items.map(({ reason }) => reason)).toContain("NodeAddressNotFound");
    kernel.links.change(eth1, { up: true });
    expect(conditionOf(await settle())).toMatchObject({ status: "True", reason: "Detected" });
  });

  it("reports an address that another node has, until it has it no more", async () => {
    await addNode("c", "192.168.18.11");
    const node = await settle();
    expect(conditionOf(node)).toMatchObject({
      status: "False",
      reason: "AddressInUse",
      message: "192.168.18.11 is also that of node c",
    });
    expect((await store.list(eventKind)).items).toMatchObject([
      { reason: "DuplicateNodeAddress", type: "Warning", involvedObject: { kind: "Node", name: "a" } },
    ]);
    await store.delete(nodeKind, "c");
    expect(conditionOf(await settle())).toMatchObject({ status: "True" });
  });

  it("writes again what somebody took away, or wrote in its place", async () => {
    const node = await settle();
    await store.update(nodeKind, {
      ...node,
      metadata: { ...node.metadata, annotations: { [V4]: "1.2.3.4/8", [V6]: "fd77::1/64" } },
    });
    expect((await settle()).metadata.annotations).toEqual({ [V4]: "192.168.18.11/24" });
  });
});
