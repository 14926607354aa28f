// What `get` prints of each kind. A column that is `wide` appears only with -o wide.

import type { AddressBlock } from "../../api/kinds/address-block.ts";
import type { AddressList } from "../../api/kinds/address-list.ts";
import {
  type ConfigMap,
  type Event,
  type Namespace,
  type Node,
  type Pod,
  podIps,
  runningContainers,
} from "../../api/kinds/core.ts";
import type { Host } from "../../api/kinds/host.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import type { NetworkPolicy } from "../../api/kinds/network-policy.ts";
import type { SourceNAT } from "../../api/kinds/source-nat.ts";
import type {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  ReplicationController,
} from "../../api/kinds/workloads.ts";
import type { KubeObject } from "../../api/object.ts";
import { selectorText } from "../../api/selectors/selectors.ts";
import { soundSpec } from "../../api/validation/sound-policy.ts";
import { ago } from "../output.ts";
import { parseJsonPath, valuesAt } from "./jsonpath.ts";

export interface Column<T> {
  readonly title: string;
  readonly wide?: boolean;
  readonly cell: (object: T) => string;
}

const list = (words: readonly string[] | undefined) => (words?.length ? words.join(",") : "<none>");
const age: Column<KubeObject> = { title: "AGE", cell: (object) => ago(object.metadata.creationTimestamp) };
const conditionIs = (object: Pick<Pod | Node, "status">, type: string) =>
  object.status?.conditions?.find((one) => one.type === type)?.status === "True";

/** Returns a pod's state in kubectl's words. */
export function podStatus(pod: Pod): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "Terminating";
  return pod.status?.reason ?? pod.status?.phase ?? "Pending";
}

export function podReady(pod: Pod): boolean {
  return conditionIs(pod, "Ready");
}

function readyContainers(pod: Pod): string {
  const count = runningContainers(pod.spec).length;
  return `${podReady(pod) ? count : 0}/${count}`;
}

function nodeStatus(node: Node): string {
  const ready = conditionIs(node, "Ready") ? "Ready" : "NotReady";
  return node.spec?.unschedulable ? `${ready},SchedulingDisabled` : ready;
}

const restartCounts = parseJsonPath(".status.containerStatuses[*].restartCount");

/** How often containers were started again; whoever runs pods as the lab does, without containers, never does it. */
function restarts(pod: Pod): number {
  return valuesAt(restartCounts, pod).reduce<number>((sum, count) => sum + Number(count), 0);
}

const podColumns: readonly Column<Pod>[] = [
  {
    title: "READY",
    cell: (pod) => readyContainers(pod),
  },
  { title: "STATUS", cell: podStatus },
  { title: "RESTARTS", cell: (pod) => String(restarts(pod)) },
  age,
  { title: "IP", wide: true, cell: (pod) => list(podIps(pod)) },
  { title: "NODE", wide: true, cell: (pod) => pod.spec.nodeName ?? "<none>" },
];

const nodeColumns: readonly Column<Node>[] = [
  { title: "STATUS", cell: nodeStatus },
  age,
  {
    title: "INTERNAL-IP",
    wide: true,
    cell: (node) =>
      list(node.status?.addresses?.filter((one) => one.type === "InternalIP").map((one) => one.address)),
  },
  {
    title: "TAINTS",
    wide: true,
    cell: (node) =>
      list(node.spec?.taints?.map((one) => `${one.key}${one.value ? `=${one.value}` : ""}:${one.effect}`)),
  },
];

const namespaceColumns: readonly Column<Namespace>[] = [
  {
    title: "STATUS",
    cell: (namespace) =>
      namespace.metadata.deletionTimestamp === undefined
        ? (namespace.status?.phase ?? "Active")
        : "Terminating",
  },
  age,
];

const configMapColumns: readonly Column<ConfigMap>[] = [
  { title: "DATA", cell: (map) => String(Object.keys(map.data ?? {}).length) },
  age,
];

