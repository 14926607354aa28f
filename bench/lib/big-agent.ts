// An agent in a big cluster (big-cluster.ts), measured after a restart: as a process of its own, with some pods that it plugs in.
import { setTimeout as sleep } from "node:timers/promises";
import { linuxMachine } from "../../src/kernel/index.ts";
import { bigCluster, type ClusterSize } from "./big-cluster.ts";
import { OwnAgent } from "./own-agent.ts";
import { ended, memoryMib, processorSeconds } from "./processes.ts";
import { isQuick } from "./quick.ts";
import { type Row, row } from "./row.ts";

/** It is at rest some seconds after it is ready. */
const REST_MS = 12_000;
const PATIENCE_MS = 120_000;

export interface Measured {
  readonly readySeconds: number;
  readonly cpuSeconds: number;
  readonly restMib: number;
  readonly mostMib: number;
}

/**
 * Returns what was measured of an agent as rows of a table.
 * @param id of the rows, but for the figure
 * @param bars the most that is aimed at; quick runs are not judged
 */
export function agentRows(
  id: string,
  what: string,
  { ours, peer, bars }: { ours: Measured; peer?: Measured; bars: Partial<Record<keyof Measured, number>> },
): Row[] {
  const of = (figure: keyof Measured, words: string, unit: string): Row => {
    const value = isQuick ? undefined : bars[figure];
    const bar = value === undefined ? undefined : ({ of: "ours", at: "most", value } as const);
    return row(`${id}.${figure}`, `${what}: ${words}`, unit, ours[figure], peer?.[figure] ?? null, bar);
  };
  return [
    of("readySeconds", "restarted agent, from its start until ready", "s"),
    of("cpuSeconds", "processor time until then", "s"),
    of("restMib", "memory at rest", "MiB"),
    of("mostMib", "most memory so far", "MiB"),
  ];
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
    const pid = agent.process.pid!;
    const readySeconds = (performance.now() - began) / 1000;
    const cpuSeconds = processorSeconds(pid);
    await sleep(REST_MS);
    return {
      readySeconds,
      cpuSeconds,
      restMib: memoryMib(pid),
      mostMib: memoryMib(pid, "most"),
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
