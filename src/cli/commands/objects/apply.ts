// trunkline apply: manifests into the store, all or none.
import { Command } from "commander";
import { readManifests } from "../../../api/manifest/files.ts";
import { TrunklineError } from "../../../base/errors.ts";
import type { Problem } from "../../../base/problem.ts";
import { findLab } from "../../../lab/life/state.ts";
import { type Applied, applyManifests } from "../../../store/apply.ts";
import type { Store } from "../../../store/store.ts";
import { type ClusterOptions, clusterOptions, withStore } from "../../context.ts";
import { resourceName } from "../../objects/names.ts";
import { type DryRun, dryRunNote, dryRunOption, outputOption, wantFiles } from "../../options.ts";
import { print, printJson, say, sayProblems } from "../../output.ts";

interface Options extends ClusterOptions {
  readonly filename: readonly string[];
  readonly dryRun: DryRun;
  readonly output?: "json" | "name";
}

export function command(): Command {
  const apply = wantFiles(new Command("apply"))
    .description("create and change objects as manifests say; if one of them is wrong, none is written")
    .option("-R, --recursive", "folders below folders too, as always")
    .addOption(dryRunOption())
    .addOption(outputOption(["name", "json"]))
    .action((options: Options) => run(options));
  return clusterOptions(apply, "one");
}

async function run(options: Options): Promise<void> {
  const read = await readManifests(options.filename);
  sayProblems(read.notes, "note");
  sayProblems(read.warnings, "warning");
  refuse(read.errors);
  if (read.objects.length === 0)
    refuse([{ code: "apply.empty", message: "there are no objects in what was given" }]);
  const { namespace } = options;
  const minReleaseAfterMs = minReleaseAfter(options);
  const apply = (store: Store) =>
    applyManifests(store, read.objects, {
      ...(minReleaseAfterMs !== undefined && { minReleaseAfterMs }),
      dryRun: options.dryRun !== "none",
      ...(namespace === undefined ? {} : { namespace, onlyNamespace: true }),
    });
  const result = await withStore(options, apply, "make");
  sayProblems(result.warnings, "warning");
  refuse(result.errors);
  show(result.applied, options);
}

/** A lab's file may say another least releaseAfter. */
function minReleaseAfter({ store, kubeconfig, lab }: Options): number | undefined {
  return store === undefined && kubeconfig === undefined ? findLab(lab).record.minReleaseAfter : undefined;
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0)
    throw new TrunklineError("api.problems", { problems, consequence: "Nothing was applied." });
}

function show(applied: readonly Applied[], options: Options): void {
  if (options.output === "json") {
    printJson({
      objects: applied.map(({ object, action }) => ({
        apiVersion: object.apiVersion,
        kind: object.kind,
        namespace: object.metadata.namespace ?? null,
        name: object.metadata.name,
        action,
      })),
    });
    return;
  }
  for (const { kind, object, action } of applied) {
    const name = resourceName(kind, object.metadata.name);
    print(options.output === "name" ? name : `${name} ${action}${dryRunNote(options.dryRun)}`);
  }
  const idle = new Set(applied.filter(({ kind }) => kind.inert).map(({ kind }) => kind.kind));
  if (idle.size > 0) say(`note: ${[...idle].join(", ")}: kept, but nothing acts on objects of this kind`);
}
