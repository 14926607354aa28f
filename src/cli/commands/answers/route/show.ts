// trunkline route show: for each prefix who announces it, through what, and why.
import { Command, Option } from "commander";
import { TrunklineError } from "../../../../base/errors.ts";
import { nearest } from "../../../../base/suggest.ts";
import { routingProblems } from "../../../../explain/routing/problems.ts";
import { clusterRows, nodeTable } from "../../../../explain/routing/tables.ts";
import { collectFacts } from "../../../../plan/collect.ts";
import type { ClusterFacts } from "../../../../plan/facts.ts";
import { type StoreOptions, storeOptions, withStore } from "../../../context.ts";
import { askRouting } from "../../../facts/node-routing.ts";
import { print, printJson, say, table } from "../../../output.ts";

interface Options extends StoreOptions {
  readonly node?: string;
  readonly output: "table" | "json";
}

export function command(): Command {
  const show = new Command("show")
    .description("print who announces each prefix, through what, and why")
    .option("--node <name>", "the routes of that node")
    .addOption(
      new Option("-o, --output <form>", "form of the output").choices(["table", "json"]).default("table"),
    )
    .action((options: Options) => run(options));
  return storeOptions(show);
}

async function run(options: Options): Promise<void> {
  const facts = await withStore(options, collectFacts);
  if (options.node === undefined) return showCluster(facts, options);
  if (!facts.nodes.has(options.node)) {
    const suggestion = nearest(options.node, facts.nodes.keys());
    throw new TrunklineError("explain.unknown-end", { name: `node/${options.node}`, suggestion });
  }
  return showNode(facts, options.node, options);
}

const HEADING = ["PREFIX", "ANNOUNCED BY", "VIA", "THROUGH", "POOL", "WHY"];

async function showCluster(facts: ClusterFacts, options: Options): Promise<void> {
  const live = await askRouting(options, facts.nodes.keys());
  const routes = clusterRows(facts, live);
  const problems = [...live.values()].flatMap((one) => routingProblems(facts, one));
  if (options.output === "json") {
    printJson({ routes, problems });
    return;
  }
  if (routes.length === 0) say("No prefixes: no node has claimed a block yet");
  const rows = routes.map(({ prefix, announcedBy, via, through, pool, why }) => [
    prefix,
    announcedBy,
    via ?? "-",
    through,
    pool ?? "-",
    why,
  ]);
  if (rows.length > 0) print(table([HEADING, ...rows]));
  for (const { code, object, node, message } of problems)
    say(`warning: ${code}: ${object} on ${node}: ${message}`);
}

async function showNode(facts: ClusterFacts, node: string, options: Options): Promise<void> {
  const live = (await askRouting(options, [node])).get(node);
  const shown = nodeTable(facts, node, live);
  if (options.output === "json") {
    printJson(shown);
    return;
  }
  const lines = shown.routes.map(({ prefix, type, via, dev, announcedBy, through, pool, why, inKernel }) => [
    prefix,
    announcedBy,
    via ?? (type === "unicast" ? "-" : type),
    through,
    pool ?? "-",
    why,
    dev ?? "-",
    live ? (inKernel ? "yes" : "no") : "-",
  ]);
  if (lines.length > 0) print(table([[...HEADING, "DEV", "IN KERNEL"], ...lines]));
  else say(`No routes of Trunkline's on ${node}`);
  for (const { prefix, peers, why } of shown.exports) say(`tells ${prefix} to ${peers.join(", ")}: ${why}`);
  for (const problem of shown.problems)
    say(
      "message" in problem
        ? `warning: ${problem.why}: ${problem.prefix}: ${problem.message}`
        : `warning: ${problem.prefix} of ${problem.node} cannot be routed: ${problem.why}`,
    );
}
