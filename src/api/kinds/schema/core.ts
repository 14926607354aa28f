import * as z from "zod";
import { address, complain, portNumber, text } from "../../forms.ts";
import { annotations, condition, fields, labels, metadata, protocol, schemaOf } from "../../schema.ts";
import { whyNotLabel, whyNotPortName } from "../../words.ts";
import type { ConfigMap, Event, Namespace, Node, Pod } from "../core.ts";
import type { Secret } from "../secret.ts";

const taintEffect = z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]);

export const nodeSchema = schemaOf<Node>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("Node"),
    metadata: metadata(),
    spec: fields(
      {
        podCIDRs: z.array(z.string()).exactOptional(),
        taints: z
          .array(
            fields({ key: z.string(), value: z.string().exactOptional(), effect: taintEffect }, "timeAdded"),
          )
          .exactOptional(),
        unschedulable: z.boolean().exactOptional(),
        providerID: z.string().exactOptional(),
      },
      "podCIDR configSource externalID",
    ).exactOptional(),
    status: fields(
      {
        addresses: z
          .array(fields({ type: z.enum(["InternalIP", "ExternalIP", "Hostname"]), address: z.string() }))
          .exactOptional(),
        conditions: z.array(condition).exactOptional(),
      },
      "allocatable capacity config daemonEndpoints images nodeInfo phase volumesAttached volumesInUse",
    ).exactOptional(),
  }),
);

export const namespaceSchema = schemaOf<Namespace>()(
  fields(
    {
      apiVersion: z.string(),
      kind: z.literal("Namespace"),
      metadata: metadata(text("schema.name", whyNotLabel)),
      status: fields(
        { phase: z.enum(["Active", "Terminating"]).exactOptional() },
        "conditions",
      ).exactOptional(),
    },
    "spec",
  ),
);

const portName = text("schema.port-name", whyNotPortName);

const containerPort = fields({
  name: portName.exactOptional(),
  containerPort: portNumber,
  protocol: protocol.exactOptional(),
  hostPort: portNumber.exactOptional(),
  hostIP: z.string().exactOptional(),
});

const container = fields(
  {
    name: text("schema.name", whyNotLabel),
    image: z.string().exactOptional(),
    command: z.array(z.string()).exactOptional(),
    args: z.array(z.string()).exactOptional(),
    ports: z.array(containerPort).exactOptional(),
    restartPolicy: z.string().exactOptional(),
  },
  `env envFrom imagePullPolicy lifecycle livenessProbe readinessProbe resizePolicy resources
   securityContext startupProbe stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices
   volumeMounts workingDir`,
);

const nodeRequirement = fields({
  key: z.string(),
  operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
  values: z.array(z.string()).exactOptional(),
});
const nodeTerm = fields({
  matchExpressions: z.array(nodeRequirement).exactOptional(),
  matchFields: z.array(nodeRequirement).exactOptional(),
});
const nodeAffinity = fields({
  requiredDuringSchedulingIgnoredDuringExecution: fields({
    nodeSelectorTerms: z.array(nodeTerm),
  }).exactOptional(),
  preferredDuringSchedulingIgnoredDuringExecution: z
    .array(fields({ weight: z.number(), preference: nodeTerm.exactOptional() }))
    .exactOptional(),
});
const toleration = fields(
  {
    key: z.string().exactOptional(),
    operator: z.enum(["Exists", "Equal"]).exactOptional(),
    value: z.string().exactOptional(),
    effect: taintEffect.exactOptional(),
  },
  "tolerationSeconds",
);

const containers = z.array(container).superRefine((list, context) => {
  const seen = new Set<string>();
  for (const [at, { name }] of list.entries()) {
    if (seen.has(name))
      complain(context, "schema.duplicate", [at, "name"], `there is a container '${name}' already`);
    seen.add(name);
  }
});

