// What is particular about each kind. A kind without words of its own is shown as it is written.

import { bandwidthOf, bitRateText, directions } from "../../api/bandwidth.ts";
import {
  type ContainerPort,
  type Node,
  nodeKind,
  type Pod,
  podIps,
  podKind,
  runningContainers,
} from "../../api/kinds/core.ts";
import { blockSizeBounds, type IPPool } from "../../api/kinds/ip-pool.ts";
import type { NetworkPolicy } from "../../api/kinds/network-policy.ts";
import type { CronJob } from "../../api/kinds/workloads.ts";
import type { KubeObject } from "../../api/object.ts";
import { calicoSelector } from "../../api/selectors/calico-selector.ts";
import { cidrSize, tryParseCidr } from "../../base/ip.ts";
import type { BlockUsage } from "../../plan/addressing/usage.ts";
import { lackingIpip } from "../../plan/routing/tunnels.ts";
import type { Store } from "../../store/store.ts";
import { podStatus } from "../objects/columns.ts";
import { ago, table } from "../output.ts";
import type { Line, Lines } from "./lines.ts";
import { policyLines } from "./policy.ts";
import { subnetLines } from "./subnet-place.ts";

/** Where the lines come from. */
export interface Sources {
  readonly store: Store;
  /** Tells how full all blocks are, as `ipam show` does: what the store says of it is some seconds old. */
  readonly blocks: () => Promise<readonly BlockUsage[]>;
}

/** Returns the lines between an object's metadata and its events. */
export async function bodyOf(sources: Sources, object: KubeObject): Promise<Lines> {
  switch (object.kind) {
    case "Pod":
      return podLines(object as Pod, await subnetLines(sources.store, object as Pod));
    case "Node":
      return nodeLines(sources, object as Node);
    case "IPPool":
      return poolLines(sources, object as IPPool);
    case "NetworkPolicy":
      return policyLines(object as NetworkPolicy);
    case "CronJob":
      return cronJobLines(object as CronJob);
    default:
      return plainLines(object);
  }
}

function podLines(pod: Pod, place: Lines): Lines {
  const ports = runningContainers(pod.spec).flatMap((container) =>
    (container.ports ?? []).map(
      (port) =>
        `${port.containerPort}/${port.protocol ?? "TCP"}${port.name ? ` (${port.name})` : ""}${hostPortText(port)}`,
    ),
  );
  return [
    ["Node", pod.spec.nodeName ?? "<none>"],
    ["Status", podStatus(pod)],
    ...optional("Message", pod.status?.message),
    ["IP", podIps(pod).join(", ") || "<none>"],
    ...place,
    ...optional("Host network", pod.spec.hostNetwork ? "yes: it has its node's addresses" : undefined),
    [
      "Containers",
      runningContainers(pod.spec)
        .map((one) => `${one.name} (${one.image ?? "no image"})`)
        .join("\n"),
    ],
    ["Ports", ports.join(", ") || "<none>"],
    ...optional("Bandwidth", bandwidthText(pod)),
    ...conditionLines(pod),
  ];
}

/** Whether that port of the node leads to the pod is not the pod's to know. */
function hostPortText({ hostPort }: ContainerPort): string {
  return hostPort === undefined
    ? ""
    : `, from the node's port ${hostPort} where the portmap plugin is chained`;
}

function bandwidthText({ metadata }: Pod): string | undefined {
  const { limits, faults } = bandwidthOf(metadata.annotations);
  const all = [
    ...directions.flatMap((direction) => {
      const limit = limits[direction];
      if (!limit) return [];
      const way = direction === "ingress" ? "to the pod" : "from the pod";
      return [`${way} ${bitRateText(limit.bytesPerSecond)} (${limit.annotation})`];
    }),
    ...faults.map(({ annotation, value, why }) => `refused: ${annotation} is '${value}': ${why}`),
  ];
  return all.length === 0 ? undefined : all.join("\n");
}

async function nodeLines({ store, blocks }: Sources, node: Node): Promise<Lines> {
  const { name } = node.metadata;
  const [{ items: pods }, usages] = await Promise.all([store.list(podKind), blocks()]);
  const here = pods.filter((pod) => pod.spec.nodeName === name);
  const rows = here.map((pod) => [
    pod.metadata.namespace ?? "",
    pod.metadata.name,
    podStatus(pod),
    podIps(pod).join(",") || "<none>",
  ]);
  return [
    [
      "Addresses",
      (node.status?.addresses ?? []).map((one) => `${one.address} (${one.type})`).join("\n") || "<none>",
    ],
    [
      "Taints",
      (node.spec?.taints ?? []).map((one) => `${one.key}=${one.value ?? ""}:${one.effect}`).join("\n") ||
        "<none>",
    ],
    ["Schedulable", node.spec?.unschedulable ? "no" : "yes"],
    ["Blocks", blockText(usages.filter((block) => block.node === name))],
    [
      "Pods",
      rows.length === 0
        ? "<none>"
        : `${rows.length}\n${table([["Namespace", "Name", "Status", "IP"], ...rows])}`,
    ],
    ...conditionLines(node),
  ];
}

