// trunkline lab clock: which time it is in the lab, and later.
import { Command, InvalidArgumentError, Option } from "commander";
import { parseGoDuration } from "../../base/go-duration.ts";
import { findLab } from "../../lab/life/state.ts";
import { patiently, print, printJson } from "../output.ts";

interface Options {
  readonly lab?: string;
  readonly output?: "json";
}

interface Told {
  readonly now: string;
  readonly ahead: string;
}

export function clockCommand(): Command {
  const clock = new Command("clock").description("the lab's clock: stamps, waits and ages go by it");
  const sub = (usage: string, description: string) =>
    clock
      .command(usage)
      .description(description)
      .option("--lab <name>", "the lab; default: the one that runs")
      .addOption(new Option("-o, --output <form>", "form of the output").choices(["json"]));
  sub("show", "print the time, and how far it is ahead of the machine's").action((options: Options) =>
    ask(options, {}),
  );
  sub("advance <time>", "move it; returns once all that fell due has had its turn").action(
    (time: string, options: Options) => ask(options, { advanceMs: milliseconds(time) }),
  );
  return clock;
}

async function ask(options: Options, body: { readonly advanceMs?: number }): Promise<void> {
  const { askLab } = await import("../../lab/control/client.ts");
  const asked = askLab<Told>(findLab(options.lab), "clock", body);
  const told = await (body.advanceMs === undefined ? asked : patiently("moving the clock", asked));
  if (options.output === "json") printJson(told);
  else print(`${told.now}, ${told.ahead} ahead`);
}

function milliseconds(text: string): number {
  const ms = parseGoDuration(text);
  if (ms === undefined || ms < 0)
    throw new InvalidArgumentError(
      `'${text}' is no time to come: write one with its unit, such as 59m or 1h`,
    );
  return ms;
}
