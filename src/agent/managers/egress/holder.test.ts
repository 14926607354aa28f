import { beforeEach, describe, expect, it, vi } from "vitest";
import { leaseKind } from "../../../api/kinds/lease.ts";
import { TrunklineError } from "../../../base/errors.ts";
import { silent } from "../../../base/log.ts";
import { fakeMachine, type Kernel } from "../../../kernel/index.ts";
import type { NodeFacts } from "../../../plan/facts.ts";
import { EGRESS_LEASES, leaseName } from "../../../plan/snat/election.ts";
import { memoryStore } from "../../../store/memory.ts";
import type { Store } from "../../../store/store.ts";
import { EgressHolder } from "./holder.ts";

const addresses = ["192.168.18.50", "192.168.18.51"];
const node: NodeFacts = { node: "a", addresses: ["192.168.18.11"], uplink: "eth0", endpoints: new Map() };

describe("egress addresses on a node", () => {
  let kernel: Kernel;
  let store: Store;
  /** What the store answers reads with, where it is away; what the kernel says to addresses. */
  let away: Error | undefined;
  let refused: string | undefined;

  beforeEach(async () => {
    away = refused = undefined;
    const machine = fakeMachine();
    machine.createNetns("a");
    const opened = machine.open({ name: "a" });
    opened.links.add({ kind: "veth", name: "eth0", up: true, peer: { name: "other", up: true } });
    machine.calls.before = ({ operation, subject }) => {
      if (refused !== undefined && subject.includes(refused))
        throw new TrunklineError("kernel.refused", { attempt: operation, errno: "EIO", text: undefined });
    };
    const sockets = {
      openPacket: () => 1,
      sendPacket() {},
      receivePackets: () => ({ stop() {} }),
      close() {},
    };
    const { links, routes, addresses: held } = opened;
    kernel = { links, routes, addresses: held, sockets } as unknown as Kernel;
    const memory = memoryStore();
    store = {
      ...memory,
      get: (...asked: Parameters<Store["get"]>) =>
        away === undefined ? memory.get(...asked) : Promise.reject(away),
      create: memory.create.bind(memory),
      update: memory.update.bind(memory),
    } as Store;
    // Another node has just given them back: nobody needs to ask the wire.
    for (const address of addresses)
      await memory.create(leaseKind, {
        apiVersion: leaseKind.apiVersion,
        kind: "Lease",
        metadata: { name: leaseName(address), namespace: EGRESS_LEASES },
        spec: { holderIdentity: "", renewTime: new Date().toISOString() },
      });
  });

  const onUplink = () =>
    kernel.addresses.list().flatMap(({ address }) => (address.endsWith("/32") ? [address] : []));

  function hold(): EgressHolder {
    const holder = new EgressHolder({ node: "a", kernel, store, logger: silent, changed: async () => {} });
    const wanted = addresses.map((address) => ({
      address,
      family: 4 as const,
      objects: [],
      candidates: ["a"],
      holder: undefined,
    }));
    holder.follow(wanted, node);
    return holder;
  }

  it("are kept while the store is away, though the kernel refuses one of them", async () => {
    const holder = hold();
    await vi.waitFor(() => expect(onUplink()).toHaveLength(2), 3000);
    away = new Error("the store is away");
    refused = addresses[0];
    // As if their time were over.
    for (const one of kernel.addresses.list())
      if (one.address.startsWith(addresses[1]!)) kernel.addresses.remove(one);
    await vi.waitFor(() => expect(onUplink()).toContain(`${addresses[1]}/32`), 3000);
    expect(holder.problems()).toMatchObject([{ message: "the store is away" }]);
    await holder.stop();
    expect(onUplink()).toEqual([`${addresses[0]}/32`]);
  });
});
