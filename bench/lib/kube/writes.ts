// What agents and controllers ask of the API server while pods come and go, as its audit log has it.
import { setTimeout as sleep } from "node:timers/promises";
import { folder } from "../../../scripts/cluster/place.ts";
import { auditLog } from "../../../test/kube/audit-log.ts";
import { rounds } from "../quick.ts";
import { type Row, row } from "../row.ts";
import { far, near } from "./nodes.ts";
import type { Pods } from "./pods.ts";
import { tally } from "./tally.ts";

const PODS = rounds(60, 20);
const AT_A_TIME = 10;
/** What follows a pod's end, such as the collection of its address, comes within seconds. */
const LATE_MS = rounds(20_000, 10_000);

export async function writeRows(pods: Pods): Promise<Row[]> {
  // What the pods before these have left to be done is done by then.
  await sleep(LATE_MS);
  const before = auditLog(folder).length;
  for (let made = 0; made < PODS; made += AT_A_TIME) {
    const names = Array.from({ length: AT_A_TIME }, (_, at) => `write-${made + at}`);
    await Promise.all(names.map((name, at) => pods.run(name, at % 2 === 0 ? near : far)));
    await Promise.all(names.map((name) => pods.remove(name)));
  }
  await sleep(LATE_MS);
  const { writes, reads } = tally(auditLog(folder).slice(before));
  const text = `of agents and controllers for each of ${PODS} pods that came and went`;
  return [
    row("kube.writes", `writes ${text}`, "", writes / PODS, null, { of: "ours", at: "most", value: 1 }),
    row("kube.reads", `other requests ${text}`, "", reads / PODS),
  ];
}
