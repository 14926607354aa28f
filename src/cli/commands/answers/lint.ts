// trunkline lint: mistakes in manifests, or in what a cluster holds, before they do harm.
import { Command, Option } from "commander";
import { allKinds } from "../../../api/kinds/index.ts";
import { readManifests } from "../../../api/manifest/files.ts";
import type { Finding, Severity } from "../../../explain/lint/finding.ts";
import { findingsJson, findingsSarif, findingsText } from "../../../explain/lint/format.ts";
import { isUnreadable, lintManifests } from "../../../explain/lint/manifests.ts";
import { rules } from "../../../explain/lint/rules/index.ts";
import { hasFindings, lint } from "../../../explain/lint/run.ts";
import { unwritten } from "../../../explain/lint/written.ts";
import { findLab } from "../../../lab/life/state.ts";
import type { Store } from "../../../store/store.ts";
import { type ClusterOptions, clusterOptions, isLab, withStore } from "../../context.ts";
import { answerOption } from "../../options.ts";
import { exit, print, printJson, printText, sayProblems, table } from "../../output.ts";
import { version } from "../../version.ts";

interface Options extends ClusterOptions {
  readonly filename?: readonly string[];
  readonly output: "text" | "json" | "sarif";
  readonly failOn: Severity;
  readonly rules?: boolean;
}

export function command(): Command {
  const lintCommand = new Command("lint")
    .description("find mistakes in manifests, or without -f in what the lab holds")
    .option("-f, --filename <path...>", "files, folders, or - for standard input")
    .addOption(answerOption("sarif"))
    .addOption(
      new Option("--fail-on <severity>", "exit code 1 from this severity on")
        .choices(["error", "warning", "info"])
        .default("warning"),
    )
    .option("--rules", "list the rules")
    .addHelpText("after", "\nExit codes: 0 nothing found, 1 findings, 2 wrong use or unreadable input.")
    .action((options: Options) => run(options));
  return clusterOptions(lintCommand, "one");
}

async function run(options: Options): Promise<void> {
  if (options.rules) {
    print(
      table([
        ["ID", "NAME", "SEVERITY", "WHAT"],
        ...rules.map((rule) => [rule.id, rule.name, rule.severity, rule.summary]),
      ]),
    );
    return;
  }
  const findings = options.filename
    ? await ofFiles(options.filename, options.namespace)
    : await withStore(options, (store) => ofStore(store, options));
  if (!findings) {
    process.exitCode = exit.usage;
    return;
  }
  if (options.output === "json") printJson(findingsJson(findings));
  else if (options.output === "sarif") printJson(findingsSarif(findings, rules, version));
  else printText(findingsText(findings));
  process.exitCode = hasFindings(findings, options.failOn) ? exit.no : exit.yes;
}

async function ofFiles(paths: readonly string[], namespace?: string): Promise<Finding[] | undefined> {
  const manifests = await readManifests(paths, { unknownKinds: "warning", badValues: "keep" });
  sayProblems(manifests.notes, "note");
  const unreadable = manifests.errors.filter(isUnreadable);
  if (unreadable.length > 0) {
    sayProblems(manifests.errors, "error");
    return undefined;
  }
  return lintManifests(manifests, namespace === undefined ? {} : { namespace });
}

async function ofStore(store: Store, options: Options): Promise<Finding[]> {
  const kinds = allKinds.filter((kind) => kind.kind !== "Event");
  const listings = await Promise.all(kinds.map((kind) => store.list(kind)));
  // A lab tells which plugins are chained.
  const hostPorts = isLab(options) ? findLab(options.lab).record.ground.hostPorts === true : undefined;
  return lint(
    listings.flatMap(({ items }) => items.map(unwritten)),
    hostPorts === undefined ? {} : { hostPorts },
  );
}
