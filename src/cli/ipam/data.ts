// What the ipam commands look at: the store's objects, and the journals of the nodes that this machine has.
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../ipam/clock.ts";
import { readJournal } from "../../ipam/journal/read.ts";
import type { Ledger } from "../../ipam/ledger.ts";
import { findLab, nodePaths } from "../../lab/life/state.ts";
import { checkAddresses, type Finding, isNote } from "../../plan/addressing/check.ts";
import { type BlockUsage, usageOf } from "../../plan/addressing/usage.ts";
import { collectFacts } from "../../plan/collect.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { countHeld } from "../../plan/subnets/check.ts";
import { isLab, type StoreOptions, withStore } from "../context.ts";

export interface AddressOptions extends StoreOptions {
  /** An agent's state folder, for a machine that is a node itself. */
  readonly state?: string;
}

export interface AddressData {
  readonly facts: ClusterFacts;
  /** By node. */
  readonly ledgers: ReadonlyMap<string, Ledger>;
}

/** Reads objects and journals. @throws what the store and the file system throw */
export async function readAddresses(options: AddressOptions): Promise<AddressData> {
  const facts = await withStore(options, collectFacts);
  return { facts, ledgers: await journalsOf(options, facts) };
}

/** Reads the journals of the nodes that this machine has, by node. @throws what the file system throws */
export async function journalsOf(
  options: AddressOptions,
  facts: ClusterFacts,
): Promise<ReadonlyMap<string, Ledger>> {
  const ledgers = new Map<string, Ledger>();
  for (const [node, folder] of journalFolders(options, facts)) {
    const ledger = await readJournal(folder);
    if (ledger) ledgers.set(node, ledger);
  }
  return ledgers;
}

/** Returns how full every block is. @throws what the store and the file system throw */
export async function readBlocks(options: AddressOptions): Promise<readonly BlockUsage[]> {
  const { facts, ledgers } = await readAddresses(options);
  return usageOf(facts, ledgers, systemClock).blocks;
}

function journalFolders(options: AddressOptions, facts: ClusterFacts): Map<string, string> {
  const known = new Set([...facts.nodes.keys(), ...[...facts.blocks.values()].map(({ spec }) => spec.node)]);
  if (options.state !== undefined) return foldersBelow(options.state, known);
  if (!isLab(options)) return new Map();
  const { paths } = findLab(options.lab);
  return new Map([...known].map((node) => [node, `${nodePaths(paths, node).folder}/ipam`]));
}

/** `--state` may be one agent's folder, of the only node; or hold a folder for each node. */
function foldersBelow(state: string, known: ReadonlySet<string>): Map<string, string> {
  const [only, second] = known;
  if (only !== undefined && second === undefined) return new Map([[only, `${state}/ipam`]]);
  return new Map([...known].map((node) => [node, `${state}/${node}/ipam`]));
}

export interface CheckResult {
  readonly findings: readonly Finding[];
  readonly checked: {
    readonly pods: number;
    readonly nodes: number;
    readonly blocks: number;
    readonly addresses: number;
  };
}

/** How far two looks are apart: a pod that is just being added or deleted is no finding. */
const secondLookMs = 1_500;

/** Returns what is wrong at a first look and still at a second one. */
export async function lastingFindings(options: AddressOptions): Promise<CheckResult> {
  const first = await look(options);
  if (first.findings.every(isNote)) return first;
  await sleep(secondLookMs);
  const second = await look(options);
  const before = new Set(first.findings.map(identity));
  return { ...second, findings: second.findings.filter((one) => isNote(one) || before.has(identity(one))) };
}

function identity({ kind, what, node, pod, seq }: Finding): string {
  return JSON.stringify([kind, what, node, pod, seq]);
}

async function look(options: AddressOptions): Promise<CheckResult> {
  const { facts, ledgers } = await readAddresses(options);
  const journals = new Map([...ledgers].map(([node, ledger]) => [node, [...ledger.holdings.values()]]));
  const holdings = [...journals.values()].flat();
  const ofSubnets =
    facts.subnets.size === 0 ? [] : await (await import("./subnets.ts")).subnetFindings(options, facts);
  return {
    findings: [...checkAddresses(facts, journals, Date.now()), ...ofSubnets],
    checked: {
      pods: facts.pods.size,
      nodes: ledgers.size,
      blocks: facts.blocks.size,
      addresses: holdings.reduce((sum, holding) => sum + holding.addresses.length, countHeld(facts)),
    },
  };
}
