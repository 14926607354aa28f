import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { silent } from "../../base/log.ts";
import { fakeMachine, type Kernel } from "../../kernel/index.ts";
import { emptyFacts } from "../../plan/facts.ts";
import { EndpointJournal } from "./endpoint-journal.ts";
import { Endpoints } from "./endpoints.ts";
import { collectGone } from "./gone-pods.ts";

const PODS = 5;

describe("pods that are gone without a DEL", () => {
  let folder: string;
  let machine: ReturnType<typeof fakeMachine>;
  let kernel: Kernel;
  let endpoints: Endpoints;
  let journal: EndpointJournal;
  let watch: { stop(): void };
  /** Addresses of a sandbox are given back once this has settled. */
  const releasing = new Map<string, Promise<void>>();

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "trunkline-gone-"));
    machine = fakeMachine();
    machine.createNetns("node");
    kernel = machine.open({ name: "node" });
    journal = new EndpointJournal(folder, silent);
    let last = 0;
    endpoints = new Endpoints({
      machine,
      kernel,
      journal,
      addresses: {
        allocate: async () => [`10.9.0.${++last}`, `fd00::${last}`],
        release: async ({ containerId }) => releasing.get(containerId),
        owners: () => [],
        notReady: () => undefined,
      },
      logger: silent,
      inForce: async () => {},
      changed: () => {},
    });
    await endpoints.recover();
    watch = kernel.watch(["link"], (event) => endpoints.heard(event));
    for (let i = 0; i < PODS; i++) await add(`pod-${i}`);
  });

  function add(containerId: string, netns = containerId): Promise<unknown> {
    machine.createNetns(netns);
    return endpoints.add({
      containerId,
      ifName: "eth0",
      network: "n",
      netns: `/run/netns/${netns}`,
      netnsId: machine.identityOf({ name: netns }),
      pod: undefined,
      mtu: 1500,
    });
  }

  afterEach(() => {
    vi.restoreAllMocks();
    releasing.clear();
    watch.stop();
    journal.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const collect = () => collectGone(endpoints, emptyFacts(), machine, 0, silent);
  const names = () => [...endpoints.known.values()].map(({ containerId }) => containerId);
  const reads = () => [
    vi.spyOn(kernel.links, "list"),
    vi.spyOn(kernel.links, "listWithSettings"),
    vi.spyOn(kernel.links, "get"),
    vi.spyOn(kernel.routes, "list"),
    vi.spyOn(kernel.sysctl, "get"),
  ];
  const counts = (spies: ReturnType<typeof reads>) => spies.map((spy) => spy.mock.calls.length);

  it("are found by the kernel's events: while there are none nothing is read", async () => {
    const spies = reads();
    await collect();
    expect(counts(spies)).toEqual([0, 0, 0, 0, 0]);
    await machine.removeNetns("pod-1");
    await vi.waitFor(() => expect(endpoints.withoutWire()).toHaveLength(1));
    await collect();
    await endpoints.settled();
    expect(names()).toEqual(["pod-0", "pod-2", "pod-3", "pod-4"]);
    await collect();
    // Of the whole node nothing was read for one of its pods.
    expect(counts(spies)).toEqual([0, 0, expect.any(Number), 0, 0]);
  });

  it("are found where events were lost, one look for each pod and no second one", async () => {
    watch.stop();
    await machine.removeNetns("pod-1");
    await machine.removeNetns("pod-2");
    await collect();
    expect(names()).toHaveLength(PODS);
    endpoints.heard({ kind: "lost" });
    await collect();
    await endpoints.settled();
    expect(names()).toEqual(["pod-0", "pod-3", "pod-4"]);
    const spies = reads();
    await collect();
    expect(counts(spies)).toEqual([0, 0, 0, 0, 0]);
  });

  it("are found by the regular repair where nobody heard of it, which reads all wires' settings in one go", async () => {
    watch.stop();
    await machine.removeNetns("pod-1");
    const spies = reads();
    expect(endpoints.repair()).toEqual({ routes: 0, settings: 0 });
    expect(counts(spies)).toEqual([0, 1, 0, 1, 0]);
    await collect();
    await endpoints.settled();
    expect(names()).not.toContain("pod-1");
  });

  it("leaves a wire alone that is there although its link was said to be gone", async () => {
    const [one] = endpoints.known.values();
    const link = kernel.links.get(one!.hostInterface)!;
    endpoints.heard({ kind: "link", change: "gone", index: link.index, name: link.name, up: true, group: 0 });
    await collect();
    expect(names()).toHaveLength(PODS);
    expect(endpoints.withoutWire()).toEqual([]);
  });

  it.each([
    ["pod-2", "while another one was taken back"],
    ["pod-1", "in the turn before its own"],
  ])("leaves a sandbox alone that was added anew (%s, %s)", async (containerId) => {
    for (const gone of ["pod-1", "pod-2"]) await machine.removeNetns(gone);
    await vi.waitFor(() => expect(endpoints.withoutWire()).toHaveLength(2));
    const release = Promise.withResolvers<void>();
    releasing.set("pod-1", release.promise);
    // A repeated ADD is answered first, and only then come those whose turn it was after it.
    const added = containerId === "pod-1" ? add("pod-1", "again") : undefined;
    const collected = collect();
    const addedLater = containerId === "pod-2" ? add("pod-2", "again") : undefined;
    release.resolve();
    await Promise.all([added, addedLater, collected]);
    await endpoints.settled();
    expect(endpoints.known.get(`${containerId}/eth0`)).toMatchObject({
      phase: "ready",
      netns: "/run/netns/again",
    });
    expect(names()).toHaveLength(PODS - 1);
  });
});
