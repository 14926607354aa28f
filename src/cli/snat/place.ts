// Where a command about one node looks: its objects, its namespace, its agent's state folder.

import { exitsOf } from "../../agent/managers/exits.ts";
import { type NodeForeignRules, readForeignRules } from "../../agent/managers/foreign-rules.ts";
import { LastGood, lastGoodFile } from "../../agent/managers/last-good.ts";
import { daemonSetKind } from "../../api/kinds/workloads.ts";
import { TrunklineError } from "../../base/errors.ts";
import { nearest } from "../../base/suggest.ts";
import { runAttached } from "../../kernel/exec/index.ts";
import { commandLinesOf } from "../../kernel/foreign-nat.ts";
import { type Kernel, linuxMachine, type NetnsRef } from "../../kernel/index.ts";
import { findLab, type LabEntry, labsFolder, nodePaths } from "../../lab/life/state.ts";
import { collectFacts } from "../../plan/collect.ts";
import { type ClusterFacts, type NodeFacts, nodeIps } from "../../plan/facts.ts";
import type { Exit, Running } from "../../plan/snat/foreign/index.ts";
import { planSnat, type SnatPlan } from "../../plan/snat/index.ts";
import { isLab, withStore } from "../context.ts";
import type { NodeOptions } from "./options.ts";

const INSIDE = "TRUNKLINE_SNAT_INSIDE";

export interface NodePlace {
  readonly node: string;
  readonly facts: ClusterFacts;
  readonly plan: SnatPlan;
  readonly kernel: Kernel;
  readonly netns: NetnsRef;
  readonly stateDir: string;
  readonly running: Running;
  readonly foreign: NodeForeignRules;
  /** The node's routes. */
  readonly exits: readonly Exit[];
}

/**
 * Reads all there is to know of one node, and calls `body` with it. Commands in a rootless lab run themselves again in
 * the lab's own user namespace, where its namespaces have names.
 * @throws TrunklineError `cli.snat-node`, and what opening the store and the namespace throws
 */
export async function withNode(
  options: NodeOptions,
  body: (place: NodePlace) => Promise<void>,
  which: "named" | "any" = "named",
): Promise<void> {
  const lab = isLab(options) ? findLab(options.lab) : undefined;
  if (lab?.record.rootless && process.env[INSIDE] === undefined) {
    process.exitCode = await insideLab(lab);
    return;
  }
  const { facts, daemonSets } = await withStore(options, async (store) => ({
    facts: await collectFacts(store),
    daemonSets: (await store.list(daemonSetKind)).items,
  }));
  const node = nodeName(options, facts, which);
  const netns = netnsOf(options, lab, node);
  const stateDir = options.state ?? (lab ? nodePaths(lab.paths, node).folder : "/var/lib/trunkline");
  const kernel = linuxMachine().open(netns);
  try {
    const foreign = await readForeignRules(kernel, netns);
    const { text } = new LastGood(lastGoodFile(stateDir));
    const plan = planSnat(facts, nodeFacts(facts, node), text === undefined ? {} : { lastGood: text });
    const pods = [...facts.pods.values()].filter((pod) => pod.spec.nodeName === node);
    const running = { flanneld: commandLinesOf("flanneld", netnsPath(netns)), daemonSets, pods };
    await body({ node, facts, plan, kernel, netns, stateDir, running, foreign, exits: exitsOf(kernel) });
  } finally {
    kernel.close();
  }
}

function nodeName(options: NodeOptions, facts: ClusterFacts, which: "named" | "any"): string {
  const known = [...facts.nodes.keys()].toSorted();
  if (options.node === undefined) {
    const [first] = known;
    if (first !== undefined && (which === "any" || known.length === 1)) return first;
    throw new TrunklineError("cli.snat-node", { name: undefined, known, suggestion: undefined });
  }
  if (facts.nodes.has(options.node)) return options.node;
  throw new TrunklineError("cli.snat-node", {
    name: options.node,
    known,
    suggestion: nearest(options.node, known),
  });
}

function netnsOf(options: NodeOptions, lab: LabEntry | undefined, node: string): NetnsRef {
  if (options.netns !== undefined) return { name: options.netns };
  const member = lab?.record.members.find((one) => one.role === "node" && one.name === node);
  return member ? { name: member.netns } : "self";
}

function netnsPath(netns: NetnsRef): string {
  if (netns === "self") return "/proc/self/ns/net";
  return "name" in netns ? `/run/netns/${netns.name}` : netns.path;
}

function nodeFacts(facts: ClusterFacts, node: string): NodeFacts {
  const object = facts.nodes.get(node);
  return { node, addresses: object ? nodeIps(object) : [], uplink: "", endpoints: new Map() };
}

function insideLab(lab: LabEntry): Promise<number> {
  const target = [
    "--target",
    String(lab.record.process.pid),
    "--user",
    // Its own network namespace too: a thread may go back only to one of this user namespace.
    "--net",
    "--mount",
    "--preserve-credentials",
    "--",
  ];
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  return runAttached("nsenter", [...target, ...again], {
    env: { [INSIDE]: "1", TRUNKLINE_LABS: labsFolder() },
  });
}
