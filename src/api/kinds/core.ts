// Core Kubernetes kinds, as far as a pod network reads or writes them. Unknown fields are kept as they came.
import type { Kind, KubeObject, ObjectMeta } from "../object.ts";

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelRequirement[];
}

export interface LabelRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[];
}

export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
  readonly observedGeneration?: number;
}

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
}

export interface Node extends KubeObject {
  readonly kind: "Node";
  readonly spec?: {
    readonly podCIDRs?: readonly string[];
    readonly taints?: readonly Taint[];
    readonly unschedulable?: boolean;
    /** The provider's name of the machine: `REGION.INSTANCE` on Alibaba Cloud. */
    readonly providerID?: string;
  };
  readonly status?: {
    readonly addresses?: readonly {
      readonly type: "InternalIP" | "ExternalIP" | "Hostname";
      readonly address: string;
    }[];
    readonly conditions?: readonly Condition[];
  };
}
export const nodeKind: Kind<Node> = {
  apiVersion: "v1",
  kind: "Node",
  plural: "nodes",
  shortNames: ["no"],
  namespaced: false,
};

export interface Namespace extends KubeObject {
  readonly kind: "Namespace";
  readonly status?: { readonly phase?: "Active" | "Terminating" };
}
export const namespaceKind: Kind<Namespace> = {
  apiVersion: "v1",
  kind: "Namespace",
  plural: "namespaces",
  shortNames: ["ns"],
  namespaced: false,
};

export type Protocol = "TCP" | "UDP" | "SCTP";

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol?: Protocol;
  readonly hostPort?: number;
  /** The address of the node that `hostPort` is bound to; absent: every one. */
  readonly hostIP?: string;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly ports?: readonly ContainerPort[];
  /** Of an init container, Always: a sidecar, which runs as long as the pod does. */
  readonly restartPolicy?: string;
}

export interface NodeSelectorRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt";
  readonly values?: readonly string[];
}

export interface NodeSelectorTerm {
  readonly matchExpressions?: readonly NodeSelectorRequirement[];
  readonly matchFields?: readonly NodeSelectorRequirement[];
}

export interface Toleration {
  readonly key?: string;
  readonly operator?: "Exists" | "Equal";
  readonly value?: string;
  readonly effect?: Taint["effect"];
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  /** Of the containers that have ended: Always (the default), OnFailure or Never. */
  readonly restartPolicy?: string;
  readonly nodeName?: string;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly affinity?: {
    readonly nodeAffinity?: {
      readonly requiredDuringSchedulingIgnoredDuringExecution?: {
        readonly nodeSelectorTerms: readonly NodeSelectorTerm[];
      };
      readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
        readonly weight: number;
        /** Absent: no node, as an empty one. */
        readonly preference?: NodeSelectorTerm;
      }[];
    };
  };
  readonly tolerations?: readonly Toleration[];
  readonly hostNetwork?: boolean;
  readonly serviceAccountName?: string;
}

export interface Pod extends KubeObject {
  readonly kind: "Pod";
  readonly spec: PodSpec;
  readonly status?: {
    readonly phase?: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly hostIP?: string;
    readonly conditions?: readonly Condition[];
    readonly startTime?: string;
    readonly reason?: string;
    readonly message?: string;
  };
}
export const podKind: Kind<Pod> = {
  apiVersion: "v1",
  kind: "Pod",
  plural: "pods",
  shortNames: ["po"],
  namespaced: true,
};

export interface ConfigMap extends KubeObject {
  readonly kind: "ConfigMap";
  readonly data?: Readonly<Record<string, string>>;
}
export const configMapKind: Kind<ConfigMap> = {
  apiVersion: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  shortNames: ["cm"],
  namespaced: true,
};

export interface Event extends KubeObject {
  readonly kind: "Event";
  readonly involvedObject: {
    readonly apiVersion?: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
  };
  readonly reason: string;
  readonly message: string;
  readonly type: "Normal" | "Warning";
  readonly count?: number;
  readonly firstTimestamp?: string;
  readonly lastTimestamp?: string;
  readonly source?: { readonly component?: string; readonly host?: string };
  /** The same as `source`, under the names that events.k8s.io gives it. */
  readonly reportingComponent?: string;
  readonly reportingInstance?: string;
}
export const eventKind: Kind<Event> = {
  apiVersion: "v1",
  kind: "Event",
  plural: "events",
  shortNames: ["ev"],
  namespaced: true,
};

/** Returns the containers that run as long as a pod does: its own, and init containers that are sidecars. */
export function runningContainers(spec: Partial<PodSpec>): readonly Container[] {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  return [...(spec.containers ?? []), ...sidecars];
}

/** Returns whether the pod has ended: its address may already be somebody else's. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** Returns the addresses of a pod, primary first. */
export function podIps(pod: Pod): readonly string[] {
  const many = pod.status?.podIPs?.map((entry) => entry.ip) ?? [];
  if (many.length > 0) return many;
  return pod.status?.podIP === undefined ? [] : [pod.status.podIP];
}

export interface PodTemplate {
  readonly metadata?: Partial<Pick<ObjectMeta, "labels" | "annotations" | "name">>;
  readonly spec: PodSpec;
}
