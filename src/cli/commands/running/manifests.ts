// trunkline manifests: what a Kubernetes cluster is given so that it has Trunkline.
import { Command, Option } from "commander";
import { definitions, objects } from "../../deploy/objects.ts";
import { readSettings, settings } from "../../deploy/settings.ts";
import { outputOption } from "../../options.ts";
import { print, printJson, table } from "../../output.ts";

interface Options {
  readonly output?: string;
  readonly set?: readonly string[];
  readonly definitionsOnly?: boolean;
  readonly settings?: boolean;
}

export function command(): Command {
  return new Command("manifests")
    .description("print what a cluster needs to have Trunkline, for kubectl apply --server-side -f -")
    .option("--set <name=value...>", "a setting; --settings lists them")
    .addOption(new Option("--definitions-only", "the CustomResourceDefinitions alone").conflicts("set"))
    .option("--settings", "list the settings, their defaults and what they are for")
    .addOption(outputOption(["yaml", "json"]))
    .action(run);
}

async function run(options: Options): Promise<void> {
  if (options.settings) return list(options);
  const items = options.definitionsOnly
    ? definitions().map(({ object }) => object)
    : objects(readSettings(options.set ?? []));
  if (options.output === "json") return printJson({ apiVersion: "v1", kind: "List", metadata: {}, items });
  const { stringify } = await import("../../objects/yaml.ts");
  process.stdout.write(items.map((object) => stringify(object)).join("---\n"));
}

function list({ output }: Options): void {
  const all = Object.entries(settings).map(([name, { usual, about }]) => ({
    name,
    default: usual as unknown,
    about,
  }));
  if (output === "json") {
    printJson({ settings: all });
    return;
  }
  const rows = all.map(({ name, default: usual, about }) => [
    name,
    typeof usual === "object" ? JSON.stringify(usual) : String(usual),
    about,
  ]);
  print(table([["NAME", "DEFAULT", "WHAT FOR"], ...rows]));
}
