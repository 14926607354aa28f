// trunkline snat clean: deletes the rules that `plan` names, and puts them back.
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { readForeignRules } from "../../agent/managers/foreign-rules.ts";
import { TrunklineError } from "../../base/errors.ts";
import { runForeignNat } from "../../kernel/foreign-nat.ts";
import { type Backup, backupOf, cleanSteps, planTakeover, undoSteps } from "../../plan/snat/foreign/index.ts";
import { exit, print, printJson, say } from "../output.ts";
import type { CleanOptions } from "./options.ts";
import { type NodePlace, withNode } from "./place.ts";
import { ruleRow } from "./rule-row.ts";

/** Exit code 1 where it refuses, is told not to, or the rules do not stay away. */
export function clean(options: CleanOptions): Promise<void> {
  return withNode(options, (place) => (options.undo ? undo(place, options) : remove(place, options)));
}

async function remove(place: NodePlace, options: CleanOptions): Promise<void> {
  const { foreign, facts, running, node, netns, exits } = place;
  const takeover = planTakeover(facts, place.plan, foreign.rules, running, exits);
  const deletions = takeover.rules.filter(({ verdict }) => verdict === "delete");
  const answer = {
    node,
    deleted: deletions.map(ruleRow),
    blockers: takeover.blockers,
    backup: null as string | null,
  };
  if (takeover.blockers.length > 0) {
    for (const blocker of takeover.blockers) say(`refused: ${blocker}`);
    if (options.output === "json") printJson({ ...answer, deleted: [] });
    process.exitCode = exit.no;
    return;
  }
  const steps = cleanSteps(foreign.rules, takeover.rules);
  if (steps.length === 0) {
    if (options.output === "json") printJson(answer);
    else print(`Nothing to delete on ${node}`);
    return;
  }
  for (const { rule } of deletions) say(`${rule.store} ${rule.chain} ${rule.index}: ${rule.text}`);
  if (!(await agreed(options, `Delete these ${deletions.length} rules on ${node}?`))) return;
  const backup = backupOf(foreign.rules, takeover.rules, {
    node,
    takenAt: new Date().toISOString(),
    texts: foreign.texts,
  });
  const file = options.backup ?? newBackupFile(place, backup);
  // First the way back, then the way there.
  writeBackup(file, backup);
  for (const step of steps) await runForeignNat(step, netns);
  const left = await stillThere(place);
  if (left > 0) {
    say(`${left} of the rules are there again: somebody puts them back`);
    process.exitCode = exit.no;
  }
  for (const warning of takeover.warnings) say(`warning: ${warning}`);
  if (options.output === "json") printJson({ ...answer, backup: file });
  else
    print(
      `Deleted ${deletions.length} rules on ${node}; backup: ${file}; to put them back: trunkline snat clean --node ${node} --undo`,
    );
}

async function stillThere(place: NodePlace): Promise<number> {
  const { rules } = await readForeignRules(place.kernel, place.netns);
  const { rules: judged } = planTakeover(place.facts, place.plan, rules, place.running);
  return judged.filter(({ verdict }) => verdict === "delete").length;
}

async function undo(place: NodePlace, options: CleanOptions): Promise<void> {
  const { foreign, node, netns } = place;
  const file = options.backup ?? newestBackup(place);
  if (file === undefined)
    throw new TrunklineError("cli.snat-no-backup", { node, folder: backupFolder(place) });
  const backup = readBackup(file);
  if (backup.node !== node)
    throw new TrunklineError("cli.snat-backup-node", { file, node, other: backup.node });
  const steps = undoSteps(backup, foreign.rules);
  const restored = backup.chains.reduce((sum, chain) => sum + chain.deleted.length, 0);
  if (!(await agreed(options, `Put ${restored} rules back on ${node}?`))) return;
  for (const step of steps) await runForeignNat(step, netns);
  if (options.backup === undefined) renameSync(file, `${file}.undone`);
  if (options.output === "json") printJson({ node, restored, backup: file });
  else print(`Put ${restored} rules back on ${node}`);
}

async function agreed(options: CleanOptions, question: string): Promise<boolean> {
  if (options.yes) return true;
  if (!process.stdin.isTTY) throw new TrunklineError("cli.usage", { why: `${question} Say --yes` });
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${question} [y/N] `);
  lines.close();
  if (/^y(es)?$/i.test(answer.trim())) return true;
  say("nothing was changed");
  process.exitCode = exit.no;
  return false;
}

function backupFolder({ stateDir }: NodePlace): string {
  return path.join(stateDir, "snat", "backups");
}

function newBackupFile(place: NodePlace, { takenAt }: Backup): string {
  return path.join(backupFolder(place), `${takenAt.replaceAll(":", "-")}.json`);
}

function writeBackup(file: string, backup: Backup): void {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true, mode: 0o700 });
  writeFileSync(file, `${JSON.stringify(backup, undefined, 2)}\n`, { mode: 0o600, flag: "wx" });
}

function newestBackup(place: NodePlace): string | undefined {
  const folder = backupFolder(place);
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
    const newest = names.toSorted().at(-1);
    return newest === undefined ? undefined : path.join(folder, newest);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function readBackup(file: string): Backup {
  const backup = JSON.parse(readFileSync(file, "utf8")) as Backup;
  if (backup.version !== 1) throw new TrunklineError("cli.snat-backup", { file });
  return backup;
}