export const podSpec = fields(
  {
    containers: containers.superRefine((list, context) => {
      if (list.length === 0) complain(context, "schema.required", [], "must have at least one container");
    }),
    initContainers: containers.exactOptional(),
    restartPolicy: z.string().exactOptional(),
    nodeName: z.string().exactOptional(),
    nodeSelector: labels.exactOptional(),
    affinity: fields(
      { nodeAffinity: nodeAffinity.exactOptional() },
      "podAffinity podAntiAffinity",
    ).exactOptional(),
    tolerations: z.array(toleration).exactOptional(),
    hostNetwork: z.boolean().exactOptional(),
    serviceAccountName: z.string().exactOptional(),
  },
  `activeDeadlineSeconds automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks ephemeralContainers
   hostAliases hostIPC hostPID hostUsers hostname hostnameOverride imagePullSecrets os overhead preemptionPolicy
   priority priorityClassName readinessGates resourceClaims resources runtimeClassName schedulerName
   schedulingGates securityContext serviceAccount setHostnameAsFQDN shareProcessNamespace subdomain
   terminationGracePeriodSeconds topologySpreadConstraints volumes`,
);

export const podSchema = schemaOf<Pod>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("Pod"),
    metadata: metadata(),
    spec: podSpec,
    status: fields(
      {
        phase: z.enum(["Pending", "Running", "Succeeded", "Failed", "Unknown"]).exactOptional(),
        podIP: address.exactOptional(),
        podIPs: z.array(fields({ ip: address })).exactOptional(),
        hostIP: address.exactOptional(),
        conditions: z.array(condition).exactOptional(),
        startTime: z.string().exactOptional(),
        reason: z.string().exactOptional(),
        message: z.string().exactOptional(),
      },
      `containerStatuses ephemeralContainerStatuses hostIPs initContainerStatuses nominatedNodeName qosClass resize
       observedGeneration resourceClaimStatuses`,
    ).exactOptional(),
  }),
);

export const podTemplate = fields({
  metadata: fields(
    {
      name: z.string().exactOptional(),
      labels: labels.exactOptional(),
      annotations: annotations.exactOptional(),
    },
    "namespace generateName creationTimestamp finalizers ownerReferences",
  ).exactOptional(),
  spec: podSpec,
});

export const configMapSchema = schemaOf<ConfigMap>()(
  fields(
    {
      apiVersion: z.string(),
      kind: z.literal("ConfigMap"),
      metadata: metadata(),
      data: z.record(z.string(), z.string()).exactOptional(),
    },
    "binaryData immutable",
  ),
);

export const eventSchema = schemaOf<Event>()(
  fields(
    {
      apiVersion: z.string(),
      kind: z.literal("Event"),
      metadata: metadata(),
      involvedObject: fields(
        {
          apiVersion: z.string().exactOptional(),
          kind: z.string(),
          name: z.string(),
          namespace: z.string().exactOptional(),
          uid: z.string().exactOptional(),
        },
        "fieldPath resourceVersion",
      ),
      reason: z.string(),
      message: z.string(),
      type: z.enum(["Normal", "Warning"]),
      count: z.number().exactOptional(),
      firstTimestamp: z.string().exactOptional(),
      lastTimestamp: z.string().exactOptional(),
      source: fields({
        component: z.string().exactOptional(),
        host: z.string().exactOptional(),
      }).exactOptional(),
      reportingComponent: z.string().exactOptional(),
      reportingInstance: z.string().exactOptional(),
    },
    "action eventTime related series",
  ),
);

// A key's value is never shown, not even in a complaint.
const base64 = text("schema.base64", (value) =>
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value.replaceAll(/\s/g, ""))
    ? undefined
    : "must be base64 text; plain text goes into `stringData`",
);

export const secretSchema = schemaOf<Secret>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("Secret"),
    metadata: metadata(),
    type: z.string().exactOptional(),
    immutable: z.boolean().exactOptional(),
    data: z.record(z.string(), base64).exactOptional(),
    stringData: z.record(z.string(), z.string()).exactOptional(),
  }),
);
