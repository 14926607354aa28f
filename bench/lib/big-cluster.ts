// Objects of a large cluster as an API server writes them, kind by kind: JSON texts, made when they are asked for. Pods say
// as much as real ones do: what a scheduler, a kubelet and controllers add to them.
import { ipOf } from "./policy/cluster.ts";

export interface ClusterSize {
  readonly nodes: number;
  readonly pods: number;
  readonly policies: number;
  readonly namespaces: number;
  /** So many of the pods are on the node `bench`. */
  readonly local: number;
}

const time = "2026-01-01T00:00:00Z";

/** One of each pod: conditions are of some second. */
function timeOf(n: number): string {
  return new Date(Date.parse(time) + 1000 * n).toISOString().replace(".000", "");
}
/** Of a namespace's pods, so many have equal labels. */
const REPLICAS = 5;

/** Returns the texts of a kind's objects. */
export function* bigCluster(size: ClusterSize, plural: string): Generator<string> {
  if (plural === "nodes") for (let n = 0; n < size.nodes; n++) yield node(n);
  if (plural === "namespaces")
    for (let n = 0; n < size.namespaces; n++)
      yield object({ metadata: meta(`team-${n}`, undefined, { team: `${n % 50}` }) });
  if (plural === "pods") for (let n = 0; n < size.pods; n++) yield pod(size, n);
  if (plural === "networkpolicies") for (let n = 0; n < size.policies; n++) yield policy(size, n);
  if (plural === "addressblocks") for (let n = 1; n < size.nodes; n++) yield block(n);
  if (plural === "ippools")
    yield object({ metadata: meta("bench"), spec: { cidr: "10.64.0.0/10", natOutgoing: false } });
}

function object(value: object): string {
  return JSON.stringify(value);
}

function meta(name: string, namespace?: string, labels?: object) {
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    uid: `00000000-0000-4000-8000-${Buffer.from(`${namespace ?? ""}/${name}`)
      .toString("hex")
      .slice(-12)
      .padStart(12, "0")}`,
    resourceVersion: "900000",
    creationTimestamp: time,
    ...(labels && { labels }),
  };
}

function nodeName(n: number): string {
  return n === 0 ? "bench" : `node-${n}`;
}

/** The first is the one that the bench is on. */
function nodeAddress(n: number): string {
  return `192.168.${n >> 8}.${n & 255 || 1}`;
}

function node(n: number): string {
  const labels = { "kubernetes.io/hostname": nodeName(n), "topology.kubernetes.io/zone": `zone-${n % 3}` };
  const images = Array.from({ length: 20 }, (_, at) => ({
    names: [`registry.example/library/image-${at}:1.0`],
    sizeBytes: 1e8,
  }));
  return object({
    metadata: meta(nodeName(n), undefined, labels),
    spec: {},
    status: {
      addresses: [
        { type: "InternalIP", address: nodeAddress(n) },
        { type: "Hostname", address: nodeName(n) },
      ],
      conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", lastHeartbeatTime: time }],
      images,
    },
  });
}

function block(n: number): string {
  const cidr = `10.${64 + (n >> 10)}.${(n >> 2) & 255}.${(n & 3) << 6}/26`;
  return object({
    metadata: meta(cidr.replaceAll(/[./]/g, "-")),
    spec: { cidr, pool: "bench", node: nodeName(n) },
    status: { confirmed: true },
  });
}

/** Local ones are the first of their namespaces. */
function pod(size: ClusterSize, n: number): string {
  const each = Math.ceil(size.pods / size.namespaces);
  const [namespace, at] = [`team-${Math.floor(n / each)}`, n % each];
  const app = `app-${Math.floor(at / REPLICAS)}`;
  const name = `${app}-7c9d8f6b5-${n.toString(36).padStart(5, "x")}`;
  const isLocal = at === 0 && n / each < size.local;
  const nodeNumber = isLocal ? 0 : 1 + (n % (size.nodes - 1));
  const address = ipOf(64 * nodeNumber + (Math.floor(n / (size.nodes - 1)) % 62) + 1);
  const labels = { app, "pod-template-hash": "7c9d8f6b5", tier: "backend", release: `${app}-stable` };
  const mount = {
    name: "kube-api-access",
    readOnly: true,
    mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
  };
  return object({
    metadata: {
      ...meta(name, namespace, labels),
      generateName: `${app}-7c9d8f6b5-`,
      ownerReferences: [
        {
          apiVersion: "apps/v1",
          kind: "ReplicaSet",
          name: `${app}-7c9d8f6b5`,
          uid: `${namespace}-${app}`,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      managedFields: [{ manager: "kubelet", operation: "Update", apiVersion: "v1", time, fieldsV1: {} }],
    },
    spec: {
      nodeName: nodeName(nodeNumber),
      containers: [
        {
          name: "main",
          image: `registry.example/library/${app}:1.2.3`,
          ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
          resources: { requests: { cpu: "100m", memory: "128Mi" } },
          volumeMounts: [mount],
          env: [{ name: "LOG_LEVEL", value: "info" }],
        },
      ],
      serviceAccountName: "default",
      restartPolicy: "Always",
      schedulerName: "default-scheduler",
      tolerations: [{ key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" }],
      volumes: [{ name: "kube-api-access", projected: { defaultMode: 420, sources: [] } }],
    },
    status: {
      phase: isLocal ? "Pending" : "Running",
      ...(!isLocal && { podIP: address, podIPs: [{ ip: address }] }),
      hostIP: nodeAddress(nodeNumber),
      startTime: timeOf(n),
      conditions: [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
      ].map((type) => ({ type, status: "True", lastProbeTime: null, lastTransitionTime: timeOf(n) })),
      containerStatuses: [
        {
          name: "main",
          ready: true,
          restartCount: 0,
          image: app,
          imageID: "",
          state: { running: { startedAt: time } },
        },
      ],
    },
  });
}

/** Each lets one app of its namespace speak to another one; every tenth a range of addresses, too. */
function policy(size: ClusterSize, n: number): string {
  const each = Math.ceil(size.policies / size.namespaces);
  const [namespace, at] = [`team-${Math.floor(n / each)}`, n % each];
  const app = (number: number) => ({ podSelector: { matchLabels: { app: `app-${number % 20}` } } });
  const range = at % 10 === 9 ? [{ ipBlock: { cidr: "172.16.0.0/12" } }] : [];
  return object({
    metadata: meta(`allow-${at}`, namespace),
    spec: {
      ...app(at),
      policyTypes: ["Ingress"],
      ingress: [{ from: [app(at + 1), ...range], ports: [{ protocol: "TCP", port: 8080 }] }],
    },
  });
}
