// Where a pod goes: which nodes may take it, and which of those is best. Pure; the scheduler calls it for one pod at a
// time and counts the pods that it has just placed.
import { type Node, type Pod, type PodSpec, runningContainers, type Taint } from "../../api/kinds/core.ts";
import { affinityMatches, preference, tolerates } from "./node-match.ts";

/** What the scheduler knows of the pods on a node. */
export interface NodeLoad {
  readonly node: Node;
  readonly pods: number;
  /** Pods on it per uid of their controller. */
  readonly byOwner: ReadonlyMap<string, number>;
  /** Host ports in use, as `hostPortsOf` gives them. */
  readonly hostPorts: ReadonlySet<string>;
}

export type Placement =
  | { readonly node: string }
  /** Why no node will do, in the words of Kubernetes' own scheduler. */
  | { readonly unschedulable: string };

const unschedulableTaint: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };
const notReadyTaint: Taint = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" };

/** Picks the node of a pod: what it prefers, then the fewest pods, then the fewest of its own workload, then the name. */
export function place(pod: Pod, loads: readonly NodeLoad[]): Placement {
  const reasons = new Map<string, number>();
  const fitting = loads.filter((load) => {
    const reason = whyNot(pod.spec, load);
    if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    return reason === undefined;
  });
  const owner = pod.metadata.ownerReferences?.find((reference) => reference.controller)?.uid ?? "";
  const rank = (load: NodeLoad): readonly [number, number, number] => [
    undesired(pod.spec, load.node) - preference(pod.spec, load.node),
    load.pods,
    load.byOwner.get(owner) ?? 0,
  ];
  const [best] = fitting
    .map((load) => ({ name: load.node.metadata.name, rank: rank(load) }))
    .toSorted((a, b) => compare(a.rank, b.rank) || (a.name < b.name ? -1 : 1));
  if (best) return { node: best.name };
  const parts = [...reasons].map(([reason, count]) => `${count} ${reason}`).toSorted();
  const list = parts.length > 0 ? `: ${parts.join(", ")}` : "";
  return { unschedulable: `0/${loads.length} nodes are available${list}.` };
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [at, value] of a.entries()) {
    const difference = value - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function whyNot(spec: PodSpec, { node, hostPorts }: NodeLoad): string | undefined {
  const tolerations = spec.tolerations ?? [];
  if (node.spec?.unschedulable && !tolerates(tolerations, unschedulableTaint)) {
    return "node(s) were unschedulable";
  }
  const taints = [...(node.spec?.taints ?? []), ...(isReady(node) ? [] : [notReadyTaint])];
  const hard = taints.find((taint) => taint.effect !== "PreferNoSchedule" && !tolerates(tolerations, taint));
  if (hard) return `node(s) had untolerated taint {${hard.key}: ${hard.value ?? ""}}`;
  if (!affinityMatches(spec, node)) return "node(s) didn't match Pod's node affinity/selector";
  if (hostPortsOf(spec).some((port) => isTaken(port, hostPorts))) {
    return "node(s) didn't have free ports for the requested pod ports";
  }
  return undefined;
}

function isReady(node: Node): boolean {
  return node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

// A preference can weigh 100 at most, so an unwanted node loses against every preference that is not for it alone.
function undesired(spec: PodSpec, node: Node): number {
  const soft = (node.spec?.taints ?? []).filter(
    (taint) => taint.effect === "PreferNoSchedule" && !tolerates(spec.tolerations ?? [], taint),
  );
  return soft.length * 100;
}

/** Returns the node's ports that a pod takes for itself, as `port/protocol`, with `@address` where it is only that one. */
export function hostPortsOf(spec: PodSpec): string[] {
  return runningContainers(spec)
    .flatMap((container) => container.ports ?? [])
    .flatMap(({ hostPort, hostIP, containerPort, protocol = "TCP" }) => {
      const port = hostPort ?? (spec.hostNetwork ? containerPort : undefined);
      const every = hostIP === undefined || hostIP === "0.0.0.0" || hostIP === "::";
      return port === undefined ? [] : [`${port}/${protocol}${every ? "" : `@${hostIP}`}`];
    });
}

/** Two take one port unless they take it of different addresses. */
function isTaken(port: string, taken: ReadonlySet<string>): boolean {
  const [number = "", address] = port.split("@");
  if (taken.has(port) || taken.has(number)) return true;
  return address === undefined && [...taken].some((one) => one.startsWith(`${number}@`));
}
