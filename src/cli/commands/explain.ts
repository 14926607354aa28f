// trunkline explain: what will happen to a flow, and which objects decide it, without sending a packet.
import { Command } from "commander";
import { findEnd, nodeOf } from "../../explain/ends.ts";
import { explain, isYes } from "../../explain/explain.ts";
import { explanationText } from "../../explain/explain-text.ts";
import { judgesOf } from "../../explain/plans.ts";
import { parseEnd, parseTarget } from "../../explain/target.ts";
import { collectFacts } from "../../plan/collect.ts";
import { type ClusterOptions, clusterOptions, defaultNamespace, withStore } from "../context.ts";
import { groundOf, lookAtNodes } from "../facts/node-knowledge.ts";
import { checkWorkloads } from "../facts/workload-ends.ts";
import { answerOption } from "../options.ts";
import { exit, printJson } from "../output.ts";

interface Options extends ClusterOptions {
  readonly output: "text" | "json";
}

export function command(): Command {
  const explainCommand = new Command("explain")
    .description("say from the plans whether a flow passes, which way, which source address is seen, and why")
    .argument("<from>", "pod/NAME, KIND/NAME, node/NAME, host/NAME, router/NAME or an address")
    .argument("<to>", "the same, with an optional port: TO[:PORT[/PROTOCOL]]")
    .addOption(answerOption())
    .addHelpText(
      "after",
      "\nExit codes: 0 allowed, and nothing known stands in the way; 1 denied, or not reachable; 2 wrong use; 3 cannot tell.",
    )
    .action((from: string, to: string, options: Options) => run(from, to, options));
  return clusterOptions(explainCommand, "one");
}

async function run(from: string, to: string, options: Options): Promise<void> {
  const start = parseEnd(from);
  const target = parseTarget(to);
  const namespace = options.namespace ?? defaultNamespace;
  const facts = await withStore(options, async (store) => {
    await checkWorkloads(store, [start, target.end], namespace);
    return collectFacts(store);
  });
  const ends = [findEnd(facts, start, namespace), findEnd(facts, target.end, namespace)] as const;
  const nodes = ends.flatMap((end) => nodeOf(end) ?? []);
  const [known, ground] = await Promise.all([lookAtNodes(options, nodes), groundOf(options)]);
  const judges = judgesOf(facts, known, ground);
  const answer = explain(facts, judges, ...ends, target.port);
  if (options.output === "json") printJson(answer);
  else process.stdout.write(explanationText(answer));
  process.exitCode = isYes(answer) ? exit.yes : exit.no;
}