const eventColumns: readonly Column<Event>[] = [
  { title: "LAST SEEN", cell: (event) => ago(event.lastTimestamp ?? event.metadata.creationTimestamp) },
  { title: "TYPE", cell: (event) => event.type },
  { title: "REASON", cell: (event) => event.reason },
  {
    title: "OBJECT",
    cell: (event) => `${event.involvedObject.kind.toLowerCase()}/${event.involvedObject.name}`,
  },
  {
    title: "SOURCE",
    wide: true,
    cell: ({ source }) => [source?.component, source?.host].filter(Boolean).join(", "),
  },
  { title: "MESSAGE", cell: (event) => event.message },
  {
    title: "FIRST SEEN",
    wide: true,
    cell: (event) => ago(event.firstTimestamp ?? event.metadata.creationTimestamp),
  },
  { title: "COUNT", wide: true, cell: (event) => String(event.count ?? 1) },
];

// Every workload keeps its numbers in the same places.
type Workload = Pick<ReplicationController, keyof KubeObject | "status"> & {
  readonly spec: { readonly replicas?: number };
};
const wanted = (workload: Workload) => workload.spec.replicas ?? 1;
const readyColumn: Column<Workload> = {
  title: "READY",
  cell: (workload) => `${workload.status?.readyReplicas ?? 0}/${wanted(workload)}`,
};
const rolloutColumns: readonly Column<Deployment>[] = [
  { title: "UP-TO-DATE", cell: ({ status }) => String(status?.updatedReplicas ?? 0) },
  // Nothing here waits for minReadySeconds: who is ready is available.
  { title: "AVAILABLE", cell: ({ status }) => String(status?.readyReplicas ?? 0) },
];
const countColumns: readonly Column<Workload>[] = [
  { title: "DESIRED", cell: (workload) => String(wanted(workload)) },
  { title: "CURRENT", cell: (workload) => String(workload.status?.replicas ?? 0) },
  { title: "READY", cell: (workload) => String(workload.status?.readyReplicas ?? 0) },
  age,
];

const daemonColumns: readonly Column<DaemonSet>[] = [
  { title: "DESIRED", cell: ({ status }) => String(status?.desiredNumberScheduled ?? 0) },
  { title: "CURRENT", cell: ({ status }) => String(status?.currentNumberScheduled ?? 0) },
  { title: "READY", cell: ({ status }) => String(status?.numberReady ?? 0) },
  { title: "UP-TO-DATE", cell: ({ status }) => String(status?.updatedNumberScheduled ?? 0) },
  { title: "AVAILABLE", cell: ({ status }) => String(status?.numberAvailable ?? 0) },
  age,
];
const jobColumns: readonly Column<Job>[] = [
  {
    title: "STATUS",
    cell: ({ spec, status }) => {
      const end = status?.conditions?.find(({ status: holds }) => holds === "True")?.type;
      if (end === "Complete" || end === "Failed") return end;
      return spec.suspend === true ? "Suspended" : (status?.active ?? 0) > 0 ? "Running" : "Pending";
    },
  },
  { title: "COMPLETIONS", cell: ({ spec, status }) => `${status?.succeeded ?? 0}/${spec.completions ?? 1}` },
  age,
];
const cronJobColumns: readonly Column<CronJob>[] = [
  { title: "SCHEDULE", cell: ({ spec }) => spec.schedule ?? "" },
  { title: "TIMEZONE", cell: ({ spec }) => spec.timeZone ?? "<none>" },
  { title: "SUSPEND", cell: ({ spec }) => (spec.suspend === true ? "True" : "False") },
  { title: "ACTIVE", cell: ({ status }) => String(status?.active?.length ?? 0) },
  // By the lab's clock, which may be ahead of the machine's.
  { title: "LAST SCHEDULE", cell: ({ status }) => status?.lastScheduleTime ?? "<none>" },
  age,
];

const poolColumns: readonly Column<IPPool>[] = [
  { title: "CIDR", cell: (pool) => pool.spec.cidr },
  {
    title: "BLOCKSIZE",
    cell: (pool) => String(pool.spec.blockSize ?? (pool.spec.cidr.includes(":") ? 122 : 26)),
  },
  { title: "NAT", cell: (pool) => String(pool.spec.natOutgoing ?? false) },
  { title: "IPIP", cell: (pool) => pool.spec.ipipMode ?? "Never" },
  { title: "VXLAN", cell: (pool) => pool.spec.vxlanMode ?? "Never" },
  { title: "DISABLED", cell: (pool) => String(pool.spec.disabled ?? false) },
  age,
  { title: "SELECTOR", wide: true, cell: (pool) => pool.spec.nodeSelector || "all()" },
];

