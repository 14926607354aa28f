// trunkline lab: a cluster on this machine.
import { Command, Option } from "commander";
import { TrunklineError } from "../../../base/errors.ts";
import { formatProblem } from "../../../base/problem.ts";
import {
  findLab,
  isKept,
  type LabEntry,
  type LabRecord,
  labPaths,
  listKept,
  listLabs,
} from "../../../lab/life/state.ts";
import { keepPrivate } from "../../daemon.ts";
import { clockCommand } from "../../lab/clock.ts";
import { nodeCommand } from "../../lab/node.ts";
import { processCommand } from "../../lab/process.ts";
import { providerCommand } from "../../lab/provider.ts";
import { ago, exit, patiently, print, printJson, say, table } from "../../output.ts";

interface UpOptions {
  readonly detach?: boolean;
  readonly name?: string;
  readonly separate?: boolean;
  readonly output?: "json";
  readonly background?: boolean;
}

interface DownOptions {
  readonly all?: boolean;
  readonly lab?: string;
  readonly keep?: boolean;
}

export function command(): Command {
  const lab = new Command("lab").description("run a whole cluster on this machine's kernel");
  lab
    .command("up <file>")
    .description("start a lab from a file, a folder or an example, and stay until it is ended")
    .option("-d, --detach", "in the background; returns when the lab is ready")
    .option("--name <name>", "another name than the file's, so that one file can run twice")
    .option("--separate", "each agent and the controller as a process of its own, as in production")
    .addOption(outputOption())
    .addOption(new Option("--background").hideHelp())
    .action((file: string, options: UpOptions) => up(file, options));
  lab
    .command("down [name]")
    .description("end a lab and remove everything of it, also if its process was killed")
    .option("--all", "every lab")
    .option(
      "--keep",
      "keep objects, journals, the cloud's state and the clock: `lab up` of that name goes on from there",
    )
    .option("--lab <name>", "the same as NAME")
    .action((name: string | undefined, options: DownOptions) => down(name ?? options.lab, options));
  lab.command("list").description("print the labs").addOption(outputOption()).action(list);
  lab
    .command("exec <who> <command...>")
    .description("run a command in the network namespace of a node, host, router or pod")
    .usage("[options] NODE|HOST|POD|KIND/NAME -- COMMAND")
    .option("-n, --namespace <name>", "namespace of the pod")
    .option("--lab <name>", "the lab; default: the one that runs")
    .action((who: string, words: string[], options: { namespace?: string; lab?: string }) =>
      exec(who, words, options),
    );
  lab.addCommand(clockCommand());
  lab.addCommand(providerCommand());
  lab
    .command("show [name]")
    .description("draw the lab: networks, nodes, routers, hosts, pods, links and addresses")
    .option("--lab <name>", "the same as NAME")
    .addOption(outputOption())
    .action(show);
  lab.addCommand(processCommand()).addCommand(nodeCommand());
  return lab;
}

function outputOption(): Option {
  return new Option("-o, --output <form>", "form of the output").choices(["json"]);
}

async function up(word: string, options: UpOptions): Promise<void> {
  keepPrivate();
  const { installationRoot } = await import("../../../lab/life/installation.ts");
  const { resolveLabFile, loadLabFile } = await import("../../../lab/file/load.ts");
  const source = resolveLabFile(word, installationRoot());
  const loaded = loadLabFile(source);
  if ("problems" in loaded) {
    for (const problem of loaded.problems) say(`error: ${formatProblem(problem)}`);
    say(`trunkline: ${word} is not a lab that can be started`);
    process.exitCode = exit.usage;
    return;
  }
  const file = options.name === undefined ? loaded.lab : { ...loaded.lab, name: checkName(options.name) };
  const { checkConfigurations } = await import("../../../lab/routers/configuration.ts");
  await checkConfigurations(file, source);
  const { enterOwnNamespaces, needsOwnNamespaces, startInBackground } = await import(
    "../../../lab/life/launch.ts"
  );
  const again = ["lab", "up", source, "--name", file.name, ...(options.separate ? ["--separate"] : [])];
  if (options.detach) {
    await clearDead(file.name);
    const record = await patiently(
      `starting lab ${file.name}`,
      startInBackground(file.name, [...again, "--background"]),
    );
    return introduce(record, options);
  }
  if (needsOwnNamespaces()) {
    const output = options.output ? ["--output", options.output] : [];
    process.exitCode = await enterOwnNamespaces([...again, ...output]);
    return;
  }
  const { hostHere } = await import("../../lab/host.ts");
  const introduceHere = options.background ? () => {} : (record: LabRecord) => introduce(record, options);
  await hostHere({ file, source, separate: options.separate ?? false, onReady: introduceHere });
}

