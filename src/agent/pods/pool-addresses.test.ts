import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { silent } from "../../base/log.ts";
import { fakeMachine } from "../../kernel/index.ts";
import { type ClusterFacts, emptyFacts } from "../../plan/facts.ts";
import { memoryStore } from "../../store/memory.ts";
import { type PoolAddresses, poolAddresses } from "./pool-addresses.ts";

const meta = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});

/** One block of sixteen. */
const pool: IPPool = {
  apiVersion: "crd.projectcalico.org/v1",
  kind: "IPPool",
  metadata: meta("pool"),
  spec: { cidr: "10.1.0.0/28", blockSize: 28 },
};

describe("addresses out of pools", () => {
  let stateDir: string;
  let pods: Map<string, Pod>;
  let addresses: PoolAddresses;
  let facts: ClusterFacts;
  beforeEach(() => {
    stateDir = mkdtempSync(path.join(tmpdir(), "trunkline-addresses-"));
    pods = new Map();
  });
  afterEach(async () => {
    await addresses.stop();
    rmSync(stateDir, { recursive: true });
  });

  async function start(addressCooldownMs?: number): Promise<void> {
    facts = {
      ...emptyFacts(),
      nodes: new Map([["n1", { apiVersion: "v1", kind: "Node", metadata: meta("n1") }]]),
      pools: new Map([["pool", pool]]),
      pods,
    };
    addresses = await poolAddresses({
      node: "n1",
      kernel: fakeMachine().open("self"),
      netns: "self",
      store: memoryStore(),
      facts,
      stateDir,
      logger: silent,
      addressCooldownMs,
      inUse: () => [],
    });
    await addresses.ready;
  }

  const owner = (n: number) => ({ containerId: `c${n}`, ifName: "eth0", pod: undefined });
  const add = async (n: number) => (await addresses.allocate(owner(n)))[0]!;
  async function fillAndFree(free: number): Promise<string[]> {
    const all: string[] = [];
    for (let n = 0; n < 16; n++) all.push(await add(n));
    for (let n = 0; n < free; n++) await addresses.release(owner(n));
    return all;
  }
  async function show(name: string, phase: "Running" | "Succeeded", podIP: string): Promise<void> {
    pods.set(`ns/${name}`, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...meta(name), namespace: "ns" },
      spec: { containers: [] },
      status: { phase, podIP },
    });
    const node = { node: "n1", addresses: [], uplink: "", endpoints: new Map() };
    await addresses.manager.apply(facts, node, new Map([["pods", new Set([`ns/${name}`])]]));
  }

  it("are not given out early as long as a pod's object shows them, unless that pod has ended", async () => {
    await start();
    const all = await fillAndFree(10);
    await show("terminating", "Running", all[0]!);
    await show("over", "Succeeded", all[1]!);
    expect(await add(20)).toBe(all[1]);
  });

  it("are answered again although their pool is gone, which gives out nothing new", async () => {
    await start();
    const first = await add(1);
    (facts.pools as Map<string, IPPool>).clear();
    expect(await add(1)).toBe(first);
    await expect(add(2)).rejects.toMatchObject({ code: "ipam.no-pool" });
  });

  it("rest for as long as the agent was told", async () => {
    await start(0);
    const all = await fillAndFree(1);
    expect(addresses.ipam.figures().blocks[0]).toMatchObject({ used: 15, free: 1, cooling: 0 });
    expect(await add(20)).toBe(all[0]);
  });

  it("rest if the agent was told nothing", async () => {
    await start();
    await fillAndFree(1);
    expect(addresses.ipam.figures().blocks[0]).toMatchObject({ used: 15, free: 0, cooling: 1 });
  });
});
