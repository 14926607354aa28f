// A bench's cluster in force on a node.
import { NodeTable } from "../../../src/agent/managers/node-table.ts";
import { PolicyManager } from "../../../src/agent/managers/policy/policy-manager.ts";
import { silent } from "../../../src/base/log.ts";
import type { Kernel } from "../../../src/kernel/index.ts";
import type { NodeFacts } from "../../../src/plan/facts.ts";
import type { BenchCluster } from "./cluster.ts";

const everything = new Map(
  ["namespaces", "pods", "networkpolicies", "endpoints", "configmaps"].map((kind) => [kind, "all" as const]),
);

function nodeFacts(cluster: BenchCluster): NodeFacts {
  return { node: "n1", addresses: ["192.168.18.1"], uplink: "eth0", endpoints: cluster.endpoints };
}

/**
 * Returns after how many milliseconds it is.
 * @param log whether the kernel is to tell of what is refused
 */
export async function enforce(kernel: Kernel, cluster: BenchCluster, log = false): Promise<number> {
  const table = new NodeTable(kernel.nft, ["policy"]);
  const manager = new PolicyManager({ kernel, table, logger: silent, log });
  const began = performance.now();
  await manager.apply(cluster.facts, nodeFacts(cluster), everything);
  const ms = performance.now() - began;
  await manager.stop();
  return ms;
}
