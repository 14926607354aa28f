// What a packet pays for how rules know pods' links, by their group rather than by their names, and for the table that looks at
// IPv6 addresses where packets come in: the same rules with it and without, in turns on one path.

import { NodeTable } from "../src/agent/managers/node-table.ts";
import { Ipv6Guard } from "../src/agent/managers/policy/ipv6-guard.ts";
import { PolicyManager } from "../src/agent/managers/policy/policy-manager.ts";
import { silent } from "../src/base/log.ts";
import { run } from "../src/kernel/exec/index.ts";
import type { NodeFacts } from "../src/plan/facts.ts";
import { type BenchCluster, ip6Of, makePathCluster } from "./lib/policy/cluster.ts";
import { BenchPath } from "./lib/policy/paths.ts";
import { ranInPrivate } from "./lib/private.ts";
import { rounds } from "./lib/quick.ts";
import { quantile, type Row, row } from "./lib/row.ts";

/** Short, so that what it is compared with is near in time. */
const SLICE_MS = 20;
const PAIRS = rounds(200, 30);
const POLICIES = 1000;
const everything = new Map(
  ["namespaces", "pods", "networkpolicies", "endpoints", "configmaps"].map((kind) => [kind, "all" as const]),
);
/** As nft prints the group of pods' links (POD_LINK_GROUP), and what it stands for. */
const byGroup = /([io]if)group (!= )?1414266880\/16/g;

export async function bench(): Promise<readonly Row[] | undefined> {
  if (ranInPrivate()) return undefined;
  const groups = await groupPath();
  const guard = await guardPath();
  const rows: Row[] = [];
  for (const what of ["tcp", "udp"] as const) {
    rows.push(
      await compare(groups, what, "group", "pods' links known by their group (peer: by their names)"),
      await compare(guard, what, "ipv6", "IPv6, with table ip6 trunkline (peer: without it)"),
    );
  }
  for (const each of [groups, guard]) each.close();
  return rows;
}

async function enforce(path: BenchPath, { facts, endpoints }: BenchCluster): Promise<void> {
  const node: NodeFacts = { node: "n1", addresses: ["192.168.18.1"], uplink: "eth0", endpoints };
  const kernel = path.node;
  const table = new NodeTable(kernel.nft, ["policy"]);
  for (const manager of [new PolicyManager({ kernel, table, logger: silent }), new Ipv6Guard(kernel)]) {
    await manager.apply(facts, node, everything);
    await manager.stop();
  }
}

/** The rules as they are, and the same with names in the group's place. */
async function groupPath(): Promise<BenchPath> {
  const path = await BenchPath.make("group");
  await enforce(path, makePathCluster(POLICIES, false));
  const netns = { name: `${path.name}-n` };
  const { stdout } = await run("nft", ["-s", "list", "table", "inet", "trunkline"], { netns });
  const named = stdout
    .replace("table inet trunkline", "table inet named")
    .replaceAll(byGroup, (_, side: string, not = "") => `${side}name ${not}"tl*"`);
  if (named.includes("1414266880") || !named.includes(`name "tl*"`))
    throw new Error("the rules do not know links by their group any more");
  await path.node.nft.run(named);
  path.ruledBy({ table: "inet trunkline", reversePath: false, instead: ["inet named"] });
  return path;
}

async function guardPath(): Promise<BenchPath> {
  const path = await BenchPath.make("guard", 6);
  await enforce(path, makePathCluster(POLICIES, false, ip6Of));
  path.ruledBy({ table: "ip6 trunkline", reversePath: false, instead: [] });
  return path;
}

/** The median of pairs' ratios of processor time: see policy.ts. */
async function compare(path: BenchPath, what: "tcp" | "udp", id: string, text: string): Promise<Row> {
  await path.slice(what, SLICE_MS);
  const ratios: number[] = [];
  const rates: number[] = [];
  for (let left = PAIRS; left > 0; left--) {
    const found = await path.pair(what, SLICE_MS);
    ratios.push(found.ratio);
    rates.push(...found.rates);
  }
  const [ratio, base] = [quantile(ratios, 0.5), quantile(rates, 0.5)];
  const spread = `${quantile(ratios, 0.25).toFixed(2)}..${quantile(ratios, 0.75).toFixed(2)}`;
  const label = what === "tcp" ? "new TCP connections" : "packets of an established flow";
  return row(`guards.${id}.${what}`, `${label}, ${text}; middle half ${spread}`, "1/s", ratio * base, base, {
    of: "ratio",
    at: "least",
    value: 0.95,
  });
}
