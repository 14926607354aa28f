// DaemonSet: one pod on every node that its template fits, bound to the node as Kubernetes binds it, by affinity to its
// name. Pure.
import { isTerminal, type Node, type Pod, type PodSpec, type Toleration } from "../../api/kinds/core.ts";
import type { DaemonSet } from "../../api/kinds/workloads.ts";
import { affinityMatches, tolerates } from "../scheduler/node-match.ts";
import { controllerOf, isActive, isReady, templateHash } from "./pods.ts";

export interface DaemonPlan {
  readonly hash: string;
  /** Nodes that get a pod now. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
  readonly status: NonNullable<DaemonSet["status"]>;
}

/** A daemon runs where others would not be placed (pkg/controller/daemon/util in Kubernetes). */
const ownTolerations: readonly Toleration[] = [
  { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
  ...["not-ready", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map(
    (name): Toleration => ({ key: `node.kubernetes.io/${name}`, operator: "Exists", effect: "NoSchedule" }),
  ),
];

/** Plans the next step; `pods` are those of the set's namespace. */
export function planDaemons(set: DaemonSet, nodes: readonly Node[], pods: readonly Pod[]): DaemonPlan {
  const { template } = set.spec;
  const hash = templateHash(template);
  const living = nodes.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const names = new Set(living.map(({ metadata }) => metadata.name));
  const wanted = living
    .filter((node) => fits(template.spec, node, "place"))
    .map(({ metadata }) => metadata.name);
  const stays = new Set(
    living.filter((node) => fits(template.spec, node, "stay")).map(({ metadata }) => metadata.name),
  );
  const mine = pods.filter((pod) => controllerOf(pod) === set.metadata.uid);
  const byNode = Map.groupBy(mine.filter(isActive).toSorted(older), (pod) => nodeOf(pod) ?? "");
  const ended = mine.filter((pod) => isTerminal(pod) && pod.metadata.deletionTimestamp === undefined);
  const surplus = [...byNode].flatMap(([node, list]) => (stays.has(node) ? list.slice(1) : list));
  const kept = [...byNode].flatMap(([node, list]) => (stays.has(node) ? list.slice(0, 1) : []));
  const stale =
    set.spec.updateStrategy?.type === "OnDelete" ? [] : outdated(kept, hash, wanted.length, limitOf(set));
  // A pod that is on its way out still has the node's ports.
  const busy = new Set(mine.filter((pod) => !isTerminal(pod)).map(nodeOf));
  const good = kept.filter((pod) => wanted.includes(nodeOf(pod) ?? ""));
  return {
    hash,
    create: wanted.filter((node) => !busy.has(node)),
    remove: [...ended, ...surplus, ...stale],
    status: {
      desiredNumberScheduled: wanted.length,
      currentNumberScheduled: good.length,
      numberMisscheduled:
        kept.length - good.length + surplus.filter((pod) => names.has(nodeOf(pod) ?? "")).length,
      numberReady: good.filter(isReady).length,
      numberAvailable: good.filter(isReady).length,
      updatedNumberScheduled: good.filter((pod) => hashOf(pod) === hash).length,
    },
  };
}

/** Returns the template's specification for the pod of one node. */
export function daemonSpec(spec: PodSpec, node: string): PodSpec {
  const matchFields = [{ key: "metadata.name", operator: "In" as const, values: [node] }];
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const terms = required?.nodeSelectorTerms ?? [{}];
  return {
    ...spec,
    affinity: {
      ...spec.affinity,
      nodeAffinity: {
        ...spec.affinity?.nodeAffinity,
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: terms.map((term) => ({ ...term, matchFields })),
        },
      },
    },
    tolerations: [...(spec.tolerations ?? []), ...tolerationsOf(spec)],
  };
}

function tolerationsOf(spec: PodSpec): readonly Toleration[] {
  const network = {
    key: "node.kubernetes.io/network-unavailable",
    operator: "Exists",
    effect: "NoSchedule",
  } as const;
  return spec.hostNetwork === true ? [...ownTolerations, network] : ownTolerations;
}

/** A taint NoSchedule keeps new pods away, and leaves those that run. */
function fits(spec: PodSpec, node: Node, purpose: "place" | "stay"): boolean {
  if (spec.nodeName !== undefined && spec.nodeName !== node.metadata.name) return false;
  const tolerations = [...(spec.tolerations ?? []), ...tolerationsOf(spec)];
  const effects = purpose === "place" ? ["NoSchedule", "NoExecute"] : ["NoExecute"];
  const refused = (node.spec?.taints ?? []).some(
    (taint) => effects.includes(taint.effect) && !tolerates(tolerations, taint),
  );
  return !refused && affinityMatches(spec, node);
}

/** Those of an earlier template that may go now: what is not ready anyway, and few of the others at a time. */
function outdated(kept: readonly Pod[], hash: string, wanted: number, limit: number): Pod[] {
  const old = kept.filter((pod) => hashOf(pod) !== hash);
  const missing = wanted - kept.filter(isReady).length;
  const dead = old.filter((pod) => !isReady(pod));
  return [...dead, ...old.filter(isReady).slice(0, Math.max(0, limit - missing))];
}

function limitOf({ spec, status }: DaemonSet): number {
  const written = spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  if (typeof written === "number") return Math.max(1, written);
  return Math.max(1, Math.ceil(((status?.desiredNumberScheduled ?? 0) * Number.parseInt(written, 10)) / 100));
}

function hashOf(pod: Pod): string | undefined {
  return pod.metadata.labels?.["controller-revision-hash"];
}

/** The node that a pod is on, or is bound to. */
function nodeOf({ spec }: Pod): string | undefined {
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const field = required?.nodeSelectorTerms[0]?.matchFields?.find(({ key }) => key === "metadata.name");
  return spec.nodeName ?? field?.values?.[0];
}

function older(a: Pod, b: Pod): number {
  const [first, second] = [a, b].map(({ metadata }) => `${metadata.creationTimestamp} ${metadata.name}`);
  return (first ?? "") < (second ?? "") ? -1 : 1;
}
