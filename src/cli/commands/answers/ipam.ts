// trunkline ipam show, check, fixed, release: who has which address, whether that is in order, and freeing what leaked.
import { Command, Option } from "commander";
import type { Usage } from "../../../plan/addressing/usage.ts";
import {
  type ClusterOptions,
  clusterOptions,
  defaultNamespace,
  type StoreOptions,
  storeOptions,
  withStore,
} from "../../context.ts";
import { exit, print, printJson, say, table } from "../../output.ts";

interface Options extends StoreOptions {
  readonly output: "table" | "json";
  readonly state?: string;
}

interface ShowOptions extends Options {
  readonly blocks?: boolean;
  readonly addresses?: boolean;
  readonly node?: string;
}

interface FixedOptions extends ClusterOptions {
  readonly output: "table" | "json";
}

interface ReleaseOptions extends Options {
  readonly fromReport?: string;
  readonly yes?: boolean;
}

export function command(): Command {
  const ipam = new Command("ipam").description("addresses of pods: pools, blocks, and who holds what");
  ipam.addCommand(
    common("show")
      .description("print how full pools are; with --blocks and --addresses who has what")
      .option("--blocks", "each block, its node and its figures")
      .option("--addresses", "each address in use and who holds it")
      .option("--node <name>", "only that node's blocks and addresses")
      .action((options: ShowOptions) => show(options)),
  );
  ipam.addCommand(
    common("check")
      .description(
        "look for duplicates, leaks, and addresses and blocks that belong nowhere; exit code 1 if any",
      )
      .action((options: Options) => check(options)),
  );
  ipam.addCommand(
    clusterOptions(
      new Command("fixed")
        .description(
          "print the addresses that are held for pods' names: who holds which, since when, until when",
        )
        .addOption(outputForm())
        .action((options: FixedOptions) => fixed(options)),
      "all",
    ),
  );
  ipam.addCommand(
    common("release")
      .argument("[addresses...]", "addresses that are held for nothing, or for a name without a pod")
      .description("free addresses that no living pod uses")
      .option(
        "--from-report <file>",
        "the leaks of a report made by `ipam check -o json`; - reads it from stdin",
      )
      .option("--yes", "do not ask")
      .action((addresses: string[], options: ReleaseOptions) => release(addresses, options)),
  );
  return ipam;
}

function common(name: string): Command {
  return storeOptions(new Command(name))
    .option("--state <folder>", "the agent's state folder of this machine's node, where no lab is meant")
    .addOption(outputForm());
}

function outputForm(): Option {
  return new Option("-o, --output <form>", "form of the output").choices(["table", "json"]).default("table");
}

async function fixed(options: FixedOptions): Promise<void> {
  const { collectFacts } = await import("../../../plan/collect.ts");
  const { heldAddresses, untilText } = await import("../../../plan/subnets/pod-eni/ledger.ts");
  const facts = await withStore(options, collectFacts);
  const namespace = options.namespace ?? defaultNamespace;
  const held = heldAddresses(facts).filter((one) => options.allNamespaces || one.namespace === namespace);
  if (options.output === "json") {
    printJson({ held });
    return;
  }
  if (held.length === 0) {
    say("no address is held for a name");
    return;
  }
  const rows = held.map((one) => [
    one.namespace,
    one.pod,
    one.addresses.join(","),
    one.network ?? "-",
    one.vSwitchID ?? "-",
    one.zone ?? "-",
    one.strategy === "TTL" ? `TTL ${one.releaseAfter ?? ""}` : one.strategy,
    one.podRunning ? "yes" : "no",
    one.since,
    untilText(one),
  ]);
  const head = [
    "NAMESPACE",
    "POD",
    "ADDRESS",
    "NETWORK",
    "VSWITCH",
    "ZONE",
    "STRATEGY",
    "RUNNING",
    "SINCE",
    "UNTIL",
  ];
  print(table([head, ...rows]));
}

async function show(options: ShowOptions): Promise<void> {
  const { readAddresses } = await import("../../ipam/data.ts");
  const { systemClock } = await import("../../../ipam/clock.ts");
  const { usageOf } = await import("../../../plan/addressing/usage.ts");
  const { facts, ledgers } = await readAddresses(options);
  const usage = usageOf(facts, ledgers, systemClock);
  const mine = (one: { readonly node: string }) => options.node === undefined || one.node === options.node;
  const blocks = usage.blocks.filter(mine);
  const addresses = usage.addresses.filter(mine);
  if (options.output === "json") {
    printJson({ pools: usage.pools, blocks, addresses });
    return;
  }
  if (usage.pools.length === 0) say("There is no IPPool yet");
  else print(poolTable(usage.pools));
  if (options.blocks || options.node !== undefined) print(`\n${blockTable(blocks)}`);
  if (options.addresses || options.node !== undefined) print(`\n${addressTable(addresses)}`);
}

function poolTable(pools: Usage["pools"]): string {
  const rows = pools.map((one) => [
    one.pool,
    one.cidr,
    one.size,
    String(one.used),
    String(one.cooling),
    one.free,
    String(one.blocks),
    one.unclaimed,
  ]);
  return table([["POOL", "RANGE", "SIZE", "USED", "RESTING", "FREE", "BLOCKS", "UNCLAIMED"], ...rows]);
}

function blockTable(blocks: Usage["blocks"]): string {
  const rows = blocks.map((one) => [
    one.block,
    one.pool,
    one.node,
    one.state,
    String(one.used),
    String(one.lent),
    String(one.cooling),
    String(one.free),
  ]);
  return table([["BLOCK", "POOL", "NODE", "STATE", "USED", "LENT", "RESTING", "FREE"], ...rows]);
}

function addressTable(addresses: Usage["addresses"]): string {
  const rows = addresses.map((one) => [
    one.address,
    one.use === "tunnel" ? `tunnel (${one.ifName})` : one.pod || "<unknown>",
    one.node,
    one.borrowed ? `${one.block} (borrowed)` : one.block,
    one.since,
    one.containerId.slice(0, 13),
  ]);
  return table([["ADDRESS", "POD", "NODE", "BLOCK", "SINCE", "CONTAINER"], ...rows]);
}

async function check(options: Options): Promise<void> {
  const { lastingFindings } = await import("../../ipam/data.ts");
  const { isNote } = await import("../../../plan/addressing/check.ts");
  const { findings, checked } = await lastingFindings(options);
  const wrong = findings.filter((finding) => !isNote(finding));
  if (options.output === "json") printJson({ ok: wrong.length === 0, ...checked, findings });
  else {
    for (const finding of findings) print(`${finding.kind}: ${finding.message}`);
    const what = `${checked.pods} pods, ${checked.addresses} addresses held on ${checked.nodes} nodes, ${checked.blocks} blocks`;
    print(wrong.length === 0 ? `Clean: ${what}` : `${wrong.length} findings; looked at ${what}`);
  }
  if (wrong.length > 0) process.exitCode = exit.no;
}

async function release(addresses: readonly string[], options: ReleaseOptions): Promise<void> {
  const { releaseAddresses } = await import("../../ipam/release.ts");
  const results = await releaseAddresses(addresses, options);
  if (options.output === "json") printJson({ released: results });
  else for (const { address, result } of results) print(`${address}: ${result}`);
  if (results.some((one) => !one.ok)) process.exitCode = exit.no;
}