function checkName(name: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(name)) {
    throw new TrunklineError("cli.usage", {
      why: `'${name}' is not a lab's name: small letters, digits and '-'`,
    });
  }
  return name;
}

async function clearDead(name: string): Promise<void> {
  const before = listLabs().find(({ record }) => record.name === name);
  if (!before) return;
  if (before.running) throw new TrunklineError("lab.running", { name });
  const { endLab } = await import("../../../lab/life/down.ts");
  await endLab(before, isKept(name));
}

function introduce(record: LabRecord, options: UpOptions): void {
  for (const what of record.missing ?? []) say(`warning: ${what}`);
  if (record.missing)
    say("warning: the lab is up without these; `trunkline route sessions` says how they stand");
  if (options.output === "json") {
    printJson(record);
    return;
  }
  const rows = record.members.map(({ role, name, addresses }) => [name, role, addresses.join(" ")]);
  print(`lab ${record.name} is up${record.rootless ? " (without root)" : ""}`);
  print("");
  print(table([["NAME", "ROLE", "ADDRESSES"], ...rows]));
  print("");
  const node = record.members.find(({ role }) => role === "node")?.name ?? "NODE";
  print("go on with:");
  for (const line of [
    "trunkline apply -f MANIFEST.yaml",
    "trunkline wait --for ready --all",
    "trunkline get pods -A -o wide",
    "trunkline probe pod/A pod/B:80        trunkline explain pod/A pod/B:80",
    `trunkline lab exec ${node} -- ip route`,
    `trunkline ui --lab ${record.name}                         (a page in the browser)`,
    `trunkline lab show                    trunkline lab down ${record.name}`,
  ])
    print(`  ${line}`);
  print(options.detach ? `log: ${labPaths(record.name).log}` : "Ctrl-C ends the lab.");
}

async function down(name: string | undefined, { all, keep = false }: DownOptions): Promise<void> {
  const { endLab, forgetKept } = await import("../../../lab/life/down.ts");
  const kept = listKept().filter((record) => all || record.name === name);
  for (const record of keep ? [] : kept) {
    forgetKept(record.name);
    say(`lab ${record.name}, which was kept, is gone`);
  }
  if (kept.length > 0 && !all) return;
  const labs = all ? listLabs() : [labToEnd(name)];
  for (const lab of labs) {
    await patiently(`ending lab ${lab.record.name}`, endLab(lab, keep));
    const again = `trunkline lab up ${lab.record.file} -d`;
    say(`lab ${lab.record.name} ${keep ? `has ended and is kept: ${again} goes on` : "is gone"}`);
  }
}

/** A lab whose process has died can be ended too, so this is not findLab. */
function labToEnd(name: string | undefined): LabEntry {
  const labs = listLabs();
  if (name === undefined && labs.length === 1 && labs[0]) return labs[0];
  return labs.find(({ record }) => record.name === name) ?? findLab(name);
}

function list({ output }: { output?: "json" }): void {
  const labs = [
    ...listLabs(),
    ...listKept().map((record) => ({ record, running: false, kept: true, paths: labPaths(record.name) })),
  ];
  if (output === "json") {
    printJson({
      labs: labs.map((lab) => ({
        ...lab.record,
        running: lab.running,
        kept: "kept" in lab,
        folder: lab.paths.folder,
      })),
    });
    return;
  }
  if (labs.length === 0) {
    say("there are no labs");
    return;
  }
  const rows = labs.map((lab) => {
    const { record, running } = lab;
    const count = (role: string): string =>
      String(record.members.filter((member) => member.role === role).length);
    const state = running ? (record.ready ? "running" : "starting") : "kept" in lab ? "kept" : "dead";
    return [
      record.name,
      state,
      count("node"),
      count("router"),
      count("host"),
      ago(record.startedAt),
      record.file,
    ];
  });
  print(table([["NAME", "STATE", "NODES", "ROUTERS", "HOSTS", "AGE", "FILE"], ...rows]));
}

async function exec(
  who: string,
  words: readonly string[],
  options: { namespace?: string; lab?: string },
): Promise<void> {
  const { execInLab } = await import("../../../lab/life/enter.ts");
  process.exitCode = await execInLab(findLab(options.lab), who, options.namespace, words);
}

async function show(name: string | undefined, options: { lab?: string; output?: "json" }): Promise<void> {
  const { askLab } = await import("../../../lab/control/client.ts");
  const picture = await askLab<Parameters<typeof import("../../../lab/show/draw.ts").drawLab>[0]>(
    findLab(name ?? options.lab),
    "show",
  );
  if (options.output === "json") return printJson(picture);
  const { drawLab } = await import("../../../lab/show/draw.ts");
  print(drawLab(picture));
}
