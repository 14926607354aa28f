// An agent in a cluster of 100,000 pods: how long after its start it is ready, and what it holds in memory, as the kernel counts it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { agentRows, type Measured, measureAgent } from "./lib/big-agent.ts";
import type { ClusterSize } from "./lib/big-cluster.ts";
import { ranInPrivate } from "./lib/private.ts";
import { ended } from "./lib/processes.ts";
import type { Row } from "./lib/row.ts";

const LARGE: ClusterSize = { nodes: 5000, pods: 100_000, policies: 10_000, namespaces: 1000, local: 20 };
const SMALL: ClusterSize = { nodes: 50, pods: 1000, policies: 100, namespaces: 10, local: 10 };

export async function bench(args: readonly string[]): Promise<readonly Row[] | undefined> {
  if (ranInPrivate()) return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-bench-"));
  try {
    const small = await measure(path.join(folder, "small"), SMALL);
    const bars = { readySeconds: 3, restMib: 200 };
    if (args.includes("small"))
      return agentRows("agent.small", "1,000 pods, 100 policies, 50 nodes", { ours: small, bars });
    const large = await measure(path.join(folder, "large"), LARGE);
    const what = "100,000 pods, 10,000 policies, 5,000 nodes (peer: 1,000 pods, 100 policies, 50 nodes)";
    return agentRows("agent.large", what, { ours: large, peer: small, bars });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(folder: string, size: ClusterSize): Promise<Measured> {
  const script = path.join(import.meta.dirname, "lib/api-stub.ts");
  const server = spawn(process.execPath, [script, JSON.stringify(size)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [port] = (await once(createInterface({ input: server.stdout }), "line")) as [string];
    const kubeconfig = `${folder}.kubeconfig`;
    writeFileSync(kubeconfig, kubeconfigOf(`http://127.0.0.1:${port}`));
    return await measureAgent(folder, ["--kubeconfig", kubeconfig], size);
  } finally {
    await ended(server);
  }
}

function kubeconfigOf(server: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "bench", cluster: { server } }],
    users: [{ name: "bench", user: {} }],
    contexts: [{ name: "bench", context: { cluster: "bench", user: "bench" } }],
    "current-context": "bench",
  });
}
