// A cluster as objects, for what only reads them: nodes, a block for each 64 of its pods, workloads spread over nodes, policies.

import { addressBlockKind, blockName } from "../../src/api/kinds/address-block.ts";
import { namespaceKind, nodeKind, podKind } from "../../src/api/kinds/core.ts";
import { hostKind } from "../../src/api/kinds/host.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { networkPolicyKind } from "../../src/api/kinds/network-policy.ts";
import type { Draft, Kind, KubeObject } from "../../src/api/object.ts";
import type { Store } from "../../src/store/store.ts";

export interface ClusterSize {
  readonly nodes: number;
  readonly pods: number;
  readonly workloads: number;
}

const NAMESPACES = 10;
const BLOCK = 64;

/** Fills a store. Pods are `NAMESPACE/wN-M`. */
export async function fillCluster(store: Store, { nodes, pods, workloads }: ClusterSize): Promise<void> {
  const make = <T extends KubeObject>(kind: Kind<T>, name: string, rest: object, meta: object = {}) => {
    const draft = { apiVersion: kind.apiVersion, kind: kind.kind, metadata: { name, ...meta }, ...rest };
    return store.create(kind, draft as unknown as Draft<T>);
  };
  for (let n = 0; n < NAMESPACES; n++) await make(namespaceKind, `ns${n}`, {});
  await make(ipPoolKind, "pods", { spec: { cidr: "10.0.0.0/8", natOutgoing: true } });
  for (let n = 0; n < 4; n++)
    await make(hostKind, `host${n}`, { spec: { addresses: [`172.17.0.${n + 1}`], ports: [{ port: 80 }] } });
  const perNode = Math.ceil(pods / nodes);
  const perBlocks = Math.ceil(perNode / BLOCK);
  for (let n = 0; n < nodes; n++) {
    const labels = { "topology.kubernetes.io/zone": `zone-${n % 3}` };
    const address = `192.168.${(n >> 8) + 1}.${n & 255}`;
    await make(
      nodeKind,
      `node${n}`,
      { status: { addresses: [{ type: "InternalIP", address }] } },
      { labels },
    );
    for (let b = 0; b < perBlocks; b++) {
      const cidr = `${addressAt((n * perBlocks + b) * BLOCK)}/26`;
      const spec = { cidr, pool: "pods", node: `node${n}`, state: "confirmed" };
      await make(addressBlockKind, blockName(cidr), { spec });
    }
  }
  for (let p = 0; p < pods; p++) {
    const [node, workload] = [p % nodes, p % workloads];
    const own = Math.floor(p / nodes);
    const owner = {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      name: `w${workload}-h`,
      uid: "u",
      controller: true,
    };
    const labels = { app: `w${workload}`, tier: `t${workload % 7}`, "pod-template-hash": "h" };
    const containers = [{ name: "c", image: "x", ports: [{ containerPort: 80 }] }];
    await make(
      podKind,
      `w${workload}-h-${p}`,
      {
        spec: { nodeName: `node${node}`, containers },
        status: { phase: "Running", podIP: addressAt(node * perBlocks * BLOCK + own) },
      },
      { namespace: `ns${workload % NAMESPACES}`, labels, ownerReferences: [owner] },
    );
  }
  for (let n = 0; n < workloads; n++) {
    const from = [{ podSelector: { matchLabels: { tier: `t${n % 5}` } }, namespaceSelector: {} }];
    const spec = {
      podSelector: { matchLabels: { app: `w${n}` } },
      ingress: [{ from, ports: [{ port: 80 }] }],
    };
    await make(networkPolicyKind, `p${n}`, { spec }, { namespace: `ns${n % NAMESPACES}` });
  }
}

function addressAt(number: number): string {
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}
