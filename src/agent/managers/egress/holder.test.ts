import { beforeEach, describe, expect, it, vi } from "vitest";
import { leaseKind } from "../../../api/kinds/lease.ts";
import { TrunklineError } from "../../../base/errors.ts";
import { silent } from "../../../base/log.ts";
import { fakeMachine, type Kernel } from "../../../kernel/index.ts";
import type { CapturedFrame } from "../../../kernel/kernel.ts";
import { announcement } from "../../../kernel/sockets/announce.ts";
import type { NodeFacts } from "../../../plan/facts.ts";
import { EGRESS_LEASES, leaseName } from "../../../plan/snat/election.ts";
import { memoryStore } from "../../../store/memory.ts";
import type { Store } from "../../../store/store.ts";
import { EgressHolder } from "./holder.ts";

const addresses = ["192.168.18.50", "192.168.18.51"];
const OTHER = "02:00:00:00:00:99";
const node: NodeFacts = { node: "a", addresses: ["192.168.18.11"], uplink: "eth0", endpoints: new Map() };

describe("egress addresses on a node", () => {
  let kernel: Kernel;
  let store: Store;
  /** What the store answers reads with, where it is away; what the kernel says to addresses. */
  let away: Error | undefined;
  let refused: string | undefined;
  const taken = new Set<string>();

  beforeEach(() => {
    away = refused = undefined;
    taken.clear();
    const machine = fakeMachine();
    machine.createNetns("a");
    const opened = machine.open({ name: "a" });
    opened.links.add({ kind: "veth", name: "eth0", up: true, peer: { name: "other", up: true } });
    machine.calls.before = ({ operation, subject }) => {
      if (refused !== undefined && subject.includes(refused))
        throw new TrunklineError("kernel.refused", { attempt: operation, errno: "EIO", text: undefined });
    };
    // Somebody else on the wire has an address, and answers whoever asks for it.
    const hearers = new Set<(frame: CapturedFrame) => void>();
    const sockets = {
      openPacket: () => 1,
      sendPacket: (_fd: number, linkIndex: number) => {
        for (const address of taken)
          for (const hear of hearers)
            hear({ linkIndex, direction: "in", bytes: announcement(address, OTHER) });
      },
      receivePackets: (_fd: number, hear: (frame: CapturedFrame) => void) => {
        hearers.add(hear);
        return { stop: () => hearers.delete(hear) };
      },
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
  });

  /** Another node has given them back, so many milliseconds ago by its clock. */
  async function givenBack(ago: number): Promise<void> {
    const renewTime = new Date(Date.now() - ago).toISOString();
    for (const address of addresses)
      await store.create(leaseKind, {
        apiVersion: leaseKind.apiVersion,
        kind: "Lease",
        metadata: { name: leaseName(address), namespace: EGRESS_LEASES },
        spec: { holderIdentity: "", renewTime },
      });
  }

  const onUplink = () =>
    kernel.addresses.list().flatMap(({ address }) => (address.endsWith("/32") ? [address] : []));

  function hold(): EgressHolder {
    const holder = new EgressHolder({ node: "a", kernel, store, logger: silent, changed: async () => {} });
    const wanted = addresses.map((address) => ({
      address,
      family: 4 as const,
      objects: [`SourceNAT/${address}`],
      candidates: ["a"],
      holder: undefined,
    }));
    holder.follow(wanted, node);
    return holder;
  }

  it("are kept while the store is away, though the kernel refuses one of them", async () => {
    await givenBack(0);
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

  it("are not taken from who has them on the wire, however far ahead the last holder's clock was", async () => {
    const [first = "", second] = addresses;
    taken.add(first);
    await givenBack(-3_600_000);
    const holder = hold();
    await vi.waitFor(
      () => expect(holder.problems()).toMatchObject([{ message: expect.stringContaining(OTHER) }]),
      3000,
    );
    await vi.waitFor(() => expect(onUplink()).toEqual([`${second}/32`]), 3000);
    await holder.stop();
  });
});
