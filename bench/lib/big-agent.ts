// An agent in a big cluster (big-cluster.ts), measured after a restart: as a process of its own, with some pods that it plugs in.
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { linuxMachine } from "../../src/kernel/index.ts";
import { bigCluster, type ClusterSize } from "./big-cluster.ts";
import { ended, OwnAgent } from "./own-agent.ts";

/** It is at rest some seconds after it is ready. */
const REST_MS = 12_000;
const PATIENCE_MS = 120_000;
const TICKS_PER_SECOND = 100;

export interface Measured {
  readonly readySeconds: number;
  readonly cpuSeconds: number;
  readonly restMib: number;
  readonly mostMib: number;
}

/**
 * @param folder of its state; does not exist yet
 * @param store the SQLite database, or the options that name another store
 */
export async function measureAgent(
  folder: string,
  store: string | readonly string[],
  size: ClusterSize,
): Promise<Measured> {
  let agent: OwnAgent | undefined;
  const pods: string[] = [];
  try {
    agent = await OwnAgent.start(folder, store, { address: "192.168.0.1/16", patienceMs: PATIENCE_MS });
    for (const [namespace, pod] of localPods(size)) {
      await agent.plug(pod, namespace);
      pods.push(pod);
    }
    await ended(agent.process);
    const began = performance.now();
    await agent.startAgain(PATIENCE_MS);
    const readySeconds = (performance.now() - began) / 1000;
    const cpuSeconds = cpuOf(agent.process);
    await sleep(REST_MS);
    return {
      readySeconds,
      cpuSeconds,
      restMib: memoryOf(agent.process, "VmRSS"),
      mostMib: memoryOf(agent.process, "VmHWM"),
    };
  } finally {
    await agent?.end();
    for (const pod of pods) await linuxMachine().removeNetns(pod);
  }
}

function* localPods(size: ClusterSize): Generator<[namespace: string, name: string]> {
  for (const text of bigCluster(size, "pods")) {
    if (!text.includes('"nodeName":"bench"')) continue;
    const { metadata } = JSON.parse(text) as { metadata: { namespace: string; name: string } };
    yield [metadata.namespace, metadata.name];
  }
}

function memoryOf({ pid }: ChildProcess, line: string): number {
  const found = new RegExp(`^${line}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(found?.[1]) / 1024;
}

function cpuOf({ pid }: ChildProcess): number {
  const fields = (readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1) ?? "").split(" ").map(Number);
  return ((fields[11] ?? 0) + (fields[12] ?? 0)) / TICKS_PER_SECOND;
}
