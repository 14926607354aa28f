// trunkline manifests: what a Kubernetes cluster has to know of Trunkline's kinds.
import { Command } from "commander";
import { crdOf, customKinds } from "../../api/crd.ts";
import { outputOption } from "../options.ts";
import { printJson } from "../output.ts";

export function command(): Command {
  return new Command("manifests")
    .description("print the CustomResourceDefinitions of Trunkline's kinds, for kubectl apply -f -")
    .addOption(outputOption(["yaml", "json"]))
    .action(run);
}

async function run(options: { readonly output?: string }): Promise<void> {
  const definitions = customKinds.map(crdOf);
  if (options.output === "json")
    return printJson({ apiVersion: "v1", kind: "List", metadata: {}, items: definitions });
  const { stringify } = await import("../objects/yaml.ts");
  const texts = definitions.map((definition) => stringify(definition));
  process.stdout.write(texts.join("---\n"));
}
