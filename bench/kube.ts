// Trunkline in a real cluster (scripts/cluster): kubelets, containerd, an API server and etcd, on this machine.
import path from "node:path";
import { down } from "../scripts/cluster/life.ts";
import { programs } from "../scripts/cluster/place.ts";
import { say } from "../scripts/cluster/programs.ts";
import { eventRows } from "./lib/kube/events.ts";
import { largeRows } from "./lib/kube/large.ts";
import { needs as plugins, startCluster } from "./lib/kube/nodes.ts";
import { ranWithOwnCluster } from "./lib/kube/own.ts";
import { Pods } from "./lib/kube/pods.ts";
import { startRows } from "./lib/kube/start.ts";
import { writeRows } from "./lib/kube/writes.ts";
import type { Need } from "./lib/needs.ts";
import type { Row } from "./lib/row.ts";

const built =
  "kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl agnhost containerd ctr etcd"
    .split(" ")
    .map((name) => ({ program: path.join(programs, name), script: "scripts/cluster/build.sh bench" }));

export const needs: readonly Need[] = [
  ...built,
  ...plugins,
  { program: "etcd", debian: "etcd-server" },
  { program: "runc", debian: "runc" },
  { program: "openssl", debian: "openssl" },
  { program: "conntrack", debian: "conntrack" },
  { program: "busybox", debian: "busybox-static" },
  { program: "gcc", debian: "gcc" },
];

/** @param args which parts: start, events, writes, large; none: all of them */
export async function bench(args: readonly string[]): Promise<readonly Row[] | undefined> {
  if (await ranWithOwnCluster()) return undefined;
  const wanted = (part: string): boolean => args.length === 0 || args.includes(part);
  const rows: Row[] = [];
  if (["start", "events", "writes"].some(wanted)) {
    const api = await startCluster();
    const pods = await Pods.watch(api);
    say("measuring");
    if (wanted("start")) rows.push(...(await startRows(pods, api)));
    if (wanted("events")) rows.push(...(await eventRows(pods, api)));
    if (wanted("writes")) rows.push(...(await writeRows(pods)));
    pods.end();
    api.close();
    await down();
  }
  if (wanted("large")) rows.push(...(await largeRows()));
  return rows;
}