function cronJobLines({ spec, status }: CronJob): Lines {
  const { startingDeadlineSeconds: seconds, successfulJobsHistoryLimit: good = 3 } = spec;
  return [
    ["Schedule", `${spec.schedule ?? ""} (${spec.timeZone ?? "UTC"}, by the lab's clock)`],
    ["Suspended", spec.suspend === true ? "yes" : "no"],
    ["While one still runs", concurrency[spec.concurrencyPolicy ?? "Allow"] ?? "the next one starts, too"],
    ...optional("Not later than", seconds === undefined ? undefined : `${seconds} s after its time`),
    ["Kept", `${good} that have succeeded, ${spec.failedJobsHistoryLimit ?? 1} that have failed`],
    ["Last schedule", status?.lastScheduleTime ?? "<none>"],
    ["Last success", status?.lastSuccessfulTime ?? "<none>"],
    ["Active Jobs", (status?.active ?? []).map(({ name }) => name).join(", ") || "<none>"],
  ];
}

const concurrency: Readonly<Record<string, string>> = {
  Allow: "the next one starts, too (Allow)",
  Forbid: "the next one waits (Forbid)",
  Replace: "the next one takes its place (Replace)",
};

async function poolLines({ store, blocks }: Sources, pool: IPPool): Promise<Lines> {
  const { spec, metadata } = pool;
  const range = tryParseCidr(spec.cidr);
  const family = spec.cidr.includes(":") ? 6 : 4;
  const size = spec.blockSize ?? blockSizeBounds[family].usual;
  const [usages, { items: nodes }] = await Promise.all([blocks(), store.list(nodeKind)]);
  const selects = calicoSelector(spec.nodeSelector ?? "");
  const users = nodes.filter((node) => selects(node.metadata.labels)).map((node) => node.metadata.name);
  return [
    ["CIDR", `${spec.cidr}${range ? ` (${cidrSize(range)} addresses)` : ""}`],
    ["Block size", `/${size}: ${2 ** Math.max(0, size - (range?.length ?? size))} blocks`],
    ["State", spec.disabled ? "disabled: pods keep their addresses, no new ones are given" : "in use"],
    ["Nodes", `${spec.nodeSelector || "all()"}: ${users.join(", ") || "none now"}`],
    [
      "Source NAT",
      spec.natOutgoing ? "yes: pods reach the world outside all pools by their node's address" : "no",
    ],
    ["Routes", routeText(pool, nodes)],
    ["Blocks", blockText(usages.filter((block) => block.pool === metadata.name))],
    ...conditionLines(pool),
  ];
}

function routeText(pool: IPPool, nodes: readonly Node[]): string {
  const { ipipMode = "Never", vxlanMode = "Never" } = pool.spec;
  const [what, mode] = ipipMode === "Never" ? ["VXLAN", vxlanMode] : ["IP in IP", ipipMode];
  if (mode === "Never") return "by the nodes' own addresses";
  const when = mode === "CrossSubnet" ? "to nodes in other networks" : "between all nodes";
  const known = new Map(nodes.map((node) => [node.metadata.name, node]));
  const lacking = lackingIpip({ nodes: known }, pool);
  const but =
    lacking.length === 0
      ? ""
      : `\nbut by the nodes' own addresses where kernels have no IP in IP: ${lacking.join(", ")}`;
  return `by ${what} ${when} (${mode})${but}`;
}

function blockText(blocks: readonly BlockUsage[]): string {
  if (blocks.length === 0) return "<none>";
  const rows = blocks.map((one) => [
    one.block,
    one.node,
    one.state,
    ...[one.used, one.lent, one.cooling, one.free].map(String),
  ]);
  return table([["CIDR", "Node", "State", "Used", "Lent", "Resting", "Free"], ...rows]);
}

function conditionLines(object: Pick<Node, "status">): Lines {
  const conditions = object.status?.conditions ?? [];
  if (conditions.length === 0) return [];
  const rows = conditions.map((one) => [
    one.type,
    one.status,
    one.reason ?? "",
    ago(one.lastTransitionTime),
    one.message ?? "",
  ]);
  return [["Conditions", table([["Type", "Status", "Reason", "Since", "Message"], ...rows])]];
}

function optional(name: string, value: string | undefined): readonly Line[] {
  return value === undefined ? [] : [[name, value]];
}

async function plainLines(object: KubeObject): Promise<Lines> {
  const { stringify } = await import("../objects/yaml.ts");
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...rest } = object;
  return Object.entries(rest).map(([name, value]): Line => {
    const title = name.charAt(0).toUpperCase() + name.slice(1);
    const text = typeof value === "object" ? stringify(value).trimEnd() : String(value);
    return [title, text];
  });
}
