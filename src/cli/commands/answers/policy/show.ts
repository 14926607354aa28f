// trunkline policy show: the rules that hold for one pod.
import { Command } from "commander";
import { TrunklineError } from "../../../../base/errors.ts";
import { findEnd } from "../../../../explain/ends.ts";
import { effectiveRules, effectiveText } from "../../../../explain/policies/effective.ts";
import { parseEnd } from "../../../../explain/target.ts";
import { collectFacts } from "../../../../plan/collect.ts";
import { type ClusterOptions, clusterOptions, defaultNamespace, withStore } from "../../../context.ts";
import { checkWorkloads } from "../../../facts/workload-ends.ts";
import { answerOption } from "../../../options.ts";
import { printJson, printText } from "../../../output.ts";

interface Options extends ClusterOptions {
  readonly output: "text" | "json";
}

export function showCommand(): Command {
  const show = new Command("show")
    .description("print the rules that hold for a pod, each with the policy that it comes from")
    .argument("<pod>", "NAME, pod/NAME or KIND/NAME")
    .addOption(answerOption())
    .action((pod: string, options: Options) => run(pod, options));
  return clusterOptions(show, "one");
}

async function run(name: string, options: Options): Promise<void> {
  const end = parseEnd(name);
  const namespace = options.namespace ?? defaultNamespace;
  const facts = await withStore(options, async (store) => {
    await checkWorkloads(store, [end], namespace);
    return collectFacts(store);
  });
  const found = findEnd(facts, end, namespace);
  if (found.type !== "pod") throw new TrunklineError("cli.usage", { why: `${found.name} is no pod` });
  const { policyCounters } = await import("../../../facts/policy-counters.ts");
  const rules = effectiveRules(facts, found.pod, await policyCounters(options, found.pod));
  if (options.output === "json") printJson(rules);
  else printText(effectiveText(rules));
}
