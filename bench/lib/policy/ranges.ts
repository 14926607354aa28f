// One policy with 20,000 ranges, as lists of countries or of a cloud's services have them: the memory that it adds to an agent, and
// how long it takes until one range more is enforced.
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type NetworkPolicy, networkPolicyKind } from "../../../src/api/kinds/network-policy.ts";
import type { Nft } from "../../../src/kernel/kernel.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { createPod, fillNode, OwnAgent } from "../own-agent.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";
import { makePathCluster, policyObject } from "./cluster.ts";
import { begin } from "./events.ts";

const RANGES = 20_000;
const CHANGES = rounds(30, 8);
const WARM_UP = 3;
/** Garbage is collected while nothing happens. */
const REST_MS = rounds(30_000, 12_000);

export async function rangeRows(folder: string): Promise<Row[]> {
  const bar = { of: "ours", at: "most" } as const;
  const agent = await withAgent(folder);
  const inProcess = await times(folder);
  return [
    row(
      "policy.ranges.memory",
      "one policy of 20,000 ranges: memory that it adds to an agent",
      "MiB",
      agent.mib,
      null,
      {
        ...bar,
        value: 25,
      },
    ),
    row(
      "policy.ranges.event",
      "one range more of 20,000: from the store to enforced, p50",
      "ms",
      quantile(inProcess, 0.5),
      null,
      {
        ...bar,
        value: 60,
      },
    ),
    row("policy.ranges.event.p99", "the same, p99", "ms", quantile(inProcess, 0.99)),
    row(
      "policy.ranges.agent",
      "the same with an agent as a process of its own and a store in a file: from before the write to the kernel's event, p50",
      "ms",
      quantile(agent.times, 0.5),
    ),
    row("policy.ranges.agent.p99", "the same, p99", "ms", quantile(agent.times, 0.99)),
  ];
}

/** Ranges that do not touch; another one more with each number. */
function specOf(count: number): NetworkPolicy["spec"] {
  const from = Array.from({ length: count }, (_, n) => ({
    ipBlock: { cidr: `${11 + (n >> 14)}.${(n >> 6) & 255}.${(n & 63) * 4}.0/24` },
  }));
  return { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ from }] };
}

interface WithAgent {
  /** How many MiB more the agent has at rest that has put the policy in force. */
  readonly mib: number;
  /** Milliseconds for each change. */
  readonly times: readonly number[];
}

async function withAgent(folder: string): Promise<WithAgent> {
  const database = path.join(folder, "ranges.db");
  const store = openSqliteStore(database);
  await fillNode(store);
  await createPod(store, "shut", { app: "shut" });
  const agent = await OwnAgent.start(path.join(folder, "ranges"), database);
  try {
    await agent.plug("shut");
    await pause(REST_MS);
    const before = anonymous(agent.process.pid ?? 0);
    await store.create(networkPolicyKind, policyObject("default", "ranges", specOf(RANGES)));
    while (!(await isEnforced(agent.kernel.nft))) await pause(100);
    await pause(REST_MS);
    return { mib: anonymous(agent.process.pid ?? 0) - before, times: await agentTimes(store, agent) };
  } finally {
    await agent.unplug("shut").catch(() => {});
    await agent.end();
    await store.close();
  }
}

async function agentTimes(store: Store, agent: OwnAgent): Promise<number[]> {
  const found: number[] = [];
  for (let i = 1; i <= CHANGES + WARM_UP; i++) {
    const policy = (await store.get(networkPolicyKind, "ranges", "default")) as NetworkPolicy;
    const spec = specOf(RANGES + i);
    const enforced = Promise.withResolvers<number>();
    const watch = agent.kernel.watch(["nftables"], () => enforced.resolve(performance.now()));
    const began = performance.now();
    await store.update(networkPolicyKind, { ...policy, spec });
    const ms = (await enforced.promise) - began;
    watch.stop();
    if (i > WARM_UP) found.push(ms);
    await pause(50);
  }
  return found;
}

async function isEnforced(nft: Nft): Promise<boolean> {
  return ((await nft.text("list table inet trunkline")) ?? "").includes(" vmap @policy-in-block4-");
}

/** MiB of a process's memory that no file is behind; proc(5), smaps_rollup. */
function anonymous(pid: number): number {
  const found = /^Anonymous:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  return Number(found?.[1]) / 1024;
}

/** Returns milliseconds for each change. */
async function times(folder: string): Promise<number[]> {
  const cluster = makePathCluster(1, true);
  const [pod] = cluster.facts.pods.values();
  const namespace = pod?.metadata.namespace ?? "default";
  const policies = new Map([[`${namespace}/ranges`, policyObject(namespace, "ranges", specOf(RANGES))]]);
  const running = await begin({ ...cluster, facts: { ...cluster.facts, policies } }, folder, "ranges");
  const found: number[] = [];
  try {
    for (let i = 1; i <= CHANGES + WARM_UP; i++) {
      const policy = (await running.store.get(networkPolicyKind, "ranges", namespace)) as NetworkPolicy;
      const spec = specOf(RANGES + i);
      const enforced = running.next();
      const began = performance.now();
      await running.store.update(networkPolicyKind, { ...policy, spec });
      const ms = (await enforced) - began;
      await running.settled();
      if (i > WARM_UP) found.push(ms);
    }
  } finally {
    await running.end();
  }
  return found;
}
