// Security groups beside none, on one path and in one table: the rules of groups come and go between two slices, so that
// nothing else differs.

import { NodeTable } from "../../../src/agent/managers/node-table.ts";
import { PolicyManager } from "../../../src/agent/managers/policy/policy-manager.ts";
import { GroupManager } from "../../../src/agent/subnets/group-manager.ts";
import type { SecurityGroup } from "../../../src/api/kinds/security-group.ts";
import { silent } from "../../../src/base/log.ts";
import type { NodeFacts } from "../../../src/plan/facts.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";
import { ipOf, makePathCluster } from "./cluster.ts";
import { BenchPath } from "./paths.ts";

const SLICE_MS = 20;
/** Rules that come or go keep the kernel busy for longer than a slice: what is measured is how packets fare with them. */
const WARM_MS = 40;
/** A bar of 1.5 % wants medians of many pairs. */
const ROUNDS = { udp: rounds(300, 30), tcp: rounds(100, 20) } as const;
const RULES = 20;
const everything = new Map(
  ["namespaces", "pods", "networkpolicies", "endpoints", "configmaps", "securitygroups"].map((kind) => [
    kind,
    "all" as const,
  ]),
);

export async function groupRows(): Promise<Row[]> {
  const cluster = makePathCluster(10, false);
  const facts = { ...cluster.facts, securityGroups: new Map([["sg-1", groupOf(RULES)]]) };
  const node: NodeFacts = { node: "n1", addresses: [], uplink: "eth0", endpoints: cluster.endpoints };
  const path = await BenchPath.make("groups");
  const table = new NodeTable(path.node.nft, ["policy"]);
  const policies = new PolicyManager({ kernel: path.node, table, logger: silent });
  // Each pod has its interface to itself: else the groups of two pods of one node are not asked.
  const place = { groups: ["sg-1"], own: true };
  let isOn = false;
  const groups = new GroupManager({
    table,
    places: () => new Map(isOn ? [0, 1].map((pod) => [ipOf(pod), place] as const) : []),
    filtersGroup: () => false,
  });
  const slice = async (what: "tcp" | "udp", on: boolean) => {
    isOn = on;
    await groups.apply(facts, node, everything);
    await path.slice(what, WARM_MS);
    return await path.slice(what, SLICE_MS);
  };
  try {
    await policies.apply(facts, node, everything);
    const rows: Row[] = [];
    for (const what of ["udp", "tcp"] as const) {
      const ratios: number[] = [];
      const rates: number[] = [];
      for (let round = 0; round < ROUNDS[what]; round++) {
        const before = await slice(what, false);
        const { cpu } = await slice(what, true);
        const after = await slice(what, false);
        rates.push(before.rate, after.rate);
        ratios.push((before.cpu + after.cpu) / (2 * cpu));
      }
      rows.push(rowOf(what, ratios, quantile(rates, 0.5)));
    }
    return rows;
  } finally {
    await policies.stop();
    path.close();
  }
}

function rowOf(what: "tcp" | "udp", ratios: readonly number[], base: number): Row {
  const ratio = quantile(ratios, 0.5);
  const label = what === "tcp" ? "new TCP connections" : "packets of an established flow";
  const spread = `${quantile(ratios, 0.25).toFixed(3)}..${quantile(ratios, 0.75).toFixed(3)}`;
  const text = `${label}, security groups of ${RULES} rules at both ends (peer: none; ${ratios.length} pairs, middle half ${spread})`;
  const bar = { of: "ratio", at: "least", value: 0.985 } as const;
  return row(`groups-${what}`, text, "1/s", ratio * base, base, what === "udp" ? bar : undefined);
}

/** A group as people write them: many ranges with a port or two each; the last rules are those that let the bench pass. */
function groupOf(count: number): SecurityGroup {
  const others = Array.from({ length: count - 1 }, (_, at) => ({
    peers: [`10.${at}.0.0/16`],
    ports: [`${9000 + at}/tcp`],
  }));
  const last = { peers: ["10.64.0.0/10"], ports: ["80/tcp", "81/udp"] };
  return {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "SecurityGroup",
    metadata: { name: "sg-1", uid: "sg-1", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { ingress: [...others, last], egress: [...others, last] },
  };
}
