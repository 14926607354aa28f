// Workload kinds: what runs pods from a template. All of them are read by lint, matrix and diff, and run by the lab.
import type { Kind, KubeObject } from "../object.ts";
import type { Condition, LabelSelector, PodTemplate } from "./core.ts";

interface ReplicaStatus {
  readonly replicas?: number;
  readonly readyReplicas?: number;
  readonly observedGeneration?: number;
}

export interface ReplicationController extends KubeObject {
  readonly kind: "ReplicationController";
  readonly spec: {
    readonly replicas?: number;
    readonly selector?: Readonly<Record<string, string>>;
    readonly template: PodTemplate;
  };
  readonly status?: ReplicaStatus;
}
export const replicationControllerKind: Kind<ReplicationController> = {
  apiVersion: "v1",
  kind: "ReplicationController",
  plural: "replicationcontrollers",
  shortNames: ["rc"],
  namespaced: true,
};

interface SelectedWorkload extends KubeObject {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: LabelSelector;
    readonly template: PodTemplate;
  };
  readonly status?: ReplicaStatus;
}

export interface ReplicaSet extends SelectedWorkload {
  readonly kind: "ReplicaSet";
}
export const replicaSetKind: Kind<ReplicaSet> = {
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  plural: "replicasets",
  shortNames: ["rs"],
  namespaced: true,
};

export interface Deployment extends SelectedWorkload {
  readonly kind: "Deployment";
  readonly status?: ReplicaStatus & {
    /** How many are of the present template. */
    readonly updatedReplicas?: number;
  };
}
export const deploymentKind: Kind<Deployment> = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  plural: "deployments",
  shortNames: ["deploy"],
  namespaced: true,
};

export interface StatefulSet extends SelectedWorkload {
  readonly kind: "StatefulSet";
  readonly spec: SelectedWorkload["spec"] & {
    readonly serviceName?: string;
    readonly podManagementPolicy?: "OrderedReady" | "Parallel";
  };
}
export const statefulSetKind: Kind<StatefulSet> = {
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  plural: "statefulsets",
  shortNames: ["sts"],
  namespaced: true,
};

export interface DaemonSet extends KubeObject {
  readonly kind: "DaemonSet";
  readonly spec: Omit<SelectedWorkload["spec"], "replicas"> & {
    readonly updateStrategy?: {
      readonly type?: string;
      readonly rollingUpdate?: { readonly maxUnavailable?: number | string };
    };
  };
  readonly status?: {
    readonly desiredNumberScheduled?: number;
    readonly currentNumberScheduled?: number;
    readonly numberMisscheduled?: number;
    readonly numberReady?: number;
    readonly numberAvailable?: number;
    readonly updatedNumberScheduled?: number;
    readonly observedGeneration?: number;
  };
}
export const daemonSetKind: Kind<DaemonSet> = {
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  plural: "daemonsets",
  shortNames: ["ds"],
  namespaced: true,
};

export interface Job extends KubeObject {
  readonly kind: "Job";
  readonly spec: {
    readonly parallelism?: number;
    readonly completions?: number;
    readonly suspend?: boolean;
    /** How many pods may fail; default 6. */
    readonly backoffLimit?: number;
    readonly template: PodTemplate;
  };
  readonly status?: {
    readonly active?: number;
    readonly ready?: number;
    readonly succeeded?: number;
    readonly failed?: number;
    readonly startTime?: string;
    readonly completionTime?: string;
    /** `Complete` or `Failed` once it has ended. */
    readonly conditions?: readonly Condition[];
  };
}
export const jobKind: Kind<Job> = {
  apiVersion: "batch/v1",
  kind: "Job",
  plural: "jobs",
  shortNames: [],
  namespaced: true,
};

export interface CronJob extends KubeObject {
  readonly kind: "CronJob";
  readonly spec: {
    readonly schedule?: string;
    /** An IANA name; absent: UTC, in a lab. */
    readonly timeZone?: string;
    readonly suspend?: boolean;
    /** What happens when a time comes while a Job still runs: Allow (the default), Forbid or Replace. */
    readonly concurrencyPolicy?: string;
    /** How late a Job may be begun; absent: any time. */
    readonly startingDeadlineSeconds?: number;
    /** How many ended Jobs are kept; default 3 and 1. */
    readonly successfulJobsHistoryLimit?: number;
    readonly failedJobsHistoryLimit?: number;
    readonly jobTemplate: {
      readonly metadata?: {
        readonly labels?: Readonly<Record<string, string>>;
        readonly annotations?: Readonly<Record<string, string>>;
      };
      readonly spec: Job["spec"];
    };
  };
  readonly status?: {
    readonly active?: readonly { readonly name: string }[];
    readonly lastScheduleTime?: string;
    readonly lastSuccessfulTime?: string;
  };
}
export const cronJobKind: Kind<CronJob> = {
  apiVersion: "batch/v1",
  kind: "CronJob",
  plural: "cronjobs",
  shortNames: ["cj"],
  namespaced: true,
};
