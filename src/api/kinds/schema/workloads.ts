import * as z from "zod";
import { complain } from "../../forms.ts";
import { condition, fields, labelSelector, labels, metadata, schemaOf } from "../../schema.ts";
import { matchesSelector, selectsAll } from "../../selectors/selectors.ts";
import type { LabelSelector } from "../core.ts";
import type {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from "../workloads.ts";
import { podTemplate } from "./core.ts";

const replicas = z.number().superRefine((count, context) => {
  if (!Number.isInteger(count) || count < 0)
    complain(context, "schema.count", [], `must be a whole number, 0 or more; it is ${count}`);
});

const status = fields(
  {
    replicas: z.number().exactOptional(),
    readyReplicas: z.number().exactOptional(),
    observedGeneration: z.number().exactOptional(),
  },
  `availableReplicas collisionCount conditions currentNumberScheduled currentReplicas currentRevision
   desiredNumberScheduled fullyLabeledReplicas numberAvailable numberMisscheduled numberReady numberUnavailable
   terminatingReplicas unavailableReplicas updateRevision updatedNumberScheduled updatedReplicas`,
).exactOptional();

type Labels = Record<string, string>;

function checkSelector(
  selector: LabelSelector,
  template: { metadata?: { labels?: Labels } },
  context: z.RefinementCtx,
): void {
  if (selectsAll(selector))
    complain(context, "workload.selector", ["selector"], "must not be empty: it would select every pod");
  else if (!matchesSelector(selector, template.metadata?.labels))
    complain(
      context,
      "workload.selector",
      ["selector"],
      "does not select the pods of this object's own template",
      "`spec.template.metadata.labels` must have the labels that `spec.selector` asks for",
    );
}

function workload<K extends string>(kind: K, also: string) {
  return fields({
    apiVersion: z.string(),
    kind: z.literal(kind),
    metadata: metadata(),
    spec: fields(
      { replicas: replicas.exactOptional(), selector: labelSelector, template: podTemplate },
      also,
    ).superRefine((spec, context) => checkSelector(spec.selector, spec.template, context)),
    status,
  });
}

export const replicationControllerSchema = schemaOf<ReplicationController>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("ReplicationController"),
    metadata: metadata(),
    spec: fields(
      { replicas: replicas.exactOptional(), selector: labels.exactOptional(), template: podTemplate },
      "minReadySeconds",
    ).superRefine((spec, context) => {
      // Without a selector, the template's labels are it.
      const matchLabels = spec.selector ?? spec.template.metadata?.labels ?? {};
      checkSelector({ matchLabels }, spec.template, context);
    }),
    status,
  }),
);

const revisions = "minReadySeconds revisionHistoryLimit";
export const replicaSetSchema = schemaOf<ReplicaSet>()(workload("ReplicaSet", "minReadySeconds"));
export const deploymentSchema = schemaOf<Deployment>()(
  workload("Deployment", `${revisions} paused progressDeadlineSeconds strategy`),
);
const rollingDaemons = fields(
  { maxUnavailable: z.union([z.number(), z.string()]).exactOptional() },
  "maxSurge",
);
export const daemonSetSchema = schemaOf<DaemonSet>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("DaemonSet"),
    metadata: metadata(),
    spec: fields(
      {
        selector: labelSelector,
        template: podTemplate,
        updateStrategy: fields({
          type: z.string().exactOptional(),
          rollingUpdate: rollingDaemons.exactOptional(),
        }).exactOptional(),
      },
      revisions,
    ).superRefine((spec, context) => checkSelector(spec.selector, spec.template, context)),
    status: fields(
      {
        desiredNumberScheduled: z.number().exactOptional(),
        currentNumberScheduled: z.number().exactOptional(),
        numberMisscheduled: z.number().exactOptional(),
        numberReady: z.number().exactOptional(),
        numberAvailable: z.number().exactOptional(),
        updatedNumberScheduled: z.number().exactOptional(),
        observedGeneration: z.number().exactOptional(),
      },
      "collisionCount conditions numberUnavailable",
    ).exactOptional(),
  }),
);

export const statefulSetSchema = schemaOf<StatefulSet>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("StatefulSet"),
    metadata: metadata(),
    spec: fields(
      {
        replicas: replicas.exactOptional(),
        selector: labelSelector,
        template: podTemplate,
        serviceName: z.string().exactOptional(),
        podManagementPolicy: z.enum(["OrderedReady", "Parallel"]).exactOptional(),
      },
      `${revisions} ordinals persistentVolumeClaimRetentionPolicy updateStrategy volumeClaimTemplates`,
    ).superRefine((spec, context) => checkSelector(spec.selector, spec.template, context)),
    status,
  }),
);

const jobFields = `activeDeadlineSeconds backoffLimitPerIndex completionMode managedBy
  manualSelector maxFailedIndexes podFailurePolicy podReplacementPolicy selector successPolicy
  ttlSecondsAfterFinished`;
const jobSpec = fields(
  {
    parallelism: z.number().exactOptional(),
    completions: z.number().exactOptional(),
    suspend: z.boolean().exactOptional(),
    backoffLimit: z.number().exactOptional(),
    template: podTemplate,
  },
  jobFields,
);
const jobStatus = fields(
  {
    active: z.number().exactOptional(),
    ready: z.number().exactOptional(),
    succeeded: z.number().exactOptional(),
    failed: z.number().exactOptional(),
    startTime: z.string().exactOptional(),
    completionTime: z.string().exactOptional(),
    conditions: z.array(condition).exactOptional(),
  },
  "completedIndexes failedIndexes terminating uncountedTerminatedPods",
);

export const jobSchema = schemaOf<Job>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("Job"),
    metadata: metadata(),
    spec: jobSpec,
    status: jobStatus.exactOptional(),
  }),
);

export const cronJobSchema = schemaOf<CronJob>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("CronJob"),
    metadata: metadata(),
    spec: fields({
      schedule: z.string().exactOptional(),
      timeZone: z.string().exactOptional(),
      suspend: z.boolean().exactOptional(),
      concurrencyPolicy: z.string().exactOptional(),
      startingDeadlineSeconds: z.number().exactOptional(),
      successfulJobsHistoryLimit: z.number().exactOptional(),
      failedJobsHistoryLimit: z.number().exactOptional(),
      jobTemplate: fields({
        metadata: fields(
          { labels: labels.exactOptional(), annotations: labels.exactOptional() },
          "name namespace",
        ).exactOptional(),
        spec: jobSpec,
      }),
    }),
    status: fields({
      active: z
        .array(fields({ name: z.string() }, "apiVersion fieldPath kind namespace resourceVersion uid"))
        .exactOptional(),
      lastScheduleTime: z.string().exactOptional(),
      lastSuccessfulTime: z.string().exactOptional(),
    }).exactOptional(),
  }),
);
