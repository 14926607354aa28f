// trunkline snat: what is translated and why, what others translate on the node, and taking over from them.
import { Command } from "commander";
import { storeOptions } from "../../context.ts";
import { answerOption } from "../../options.ts";
import type { CleanOptions, PlanOptions, ShowOptions } from "../../snat/options.ts";

export function command(): Command {
  const show = nodeOptions(new Command("show"))
    .description(
      "print the configuration in force, what is wrong with it, the node's rules and others' rules",
    )
    .addOption(answerOption())
    .action(async (options: ShowOptions) => (await import("../../snat/show.ts")).show(options));
  const plan = nodeOptions(new Command("plan"))
    .description("name the owner of every NAT rule on a node, and print what a takeover would change")
    .addOption(answerOption())
    .action(async (options: PlanOptions) => (await import("../../snat/plan.ts")).plan(options));
  const clean = nodeOptions(new Command("clean"))
    .description("delete the rules that flannel left on a node, or put them back")
    .option("--yes", "do not ask")
    .option("--undo", "put back what the last clean deleted")
    .option(
      "--backup <file>",
      "the backup's file; default: a new one, or with --undo the newest, in the node's state folder",
    )
    .addOption(answerOption())
    .action(async (options: CleanOptions) => (await import("../../snat/clean.ts")).clean(options));
  const all = new Command("snat").description("source translation");
  for (const one of [show, plan, clean]) all.addCommand(storeOptions(one));
  return all;
}

function nodeOptions(command: Command): Command {
  return command
    .option("--node <name>", "the node; default: the only one, for show the first")
    .option("--netns <name>", "network namespace of the node; default: as the lab has it, or this one")
    .option(
      "--state <folder>",
      "the agent's state folder; default: as the lab has it, or /var/lib/trunkline",
    );
}
