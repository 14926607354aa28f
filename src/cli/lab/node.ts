// trunkline lab node: nodes of a running lab come, go and get other addresses.
import { Command, InvalidArgumentError } from "commander";
import { findLab } from "../../lab/life/state.ts";
import { patiently, say } from "../output.ts";

interface AddOptions {
  readonly lab?: string;
  readonly address: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

export function nodeCommand(): Command {
  const node = new Command("node").description("add, remove and renumber nodes of a running lab");
  const labOption = ["--lab <name>", "the lab; default: the one that runs"] as const;
  node
    .command("add <name>")
    .description("add a node; returns when its agent serves")
    .requiredOption("--address <list>", "its addresses, separated by commas: A[,B]", (text: string) =>
      text.split(","),
    )
    .option("--labels <list>", "labels of the Node object: k=v,…", labels)
    .option(...labOption)
    .action((name: string, options: AddOptions) => add(name, options));
  node
    .command("remove <name>")
    .description("remove a node, its object and its pods")
    .option(...labOption)
    .action((name: string, { lab }: { lab?: string }) =>
      ask(lab, "node-remove", { name }, `removing node ${name}`, `node ${name} is gone`),
    );
  node
    .command("renumber <name> <address>")
    .description("give a node another address of the same network; its pods stay")
    .option(...labOption)
    .action((name: string, address: string, { lab }: { lab?: string }) =>
      ask(lab, "node-renumber", { name, address }, `renumbering node ${name}`, `node ${name} has ${address}`),
    );
  return node;
}

function labels(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(",").map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw new InvalidArgumentError("It must be a list such as zone=a,disk=fast.");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

async function add(name: string, { lab, address: addresses, labels: own }: AddOptions): Promise<void> {
  const node = { name, addresses, ...(own && { labels: own }) };
  await ask(lab, "node-add", { node }, `adding node ${name}`, `node ${name} is there`);
}

async function ask(
  lab: string | undefined,
  request: string,
  body: unknown,
  doing: string,
  done: string,
): Promise<void> {
  const { askLab } = await import("../../lab/control/client.ts");
  await patiently(doing, askLab(findLab(lab), request, body));
  say(done);
}