const blockColumns: readonly Column<AddressBlock>[] = [
  { title: "CIDR", cell: (block) => block.spec.cidr },
  { title: "NODE", cell: (block) => block.spec.node },
  { title: "POOL", cell: (block) => block.spec.pool },
  { title: "STATE", cell: (block) => block.spec.state },
  { title: "USED", cell: (block) => String(block.status?.used ?? "-") },
  { title: "FREE", cell: (block) => String(block.status?.free ?? "-") },
  age,
  { title: "LENT", wide: true, cell: (block) => String(block.spec.loans?.length ?? 0) },
];

const policyColumns: readonly Column<NetworkPolicy>[] = [
  { title: "POD-SELECTOR", cell: (policy) => selectorText(soundSpec(policy).podSelector ?? {}) || "<all>" },
  { title: "TYPES", cell: (policy) => policyTypes(soundSpec(policy)).join(",") },
  age,
];

/** Returns the directions that a policy isolates: Egress by default only if it has egress rules. */
function policyTypes(spec: NetworkPolicy["spec"]): readonly string[] {
  return spec.policyTypes ?? (spec.egress?.length ? ["Ingress", "Egress"] : ["Ingress"]);
}

const sourceNatColumns: readonly Column<SourceNAT>[] = [
  { title: "PRIORITY", cell: (nat) => String(nat.spec.priority ?? 100) },
  { title: "RULES", cell: (nat) => String(nat.spec.rules.length) },
  age,
];

const hostColumns: readonly Column<Host>[] = [
  { title: "ROLE", cell: (host) => host.spec.role ?? "host" },
  { title: "ADDRESSES", cell: (host) => list(host.spec.addresses) },
  {
    title: "PORTS",
    cell: (host) => list(host.spec.ports?.map((one) => `${one.port}/${one.protocol ?? "TCP"}`)),
  },
  { title: "ADMITS", cell: (host) => (host.spec.admit ? list(host.spec.admit) : "<all>") },
];

const addressListColumns: readonly Column<AddressList>[] = [
  { title: "TO", cell: ({ spec }) => spec.to },
  { title: "RANGES", cell: ({ status }) => String(status?.ranges?.length ?? 0) },
  {
    title: "UNUSED",
    cell: ({ status }) =>
      String(status?.entries?.filter(({ unusedSince }) => unusedSince !== undefined).length ?? 0),
  },
  {
    title: "SINKS",
    cell: ({ status }) => {
      const all = status?.sinks ?? [];
      const current = all.filter(({ revision }) => revision === status?.revision);
      return `${current.length}/${all.length}`;
    },
  },
  {
    title: "READY",
    cell: ({ status }) => status?.conditions?.find(({ type }) => type === "Ready")?.status ?? "Unknown",
  },
  age,
];

const columnsByKind: Readonly<Record<string, readonly Column<never>[]>> = {
  Pod: podColumns,
  Node: nodeColumns,
  Namespace: namespaceColumns,
  ConfigMap: configMapColumns,
  Event: eventColumns,
  ReplicationController: countColumns,
  ReplicaSet: countColumns,
  Deployment: [readyColumn, ...rolloutColumns, age],
  StatefulSet: [readyColumn, age],
  DaemonSet: daemonColumns,
  CronJob: cronJobColumns,
  Job: jobColumns,
  IPPool: poolColumns,
  AddressBlock: blockColumns,
  NetworkPolicy: policyColumns,
  SourceNAT: sourceNatColumns,
  AddressList: addressListColumns,
  Host: hostColumns,
};

/** Returns what to print of objects of that kind, beside namespace and name. */
export function columnsOf(kind: string, wide: boolean): readonly Column<KubeObject>[] {
  // The table is keyed by kind, so each list is called with objects of its own kind only.
  const columns = (columnsByKind[kind] ?? [age]) as readonly Column<KubeObject>[];
  return columns.filter((column) => wide || !column.wide);
}
