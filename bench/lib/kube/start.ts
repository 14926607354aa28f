// From a pod's creation until the API shows it as Running: a node of ours beside one with the bridge plugin.
import { setTimeout as sleep } from "node:timers/promises";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";
import type { Api } from "./api.ts";
import { far, other } from "./nodes.ts";
import type { Pods } from "./pods.ts";

const PAIRS = rounds(60, 8);
const WARM_UP = 2;
const BATCHES = rounds(3, 1);
const BATCH = 30;
const nodeOf = { ours: far, peer: other } as const;
type Who = keyof typeof nodeOf;
type Both = Record<Who, number[]>;
const both = (): Both => ({ ours: [], peer: [] });
/** Who goes first changes. */
const orders = [
  ["ours", "peer"],
  ["peer", "ours"],
] as const;
const most = { of: "ratio", at: "most", value: 1 } as const;

export async function startRows(pods: Pods, api: Api): Promise<Row[]> {
  const before = await sandboxes(api);
  const alone = await oneByOne(pods);
  const after = await sandboxes(api);
  const together = await batches(pods);
  const sandbox = (who: Who) =>
    (1000 * (after[who].sum - before[who].sum)) / (after[who].count - before[who].count);
  const at = (values: Both, share: number) =>
    [quantile(values.ours, share), quantile(values.peer, share)] as const;
  const text = "pod created until the API shows it as Running";
  const beside = "(peer: bridge, host-local)";
  return [
    row("kube.start.p50", `${text}, one at a time, median ${beside}`, "ms", ...at(alone, 0.5), most),
    row("kube.start.p90", `${text}, one at a time, 90th percentile ${beside}`, "ms", ...at(alone, 0.9)),
    row(
      "kube.start.sandbox",
      `its sandbox, as kubelets count it, mean ${beside}`,
      "ms",
      sandbox("ours"),
      sandbox("peer"),
    ),
    row(
      "kube.start.batch",
      `${BATCH} pods created at once until all are Running, median of ${BATCHES} ${beside}`,
      "ms",
      ...at(together, 0.5),
      most,
    ),
  ];
}

async function oneByOne(pods: Pods): Promise<Both> {
  const times = both();
  const names: string[] = [];
  for (let i = -WARM_UP; i < PAIRS; i++) {
    for (const who of orders[i & 1]!) {
      const name = `start-${who}-${i + WARM_UP}`;
      names.push(name);
      const { ms } = await pods.run(name, nodeOf[who]);
      if (i >= 0) times[who].push(ms);
      // Kubelets look at their containers once a second: a pod comes at any time of it.
      await sleep(Math.random() * 1000);
    }
  }
  await Promise.all(names.map((name) => pods.remove(name)));
  return times;
}

export async function batches(pods: Pods): Promise<Both> {
  const times = both();
  for (let batch = 0; batch < BATCHES; batch++)
    for (const who of orders[batch & 1]!) {
      const names = Array.from({ length: BATCH }, (_, at) => `batch-${who}-${batch}-${at}`);
      const all = await Promise.all(names.map((name) => pods.run(name, nodeOf[who])));
      times[who].push(Math.max(...all.map(({ ms }) => ms)));
      await Promise.all(names.map((name) => pods.remove(name)));
      await sleep(2000);
    }
  return times;
}

interface Total {
  readonly sum: number;
  readonly count: number;
}

/** How many seconds the kubelets' runtimes have spent on sandboxes, in which the plugin runs. */
async function sandboxes(api: Api): Promise<Record<Who, Total>> {
  const of = async (who: Who): Promise<Total> => {
    const text = await api.text(`/api/v1/nodes/${nodeOf[who]}/proxy/metrics`);
    const value = (what: string): number =>
      // A kubelet that has made none yet says nothing of them.
      Number(
        new RegExp(`^kubelet_run_podsandbox_duration_seconds_${what}{[^}]*} (\\S+)$`, "m").exec(text)?.[1] ??
          0,
      );
    return { sum: value("sum"), count: value("count") };
  };
  return { ours: await of("ours"), peer: await of("peer") };
}
