// trunkline import: settings of a Calico installation as objects of Trunkline's.
import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { type ConfigMap, configMapKind, type Node, nodeKind } from "../../../api/kinds/core.ts";
import { type Host, hostKind } from "../../../api/kinds/host.ts";
import { type IPPool, ipPoolKind } from "../../../api/kinds/ip-pool.ts";
import type { BGPConfiguration } from "../../../api/kinds/routing/bgp.ts";
import type { ServiceCIDR } from "../../../api/kinds/service-cidr.ts";
import { readManifests } from "../../../api/manifest/files.ts";
import type { ManifestObject } from "../../../api/manifest/parse.ts";
import { type Surroundings, serviceRangesOf } from "../../../api/pools.ts";
import { isError, TrunklineError } from "../../../base/errors.ts";
import { importSettings } from "../../../explain/import/import.ts";
import { findSettings } from "../../../explain/import/read.ts";
import { settingRows } from "../../../explain/import/text.ts";
import type { Imported } from "../../../explain/import/types.ts";
import { isUnreadable } from "../../../explain/lint/manifests.ts";
import { listServiceCidrs } from "../../../store/service-cidrs.ts";
import { type StoreOptions, storeOptions, withStore } from "../../context.ts";
import { wantFiles } from "../../options.ts";
import { exit, print, printJson, say, sayProblems, table } from "../../output.ts";

interface Options extends StoreOptions {
  readonly filename: readonly string[];
  readonly output: "table" | "yaml" | "json";
}

export function command(): Command {
  const importing = new Command("import")
    .description("translate the settings of Calico's manifests, and say what became of each")
    .addOption(
      new Option("-o, --output <form>", "form of the output")
        .choices(["table", "yaml", "json"])
        .default("table"),
    )
    .addHelpText(
      "after",
      "\nExit codes: 0 all translated or unneeded, 1 something has no equivalent or is refused, 2 unreadable.",
    )
    .action((options: Options) => run(options));
  return storeOptions(wantFiles(importing));
}

async function run(options: Options): Promise<void> {
  const { objects, errors, notes } = await readManifests(options.filename, {
    unknownKinds: "warning",
    badValues: "keep",
  });
  sayProblems(notes, "note");
  const found = findSettings(objects, await textsOf(objects));
  // A workload's field that an API server would refuse is no concern here; a text that cannot be read is.
  const grave = [...errors.filter((one) => isUnreadable(one) || one.code === "schema.type"), ...found.errors];
  if (grave.length > 0) {
    sayProblems(grave, "error");
    process.exitCode = exit.usage;
    return;
  }
  if (!found.node && found.keys.length === 0) throw new TrunklineError("cli.import-nothing", {});
  const imported = importSettings(found, join(written(objects), await running(options)));
  await show(imported, options.output);
  const open = imported.settings.some(({ verdict }) => verdict === "no-equivalent" || verdict === "refused");
  process.exitCode = open ? exit.no : exit.yes;
}

async function show(imported: Imported, form: Options["output"]): Promise<void> {
  if (form === "json") return printJson(imported);
  for (const { message, file, line, column } of imported.findings)
    say(`warning: ${file === null ? "" : `${file}:${line}:${column}: `}${message}`);
  if (form === "table") return print(table(settingRows(imported)));
  const { stringify } = await import("../../objects/yaml.ts");
  process.stdout.write(imported.objects.map((object) => stringify(object)).join("---\n"));
}

/** The texts of the files, for places within texts within them. Standard input is gone by now. */
async function textsOf(objects: readonly ManifestObject[]): Promise<(file: string) => string | undefined> {
  const files = new Set(objects.flatMap(({ draft, file }) => (draft.kind === "ConfigMap" ? [file] : [])));
  const texts = new Map<string, string>();
  for (const file of files) if (file !== "<stdin>") texts.set(file, await readFile(file, "utf8"));
  return (file) => texts.get(file);
}

function written(objects: readonly ManifestObject[]): Surroundings {
  const all = objects.map(({ object }) => object);
  const of = <T>(kind: string) => all.filter((object) => object.kind === kind) as unknown as T[];
  const announced = of<BGPConfiguration>("BGPConfiguration").flatMap(
    ({ spec }) => spec.serviceClusterIPs ?? [],
  );
  return {
    nodes: of<Node>("Node"),
    hosts: of<Host>("Host"),
    pools: of<IPPool>("IPPool"),
    serviceRanges: [
      ...serviceRangesOf(of<ConfigMap>("ConfigMap"), of<ServiceCIDR>("ServiceCIDR")),
      ...announced.map(({ cidr }) => cidr),
    ],
  };
}

/** What the named cluster, or the lab that runs, has already. Without a lab there is nothing to compare with. */
async function running(options: Options): Promise<Surroundings | undefined> {
  try {
    return await withStore(options, async (store) => {
      const [nodes, hosts, pools, maps, services] = await Promise.all([
        store.list(nodeKind),
        store.list(hostKind),
        store.list(ipPoolKind),
        store.list(configMapKind, "kube-system"),
        listServiceCidrs(store),
      ]);
      return {
        nodes: nodes.items,
        hosts: hosts.items,
        pools: pools.items,
        serviceRanges: serviceRangesOf(maps.items, services),
      };
    });
  } catch (error) {
    const named = options.lab ?? options.store ?? options.kubeconfig;
    const several = isError(error, "lab.several");
    if (named !== undefined || (!several && !isError(error, "lab.none"))) throw error;
    if (several) say("note: several labs run; ranges are compared with none of them (name one with --lab)");
    return undefined;
  }
}

function join(a: Surroundings, b: Surroundings | undefined): Surroundings {
  if (!b) return a;
  return {
    nodes: [...a.nodes, ...b.nodes],
    hosts: [...a.hosts, ...b.hosts],
    pools: [...a.pools, ...b.pools],
    serviceRanges: [...a.serviceRanges, ...b.serviceRanges],
  };
}
