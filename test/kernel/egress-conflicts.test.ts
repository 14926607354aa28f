// Egress addresses that somebody has already: not taken, said on the object, and made right with the neighbours.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventKind, namespaceKind, nodeKind } from "../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { type SourceNAT, sourceNatKind } from "../../src/api/kinds/source-nat.ts";
import { collectFacts } from "../../src/plan/collect.ts";
import { clusterNode, namespace, pool, sourceNat } from "../../src/plan/snat/facts.suite.ts";
import { until } from "./scene.ts";
import { type BedNode, NatBed } from "./snat/nat-bed.ts";

let bed: NatBed;
const timers: NodeJS.Timeout[] = [];
/** Under way. */
const turns = new Set<Promise<void>>();

beforeEach(async () => {
  bed = new NatBed();
  for (const number of [1, 2]) bed.addNode(number);
  await bed.store.create(ipPoolKind, pool("pods", "172.16.0.0/16", { natOutgoing: true }));
  await bed.store.create(namespaceKind, namespace("shop"));
  const [first] = bed.nodes;
  for (const node of bed.nodes)
    await bed.store.create(
      nodeKind,
      clusterNode(node.name, [node.address, node.address6], node === first ? { egress: "yes" } : {}),
    );
  for (const node of bed.nodes) follow(node);
});
afterEach(async () => {
  for (const timer of timers.splice(0)) clearInterval(timer);
  await Promise.all(turns);
  await bed.close();
});

/** Stands for the agent: hands every change of objects to the manager. */
function follow(node: BedNode): void {
  let applied = "";
  let busy = false;
  const turn = async () => {
    if (busy) return;
    busy = true;
    const facts = await collectFacts(bed.store);
    const picture = JSON.stringify([...facts.sourceNats.values()]);
    if (picture !== applied) await bed.apply(node, facts);
    applied = picture;
    busy = false;
  };
  timers.push(
    setInterval(() => {
      const done: Promise<void> = turn().finally(() => turns.delete(done));
      turns.add(done);
    }, 20),
  );
}

async function want(...addresses: string[]): Promise<void> {
  const action = { type: "Address", addresses, egressNodes: { matchLabels: { egress: "yes" } } } as const;
  await bed.store.create<SourceNAT>(sourceNatKind, sourceNat("fixed", [{ action }]));
}

const object = () => bed.store.get(sourceNatKind, "fixed");
const conflict = async () =>
  (await object())?.status?.conditions?.find(({ type }) => type === "AddressConflict");
const holdsOf = (node: BedNode) =>
  node.kernel.addresses.list().map(({ address }) => address.split("/")[0] ?? "");
const uplinkOf = (kernel: BedNode["kernel"]) => kernel.links.get("eth0")!;
const give = (address: string, length: number) =>
  bed.outside.addresses.add({
    linkIndex: uplinkOf(bed.outside).index,
    address: `${address}/${length}`,
    scope: "global",
    noDad: true,
  });

describe("an egress address that a machine which no object knows has already", () => {
  it.each([
    ["192.168.18.77", 24],
    ["fd18::77", 64],
  ])("%s is not taken, and the object says who has it", async (taken, length) => {
    give(taken, length);
    const free = taken.includes(":") ? "fd18::250" : "192.168.18.250";
    await want(taken, free);
    const holder = bed.nodes[0] as BedNode;
    await until(() => holdsOf(holder).includes(free));
    await until(async () => (await conflict())?.status === "True");
    const { mac } = uplinkOf(bed.outside);
    expect(await conflict()).toMatchObject({
      reason: "AddressInUse",
      message: expect.stringContaining(`${taken} is not taken: ${mac} answers for it`) as string,
    });
    expect(holdsOf(holder)).not.toContain(taken);
    expect(holder.manager.problems()).toContainEqual(
      expect.objectContaining({ code: "snat.egress-conflict" }),
    );
    await until(async () =>
      (await bed.store.list(eventKind)).items.some(({ reason }) => reason === "AddressInUse"),
    );
    expect((await object())?.status?.holders?.map(({ address }) => address)).toEqual([free]);
  });
});

describe("an egress address that this node's own network gives to somebody", () => {
  it.each([
    ["192.168.18.1", "gateway"],
    ["192.168.18.0", "network's own address"],
    ["192.168.18.255", "broadcast address"],
    ["fd18::1", "gateway"],
  ])("%s is not taken", async (address, why) => {
    await want(address);
    await until(async () => (await conflict())?.status === "True");
    expect((await conflict())?.message).toContain(why);
    expect(holdsOf(bed.nodes[0] as BedNode)).not.toContain(address);
  });
});

describe("an egress address that somebody else takes while it is held", () => {
  it("is theirs for all neighbours once the object is gone", async () => {
    const [holder, neighbour] = bed.nodes as [BedNode, BedNode];
    const address = "192.168.18.250";
    await want(address);
    await until(() => holdsOf(holder).includes(address));
    const seen = () =>
      neighbour.kernel.neighbours
        .list({ linkIndex: uplinkOf(neighbour.kernel).index })
        .find((one) => one.address === address)?.mac;
    // The neighbour has learnt it from the holder.
    neighbour.kernel.neighbours.replace({
      linkIndex: uplinkOf(neighbour.kernel).index,
      address,
      mac: uplinkOf(holder.kernel).mac ?? "",
      state: "stale",
    });
    give(address, 24);
    expect(seen()).toBe(uplinkOf(holder.kernel).mac);
    await bed.store.delete(sourceNatKind, "fixed");
    await until(() => !holdsOf(holder).includes(address));
    await until(() => seen() === uplinkOf(bed.outside).mac);
  });
});

describe("an address that was somebody's", () => {
  it("is taken when they have left, and the object says no more of it", async () => {
    const address = "192.168.18.77";
    give(address, 24);
    await want(address);
    await until(async () => (await conflict())?.status === "True");
    bed.outside.addresses.remove({
      linkIndex: uplinkOf(bed.outside).index,
      address: `${address}/24`,
      scope: "global",
    });
    await expect.poll(() => holdsOf(bed.nodes[0] as BedNode), { timeout: 20_000 }).toContain(address);
    await until(async () => (await conflict())?.status === "False");
  });
});
