// trunkline policy show: the rules that hold for one pod.
import { Command, Option } from "commander";
import { TrunklineError } from "../../base/errors.ts";
import { effectiveRules, effectiveText } from "../../explain/effective.ts";
import { findEnd } from "../../explain/ends.ts";
import { parseEnd } from "../../explain/target.ts";
import { collectFacts } from "../../plan/collect.ts";
import {
  defaultNamespace,
  type NamespaceOptions,
  namespaceOptions,
  type StoreOptions,
  storeOptions,
  withStore,
} from "../context.ts";
import { printJson } from "../output.ts";
import { checkWorkloads } from "../workload-ends.ts";

interface Options extends StoreOptions, NamespaceOptions {
  readonly output: "text" | "json";
}

export function showCommand(): Command {
  const show = new Command("show")
    .description("print the rules that hold for a pod, each with the policy that it comes from")
    .argument("<pod>", "NAME, pod/NAME or KIND/NAME")
    .addOption(
      new Option("-o, --output <form>", "form of the output").choices(["text", "json"]).default("text"),
    )
    .action((pod: string, options: Options) => run(pod, options));
  return storeOptions(namespaceOptions(show, "one"));
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
  const { policyCounters } = await import("../policy-counters.ts");
  const rules = effectiveRules(facts, found.pod, await policyCounters(options, found.pod));
  if (options.output === "json") printJson(rules);
  else process.stdout.write(effectiveText(rules));
}
