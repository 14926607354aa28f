// trunkline route show: for each prefix who announces it, through what, and why.
import { Command, Option } from "commander";
import { TrunklineError } from "../../base/errors.ts";
import { nearest } from "../../base/suggest.ts";
import { announcedPrefixes, nodeRoutes } from "../../explain/routes.ts";
import { collectFacts } from "../../plan/collect.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type StoreOptions, storeOptions, withStore } from "../context.ts";
import { print, printJson, say, table } from "../output.ts";

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
  return new Command("route").description("routes to pods").addCommand(storeOptions(show));
}

async function run(options: Options): Promise<void> {
  const facts = await withStore(options, collectFacts);
  if (options.node === undefined) {
    showCluster(facts, options);
    return;
  }
  if (!facts.nodes.has(options.node)) {
    const suggestion = nearest(options.node, facts.nodes.keys());
    throw new TrunklineError("explain.unknown-end", { name: `node/${options.node}`, suggestion });
  }
  showNode(facts, options.node, options);
}

function showCluster(facts: ClusterFacts, options: Options): void {
  const routes = announcedPrefixes(facts);
  if (options.output === "json") {
    printJson({ routes });
    return;
  }
  if (routes.length === 0) say("No prefixes: no node has claimed a block yet");
  const rows = routes.map(({ prefix, announcedBy, via, through, pool, why }) => [
    prefix,
    announcedBy,
    via ?? "-",
    through,
    pool,
    why,
  ]);
  if (rows.length > 0) print(table([["PREFIX", "ANNOUNCED BY", "VIA", "THROUGH", "POOL", "WHY"], ...rows]));
}

function showNode(facts: ClusterFacts, node: string, options: Options): void {
  const { rows, problems } = nodeRoutes(facts, node);
  if (options.output === "json") {
    printJson({ node, routes: rows, problems });
    return;
  }
  const lines = rows.map(({ prefix, type, via, announcedBy, why }) => [
    prefix,
    via ?? type,
    announcedBy,
    why,
  ]);
  if (lines.length > 0) print(table([["PREFIX", "VIA", "ANNOUNCED BY", "WHY"], ...lines]));
  else say(`No routes of Trunkline's on ${node}`);
  for (const problem of problems)
    say(`warning: ${problem.prefix} of ${problem.node} cannot be routed: ${problem.why}`);
}
