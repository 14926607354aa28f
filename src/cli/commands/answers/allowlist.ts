// trunkline allowlist: the exact ranges that a destination must admit for a workload.
import { Command } from "commander";
import { kindNamed } from "../../../api/kinds/index.ts";
import { TrunklineError } from "../../../base/errors.ts";
import { allowlist, type Workload } from "../../../explain/allowlist/allowlist.ts";
import { type ListForm, listForms, listText } from "../../../explain/allowlist/formats.ts";
import { findEnd } from "../../../explain/ends.ts";
import { judgesOf } from "../../../explain/judges/plans.ts";
import { parseEnd, parseTarget } from "../../../explain/target.ts";
import { collectFacts } from "../../../plan/collect.ts";
import { type ClusterOptions, clusterOptions, defaultNamespace, withStore } from "../../context.ts";
import { groundOf, lookAtMachines } from "../../facts/node-knowledge.ts";
import { checkWorkloads } from "../../facts/workload-ends.ts";
import { answerOption } from "../../options.ts";
import { exit, print, printJson, say } from "../../output.ts";

interface Options extends ClusterOptions {
  readonly output: "text" | "json" | ListForm;
  readonly for?: string;
}

export function command(): Command {
  const made = new Command("allowlist")
    .description(
      "print the ranges that a destination must admit, so that pods' connections are taken, one a line",
    )
    .argument("<to>", "host/NAME, KIND/NAME or an address, with an optional port: TO[:PORT[/PROTOCOL]]")
    .option("--for <workload>", "KIND/NAME whose pods are meant; default: all pods")
    .addOption(answerOption(...listForms))
    .addHelpText(
      "after",
      "\nExit codes: 0; 1 the destination is known not to admit one of them; 2 wrong use; 3 no range can be told.",
    )
    .action((to: string, options: Options) => run(to, options));
  return clusterOptions(made, "one");
}

async function run(to: string, options: Options): Promise<void> {
  const namespace = options.namespace ?? defaultNamespace;
  const target = parseTarget(to);
  const wanted = options.for === undefined ? undefined : workloadOf(options.for, namespace);
  const facts = await withStore(options, async (store) => {
    const ends = [target.end, ...(options.for === undefined ? [] : [parseEnd(options.for)])];
    await checkWorkloads(store, ends, namespace);
    return collectFacts(store);
  });
  const [known, ground] = await Promise.all([lookAtMachines(options), groundOf(options)]);
  const end = findEnd(facts, target.end, namespace);
  const { unknown, ...list } = allowlist(facts, judgesOf(facts, known, ground), end, target.port, wanted);
  if (options.output === "json") printJson(list);
  else if (options.output === "text") for (const range of list.ranges) print(range);
  // Of nothing that is known nothing is written that somebody would put in force.
  else if (list.ranges.length > 0) process.stdout.write(listText(list, options.output));
  for (const what of unknown) say(`note: not known of ${what}`);
  for (const range of list.missing) say(`warning: ${list.to} does not admit ${range}`);
  if (list.ranges.length === 0) {
    say("trunkline: cannot tell any range: there is no pod of which it is known where its address is from");
    process.exitCode = exit.unknown;
  } else if (list.missing.length > 0) process.exitCode = exit.no;
}

function workloadOf(word: string, namespace: string): Workload {
  const end = parseEnd(word);
  const kind = end.type === "address" ? undefined : kindNamed(end.kind)?.kind;
  if (end.type === "address" || kind === undefined || kind === "Node" || kind === "Host")
    throw new TrunklineError("cli.usage", {
      why: `--for takes a pod or a workload, KIND/NAME; it is '${word}'`,
    });
  return { kind, namespace: end.namespace ?? namespace, name: end.name };
}
