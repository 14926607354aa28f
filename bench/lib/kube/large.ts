// An agent of a large cluster at a real API server and etcd, beside one that has the same objects in an SQLite database.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { kube, startServers } from "../../../scripts/cluster/control-plane.ts";
import { makeNetwork } from "../../../scripts/cluster/node.ts";
import { etcdPort, file, folder, program, project } from "../../../scripts/cluster/place.ts";
import { say } from "../../../scripts/cluster/programs.ts";
import { addressBlockKind } from "../../../src/api/kinds/address-block.ts";
import { namespaceKind, nodeKind, podKind } from "../../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../../src/api/kinds/ip-pool.ts";
import { networkPolicyKind } from "../../../src/api/kinds/network-policy.ts";
import type { Draft, Kind, KubeObject } from "../../../src/api/object.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";
import { agentRows, measureAgent } from "../big-agent.ts";
import { bigCluster, type ClusterSize } from "../big-cluster.ts";
import { isQuick } from "../quick.ts";
import type { Row } from "../row.ts";
import { Api } from "./api.ts";
import { putAll, stored } from "./etcd.ts";

const LARGE: ClusterSize = { nodes: 5000, pods: 100_000, policies: 10_000, namespaces: 1000, local: 20 };
const TENTH: ClusterSize = { nodes: 500, pods: 10_000, policies: 1000, namespaces: 100, local: 20 };
/** Those that others refer to come first. */
const kinds: readonly Kind[] = [
  namespaceKind,
  nodeKind,
  ipPoolKind,
  addressBlockKind,
  networkPolicyKind,
  podKind,
];

export async function largeRows(): Promise<Row[]> {
  const size = isQuick ? TENTH : LARGE;
  const [pods, policies, nodes] = [size.pods, size.policies, size.nodes].map((n) => n.toLocaleString("en"));
  say(`an API server with ${pods} pods`);
  const kubeconfig = await startApi(size);
  const ours = await measureAgent(file("api-agent"), ["--kubeconfig", kubeconfig], size);
  say(`a database with ${pods} pods`);
  const database = file("large.db");
  await fillDatabase(database, size);
  const peer = await measureAgent(file("sqlite-agent"), database, size);
  const what = `${pods} pods, ${policies} policies, ${nodes} nodes at the API server (peer: in SQLite)`;
  return agentRows("kube.large", what, { ours, peer, bars: { readySeconds: 5, restMib: 220 } });
}

/** Starts etcd and an API server with these objects; returns the administrator's kubeconfig. */
async function startApi(size: ClusterSize): Promise<string> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  makeNetwork();
  // Debian's has no lists out of the API server's cache: these are read of etcd page by page, 45 s for as many pods.
  await startServers([], program("etcd"));
  const words = ["manifests", "--definitions-only"];
  kube(
    ["apply", "--server-side", "-f", "-"],
    execFileSync(path.join(project, "bin/trunkline"), words, { encoding: "utf8" }),
  );
  kube(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
  for (const kind of kinds) await putAll(`http://127.0.0.1:${etcdPort}`, puts(kind, size));
  const kubeconfig = file("admin.kubeconfig");
  await told(new Api(kubeconfig), size.pods);
  return kubeconfig;
}

function* puts(kind: Kind, size: ClusterSize) {
  for (const text of bigCluster(size, kind.plural)) yield stored(kind, text);
}

/** Waits until the API server has heard of all pods. */
async function told(api: Api, pods: number): Promise<void> {
  // From its cache, as watchers have it.
  const page = "/api/v1/pods?limit=1&resourceVersion=0&fieldSelector=spec.nodeName=bench";
  for (;;) {
    const { object } = await api.get<{ metadata: { remainingItemCount?: number } }>("/api/v1/pods?limit=1");
    if ((object.metadata.remainingItemCount ?? 0) + 1 >= pods) break;
    await sleep(500);
  }
  await api.get(page);
  api.close();
}

async function fillDatabase(database: string, size: ClusterSize): Promise<void> {
  const store = openSqliteStore(database);
  for (const kind of kinds)
    for (const text of bigCluster(size, kind.plural)) {
      const object = JSON.parse(text) as KubeObject;
      await store.create(kind, {
        ...object,
        apiVersion: kind.apiVersion,
        kind: kind.kind,
      } as Draft<KubeObject>);
    }
  await store.close();
}
