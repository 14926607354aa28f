// The executable. Only the module of the command that was asked for is loaded, so that a command that only prints is
// quick.
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { TrunklineError } from "../base/errors.ts";
import { nearest } from "../base/suggest.ts";
import { bearLeaving, exit, exitCodeOf, report, say } from "./output.ts";
import { version } from "./version.ts";
import { commandFirst, withUsualValues } from "./words.ts";

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Loads the command's module. */
  readonly load: () => Promise<{ command(): Command }>;
}

const commands: readonly CommandEntry[] = [
  {
    name: "apply",
    summary: "create and change objects as manifests say",
    load: () => import("./commands/objects/apply.ts"),
  },
  {
    name: "delete",
    summary: "delete objects, and what they own",
    load: () => import("./commands/objects/delete.ts"),
  },
  {
    name: "describe",
    summary: "tell all about objects, with their events",
    load: () => import("./commands/objects/describe.ts"),
  },
  {
    name: "lab",
    summary: "run a cluster on this machine: up, down, list, exec, show, process, node",
    load: () => import("./commands/running/lab.ts"),
  },
  {
    name: "probe",
    summary: "send real packets and say what the far side saw",
    load: () => import("./commands/answers/probe.ts"),
  },
  {
    name: "get",
    summary: "print objects: get KIND [NAME]",
    load: () => import("./commands/objects/get.ts"),
  },
  {
    name: "manifests",
    summary: "print the definitions of Trunkline's kinds for a Kubernetes cluster",
    load: () => import("./commands/running/manifests.ts"),
  },
  {
    name: "scale",
    summary: "set how many pods a workload has",
    load: () => import("./commands/objects/scale.ts"),
  },
  {
    name: "wait",
    summary: "wait until objects are ready or gone",
    load: () => import("./commands/objects/wait.ts"),
  },
  {
    name: "agent",
    summary: "run the node's daemon",
    load: () => import("./commands/running/agent.ts"),
  },
  {
    name: "ask-agent",
    summary: "print what this node's agent answers at its socket",
    load: () => import("./commands/running/ask-agent.ts"),
  },
  {
    name: "controller",
    summary: "run the cluster's daemon",
    load: () => import("./commands/running/controller.ts"),
  },
  {
    name: "install-cni",
    summary: "give the CNI plugin and its configuration to a container runtime",
    load: () => import("./commands/running/install-cni.ts"),
  },
  {
    name: "denied",
    summary: "show the packets that our rules refused, by what, and what would let them in",
    load: () => import("./commands/answers/denied.ts"),
  },
  {
    name: "doctor",
    summary: "look at the machine, the agents and the objects, and say what is wrong",
    load: () => import("./commands/answers/doctor.ts"),
  },
  {
    name: "explain",
    summary: "say from the plans whether a flow passes, which way, and why",
    load: () => import("./commands/answers/explain.ts"),
  },
  {
    name: "sinks",
    summary: "run the daemon of a machine whose programs read AddressLists",
    load: () => import("./commands/running/sinks.ts"),
  },
  {
    name: "allowlist",
    summary: "print the ranges that a database must admit for a workload",
    load: () => import("./commands/answers/allowlist.ts"),
  },
  {
    name: "import",
    summary: "translate Calico's settings, and say what became of each",
    load: () => import("./commands/answers/import.ts"),
  },
  {
    name: "ipam",
    summary: "addresses: show who holds what, check it, release what leaked",
    load: () => import("./commands/answers/ipam.ts"),
  },
  {
    name: "lint",
    summary: "find mistakes in manifests or in a lab",
    load: () => import("./commands/answers/lint.ts"),
  },
  {
    name: "policy",
    summary: "who may reach whom: matrix, show, diff",
    load: () => import("./commands/answers/policy/policy.ts"),
  },
  {
    name: "route",
    summary: "print who announces each prefix",
    load: () => import("./commands/answers/route/route.ts"),
  },
  {
    name: "snat",
    summary: "source translation: snat show, plan, clean",
    load: () => import("./commands/answers/snat.ts"),
  },
  {
    name: "ui",
    summary: "a page in the browser: map, ask, matrix, addresses, lists, refused packets",
    load: () => import("./commands/running/ui.ts"),
  },
];

async function main(words: readonly string[]): Promise<void> {
  const program = new Command("trunkline")
    .description("A pod network for Kubernetes that can say which address the other side will see.")
    .version(version, "-V, --version")
    .usage("COMMAND [ARGUMENTS] [--lab NAME]");
  const name = words[0];
  const chosen = commands.find((entry) => entry.name === name);
  if (name !== undefined && !chosen && !name.startsWith("-") && name !== "help") {
    const suggestion = nearest(
      name,
      commands.map((entry) => entry.name),
    );
    throw new TrunklineError("cli.command", { name, suggestion });
  }
  for (const entry of commands) {
    if (entry === chosen) program.addCommand((await entry.load()).command());
    else program.command(entry.name).description(entry.summary);
  }
  adopt(program);
  if (words.length === 0) program.help({ error: true });
  // `help COMMAND` needs that command's own options.
  const asked = commands.find((entry) => name === "help" && entry.name === words[1]);
  if (asked) return main([asked.name, "--help"]);
  await program.parseAsync(words, { from: "user" });
}

/** Wrong use of any command, at any depth, ends as exit code 2 and not where commander would exit. */
function adopt(command: Command): void {
  command.exitOverride().showSuggestionAfterError().allowExcessArguments(false);
  if (command.commands.length > 0 && command.parent) command.showHelpAfterError(false);
  for (const inner of command.commands) adopt(inner);
}

bearLeaving(process.stdout);
bearLeaving(process.stderr);

try {
  await main(withUsualValues(commandFirst(process.argv.slice(2))));
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed it already, but what a command threw itself.
    if (error instanceof InvalidArgumentError) say(`trunkline: ${error.message}`);
    process.exitCode = error.exitCode === 0 ? exit.yes : exit.usage;
  } else {
    report(error);
    process.exitCode = exitCodeOf(error);
  }
}
