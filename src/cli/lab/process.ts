// trunkline lab process: what a lab is made of, and killing it to see what happens then.
import { Command } from "commander";
import type { ProcessAct, ProcessRow } from "../../lab/life/processes.ts";
import { findLab } from "../../lab/life/state.ts";
import { outputOption } from "../options.ts";
import { print, printJson, say, table } from "../output.ts";

interface Options {
  readonly lab?: string;
  readonly output?: "json";
}

const ACTS = {
  kill: ["end a process at once (SIGKILL); who supervises it starts it again", "was killed"],
  stop: ["end a process in order; it stays away until it is started", "is stopped"],
  start: ["start a process that was stopped", "runs"],
} as const;

export function processCommand(): Command {
  const process = new Command("process").description(
    "the lab's processes: controller, agent/NODE, bird/NODE, router/NAME",
  );
  process
    .command("list")
    .description("print the processes; a part of the lab's own process has no number")
    .option("--lab <name>", "the lab; default: the one that runs")
    .addOption(outputOption(["json"]))
    .action(list);
  for (const [act, [description]] of Object.entries(ACTS)) {
    process
      .command(`${act} <name>`)
      .description(description)
      .option("--lab <name>", "the lab; default: the one that runs")
      .action((name: string, options: Options) => doTo(name, act as ProcessAct, options));
  }
  return process;
}

async function list({ lab, output }: Options): Promise<void> {
  const { askLab } = await import("../../lab/control/client.ts");
  const answer = await askLab<{ processes: ProcessRow[] }>(findLab(lab), "processes");
  if (output === "json") return printJson(answer);
  const rows = answer.processes.map(({ name, running, pid }) => [
    name,
    running ? "running" : "away",
    pid === null ? "" : String(pid),
  ]);
  print(table([["NAME", "STATE", "PID"], ...rows]));
}

async function doTo(name: string, act: ProcessAct, { lab }: Options): Promise<void> {
  const { askLab } = await import("../../lab/control/client.ts");
  await askLab(findLab(lab), "process", { name, act });
  say(`${name} ${ACTS[act][1]}`);
}
