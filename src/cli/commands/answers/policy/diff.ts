// trunkline policy diff: reach that appears or disappears if manifests were applied.
import { Command } from "commander";
import type { End } from "../../../../explain/ends.ts";
import { judgesOf } from "../../../../explain/judges/plans.ts";
import { factsOf } from "../../../../explain/manifests/facts-of.ts";
import { clusterEnds, declaredBy, policyPorts } from "../../../../explain/matrix/matrix.ts";
import { worldEnds } from "../../../../explain/matrix/ranges.ts";
import { changesText, diffReach, type Side } from "../../../../explain/policies/diff.ts";
import { overlay } from "../../../../explain/policies/overlay.ts";
import { type Port, parsePorts, uniquePorts } from "../../../../explain/ports.ts";
import { collectFacts } from "../../../../plan/collect.ts";
import type { ClusterFacts } from "../../../../plan/facts.ts";
import { type StoreOptions, storeOptions, withStore } from "../../../context.ts";
import { readFacts, readObjects } from "../../../facts/manifest-facts.ts";
import { groundOf, lookAtMachines } from "../../../facts/node-knowledge.ts";
import { answerOption } from "../../../options.ts";
import { exit, printJson, printText } from "../../../output.ts";

interface Options extends StoreOptions {
  readonly filename: readonly string[];
  readonly from?: readonly string[];
  readonly port?: string;
  readonly output: "text" | "json";
}

export function diffCommand(): Command {
  const diff = new Command("diff")
    .description("say which reach appears or disappears if manifests were applied")
    .requiredOption("-f, --filename <path...>", "what would be applied: files, folders, or -")
    .option(
      "--from <path...>",
      "compare with these manifests instead of a lab: -f then is the whole new state",
    )
    .option("--port <list>", "ports such as 80/tcp,81/udp; default: all that pods declare or policies name")
    .addOption(answerOption())
    .addHelpText(
      "after",
      "\nExit codes: 0 nothing changes, 1 something changes, 2 wrong use or bad input,\n3 nothing surely changes, but of some reach it cannot be told.",
    )
    .action((options: Options) => run(options));
  return storeOptions(diff);
}

async function run(options: Options): Promise<void> {
  const ports = options.port === undefined ? undefined : parsePorts(options.port);
  const objects = await readObjects(options.filename);
  const before =
    objects && (options.from ? await readFacts(options.from) : await withStore(options, collectFacts));
  if (!objects || !before) {
    process.exitCode = exit.usage;
    return;
  }
  const after = options.from ? factsOf(objects) : overlay(before, objects);
  // Compared with a lab, flows go through its network as it is.
  const [known, ground] = options.from
    ? [undefined, undefined]
    : await Promise.all([lookAtMachines(options), groundOf(options)]);
  const sideOf = (facts: ClusterFacts, other: ClusterFacts): Side => ({
    facts,
    judges: judgesOf(facts, known, known?.rules && ground),
    ends: endsOf(facts, other),
  });
  const difference = diffReach(sideOf(before, after), sideOf(after, before), ports ?? portsOf(before, after));
  const { changes, unclear } = difference;
  if (options.output === "json") printJson({ changes, unclear });
  else printText(changesText(difference));
  process.exitCode = changes.length > 0 ? exit.no : unclear.length > 0 ? exit.unknown : exit.yes;
}

/** Both sides have the ranges that either names: a row that exists on one side only would look like a change. */
function endsOf(facts: ClusterFacts, other: ClusterFacts): End[] {
  const policies = new Map(
    [...other.policies, ...facts.policies].map(([key, policy], index) => [`${index} ${key}`, policy]),
  );
  return [...clusterEnds(facts), ...worldEnds({ ...facts, policies })];
}

function portsOf(before: ClusterFacts, after: ClusterFacts): Port[] {
  const declared = [before, after].flatMap((facts) => declaredBy(clusterEnds(facts)));
  return uniquePorts([...declared, ...policyPorts(before), ...policyPorts(after)]);
}
