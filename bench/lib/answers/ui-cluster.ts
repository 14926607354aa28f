// A cluster as objects, for what only reads them: nodes, a block for each 64 of its pods, workloads spread over nodes, policies.
import { setTimeout as sleep } from "node:timers/promises";
import { addressBlockKind, blockName } from "../../../src/api/kinds/address-block.ts";
import { namespaceKind, nodeKind, podKind } from "../../../src/api/kinds/core.ts";
import { hostKind } from "../../../src/api/kinds/host.ts";
import { ipPoolKind } from "../../../src/api/kinds/ip-pool.ts";
import { networkPolicyKind } from "../../../src/api/kinds/network-policy.ts";
import type { Kind, KubeObject } from "../../../src/api/object.ts";
import type { Store } from "../../../src/store/store.ts";

export interface ClusterSize {
  readonly nodes: number;
  readonly pods: number;
  readonly workloads: number;
}

const NAMESPACES = 10;
const BLOCK = 64;

/** Returns a store that holds such a cluster and in which nothing ever changes. Pods are `NAMESPACE/wN-h-M`. */
export function clusterStore(size: ClusterSize): Store {
  const objects = new Map<string, KubeObject[]>();
  const make = (kind: Kind<KubeObject>, name: string, rest: object, meta: object = {}) => {
    const known = objects.get(kind.kind) ?? [];
    objects.set(kind.kind, known);
    const metadata = {
      name,
      uid: `${kind.kind}-${name}`,
      resourceVersion: "1",
      creationTimestamp: "",
      ...meta,
    };
    known.push({ apiVersion: kind.apiVersion, kind: kind.kind, metadata, ...rest });
  };
  addPlaces(make, size);
  addPods(make, size);
  const refuse = () => Promise.reject(new TypeError("this store is only read"));
  return {
    get: async () => undefined,
    list: async <T extends KubeObject>(kind: Kind<T>) => ({
      items: (objects.get(kind.kind) ?? []) as unknown as readonly T[],
      revision: "1",
    }),
    watch: (_kind, { signal }) => ({
      [Symbol.asyncIterator]: () => ({
        next: () => sleep(2 ** 30, { value: undefined, done: true as const }, { signal }),
      }),
    }),
    create: refuse,
    update: refuse,
    delete: refuse,
    close: async () => undefined,
  };
}

type Make = (kind: Kind<KubeObject>, name: string, rest: object, meta?: object) => void;

function blocksOf({ nodes, pods }: ClusterSize): number {
  return Math.ceil(Math.ceil(pods / nodes) / BLOCK);
}

function addPlaces(make: Make, size: ClusterSize): void {
  for (let n = 0; n < NAMESPACES; n++) make(namespaceKind, `ns${n}`, {});
  make(ipPoolKind, "pods", { spec: { cidr: "10.0.0.0/8", natOutgoing: true } });
  for (let n = 0; n < 4; n++)
    make(hostKind, `host${n}`, { spec: { addresses: [`172.17.0.${n + 1}`], ports: [{ port: 80 }] } });
  const blocks = blocksOf(size);
  for (let n = 0; n < size.nodes; n++) {
    const labels = { "topology.kubernetes.io/zone": `zone-${n % 3}` };
    const address = `192.168.${(n >> 8) + 1}.${n & 255}`;
    make(nodeKind, `node${n}`, { status: { addresses: [{ type: "InternalIP", address }] } }, { labels });
    for (let b = 0; b < blocks; b++) {
      const cidr = `${addressAt((n * blocks + b) * BLOCK)}/26`;
      const spec = { cidr, pool: "pods", node: `node${n}`, state: "confirmed" };
      make(addressBlockKind, blockName(cidr), { spec });
    }
  }
}

function addPods(make: Make, size: ClusterSize): void {
  const { nodes, pods, workloads } = size;
  const blocks = blocksOf(size);
  for (let p = 0; p < pods; p++) {
    const [node, workload] = [p % nodes, p % workloads];
    const owner = {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      name: `w${workload}-h`,
      uid: "u",
      controller: true,
    };
    const labels = { app: `w${workload}`, tier: `t${workload % 7}`, "pod-template-hash": "h" };
    const containers = [{ name: "c", image: "x", ports: [{ containerPort: 80 }] }];
    const podIP = addressAt(node * blocks * BLOCK + Math.floor(p / nodes));
    make(
      podKind,
      `w${workload}-h-${p}`,
      { spec: { nodeName: `node${node}`, containers }, status: { phase: "Running", podIP } },
      { namespace: `ns${workload % NAMESPACES}`, labels, ownerReferences: [owner] },
    );
  }
  for (let n = 0; n < workloads; n++) {
    const from = [{ podSelector: { matchLabels: { tier: `t${n % 5}` } }, namespaceSelector: {} }];
    const spec = {
      podSelector: { matchLabels: { app: `w${n}` } },
      ingress: [{ from, ports: [{ port: 80 }] }],
    };
    make(networkPolicyKind, `p${n}`, { spec }, { namespace: `ns${n % NAMESPACES}` });
  }
}

function addressAt(number: number): string {
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}
