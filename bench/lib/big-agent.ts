// An agent in a big cluster (big-cluster.ts), measured after a restart: as a process of its own, with some pods that it plugs in.
import { setTimeout as sleep } from "node:timers/promises";
import { linuxMachine } from "../../src/kernel/index.ts";
import { bigCluster, type ClusterSize } from "./big-cluster.ts";
import { OwnAgent } from "./own-agent.ts";
import { ended, memoryMib, processorSeconds } from "./processes.ts";

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
