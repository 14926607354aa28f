// Deleting exactly the rules that were judged, and putting them back where they stood. Pure: texts in, texts out.
//
// iptables rules are deleted by what they say and not by their number: between reading and deleting somebody may have
// put one in front. iptables-restore runs all lines as one transaction, so either all of them go or none.

import type { JudgedRule } from "./takeover.ts";
import type { ForeignChain, ForeignRule, ForeignRules, RuleStore } from "./types.ts";

/** One run of a tool. */
export interface CleanStep {
  readonly store: RuleStore;
  readonly family: 4 | 6;
  /** Input of `iptables-…-restore --noflush` or of `nft -f`. */
  readonly input: string;
}

/** What `clean` took away, and all that is needed to bring it back. */
export interface Backup {
  readonly version: 1;
  readonly node: string;
  readonly takenAt: string;
  /** Chains as they stood before, in full. */
  readonly chains: readonly BackupChain[];
  /** Texts as the tools printed them before, for people. */
  readonly texts: Readonly<Record<string, string>>;
}

export interface BackupChain {
  readonly store: RuleStore;
  readonly family: 4 | 6;
  readonly table: string;
  readonly name: string;
  readonly policy: string;
  readonly base?: { readonly type: string; readonly hook: string; readonly priority: number };
  readonly rules: readonly string[];
  /** Places (from 0) of the rules that were deleted. */
  readonly deleted: readonly number[];
  /** The chain itself was deleted. */
  readonly chainDeleted: boolean;
}

/** Returns the steps that delete the judged rules, one for each tool and family. */
export function cleanSteps(foreign: ForeignRules, judged: readonly JudgedRule[]): CleanStep[] {
  const chains = affectedChains(foreign, judged);
  return grouped(chains).map(({ store, family, chains: group }) => ({
    store,
    family,
    input: store === "nft" ? nftDeletion(group, foreign) : iptablesDeletion(group),
  }));
}

/** Returns the command by which whoever owns a rule deletes it. */
export function deletionCommand({ store, family, table, chain, text, handle }: ForeignRule): string {
  if (store === "nft") return `nft delete rule ${table} ${chain} handle ${handle}`;
  const tool = `${family === 4 ? "iptables" : "ip6tables"}${store === "iptables-legacy" ? "-legacy" : ""}`;
  return `${tool} -t ${table} -D ${chain} ${text}`;
}

/** Returns what to remember before the steps are run. */
export function backupOf(
  foreign: ForeignRules,
  judged: readonly JudgedRule[],
  about: Pick<Backup, "node" | "takenAt" | "texts">,
): Backup {
  return { version: 1, ...about, chains: affectedChains(foreign, judged) };
}

/**
 * Returns the steps that put deleted rules back. A rule goes after the nearest rule that stood before it and is still
 * there, so that it finds its place also in a chain that has changed since.
 */
export function undoSteps(backup: Backup, now: ForeignRules): CleanStep[] {
  return grouped(backup.chains).map(({ store, family, chains }) => ({
    store,
    family,
    input:
      store === "nft"
        ? chains.map((chain) => nftRestoration(chain, now)).join("")
        : `*nat\n${iptablesRestoration(chains, now)}COMMIT\n`,
  }));
}

function affectedChains(foreign: ForeignRules, judged: readonly JudgedRule[]): BackupChain[] {
  const deleted = new Set(judged.filter(({ verdict }) => verdict === "delete").map(({ rule }) => rule));
  return foreign.chains.flatMap((chain) => {
    const places = chain.rules.flatMap((rule, at) => (deleted.has(rule) ? [at] : []));
    if (places.length === 0 && !emptyOfFlannel(chain)) return [];
    const chainDeleted =
      places.length === chain.rules.length && isOwnChain(chain) && !stillReached(chain, foreign, deleted);
    if (places.length === 0 && !chainDeleted) return [];
    return [
      {
        store: chain.store,
        family: chain.family,
        table: chain.table,
        name: chain.name,
        policy: chain.policy,
        ...(chain.hook !== undefined &&
          chain.type !== undefined && {
            base: { type: chain.type, hook: chain.hook, priority: chain.priority ?? 0 },
          }),
        rules: chain.rules.map(({ text }) => text),
        deleted: places,
        chainDeleted,
      },
    ];
  });
}

/** Flannel's own clean-up leaves its chain behind, empty, with the jump to it. */
function emptyOfFlannel(chain: ForeignChain): boolean {
  return chain.rules.length === 0 && chain.name.startsWith("FLANNEL-");
}

function isOwnChain(chain: ForeignChain): boolean {
  return chain.store === "nft" || chain.policy === "-";
}

function stillReached(
  chain: ForeignChain,
  foreign: ForeignRules,
  deleted: ReadonlySet<ForeignRule>,
): boolean {
  return foreign.chains.some(
    (other) =>
      other.store === chain.store &&
      other.family === chain.family &&
      other.table === chain.table &&
      other.rules.some(
        (rule) =>
          !deleted.has(rule) &&
          (rule.target.type === "jump" || rule.target.type === "goto") &&
          rule.target.chain === chain.name,
      ),
  );
}

function grouped(
  chains: readonly BackupChain[],
): { store: RuleStore; family: 4 | 6; chains: BackupChain[] }[] {
  const groups = new Map<string, { store: RuleStore; family: 4 | 6; chains: BackupChain[] }>();
  for (const chain of chains) {
    const { store, family } = chain;
    const key = store === "nft" ? store : `${store} ${family}`;
    const group = groups.get(key) ?? { store, family, chains: [] };
    group.chains.push(chain);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function iptablesDeletion(chains: readonly BackupChain[]): string {
  const lines: string[] = [];
  for (const { name, rules, deleted } of chains)
    for (const at of deleted) lines.push(`-D ${name} ${rules[at]}`);
  for (const chain of chains) if (chain.chainDeleted) lines.push(`-X ${chain.name}`);
  return `*nat\n${lines.join("\n")}\nCOMMIT\n`;
}

function iptablesRestoration(chains: readonly BackupChain[], now: ForeignRules): string {
  const lines: string[] = [];
  // Chains first: a jump to one that is not there is refused.
  for (const chain of chains) if (!chainNow(chain, now)) lines.push(`:${chain.name} - [0:0]`);
  for (const chain of chains) {
    const present = (chainNow(chain, now)?.rules ?? []).map(({ text }) => text);
    for (const { place, text } of insertions(chain, present))
      lines.push(`-I ${chain.name} ${place + 1} ${text}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** Places (from 0) at which the deleted rules are put in, one after another. Those that are there already stay out. */
function insertions(chain: BackupChain, present: readonly string[]): { place: number; text: string }[] {
  const list = [...present];
  const deleted = new Set(chain.deleted);
  // More of a text than were kept: somebody has put deleted ones back.
  const back = new Map<string, number>();
  for (const text of present) back.set(text, (back.get(text) ?? 0) + 1);
  for (const [at, text] of chain.rules.entries())
    if (!deleted.has(at)) back.set(text, (back.get(text) ?? 0) - 1);
  const out: { place: number; text: string }[] = [];
  let place = 0;
  for (const [at, text] of chain.rules.entries()) {
    const isBack = deleted.has(at) && (back.get(text) ?? 0) > 0;
    if (deleted.has(at) && !isBack) {
      list.splice(place, 0, text);
      out.push({ place, text });
      place++;
      continue;
    }
    if (isBack) back.set(text, (back.get(text) ?? 0) - 1);
    const found = list.indexOf(text, place);
    if (found >= 0) place = found + 1;
  }
  return out;
}

function chainNow(chain: BackupChain, now: ForeignRules): ForeignChain | undefined {
  return now.chains.find(
    (one) =>
      one.store === chain.store &&
      one.family === chain.family &&
      one.table === chain.table &&
      one.name === chain.name,
  );
}

function nftDeletion(chains: readonly BackupChain[], foreign: ForeignRules): string {
  const lines: string[] = [];
  for (const chain of chains) {
    const rules = chainNow(chain, foreign)?.rules ?? [];
    for (const at of chain.deleted)
      lines.push(`delete rule ${chain.table} ${chain.name} handle ${rules[at]?.handle}`);
  }
  for (const chain of chains) if (chain.chainDeleted) lines.push(`delete chain ${chain.table} ${chain.name}`);
  return `${lines.join("\n")}\n`;
}

function nftRestoration(chain: BackupChain, now: ForeignRules): string {
  const lines: string[] = [];
  const present = chainNow(chain, now);
  if (!present) {
    const { base, policy } = chain;
    const hook = base
      ? ` { type ${base.type} hook ${base.hook} priority ${base.priority}; policy ${policy === "-" ? "accept" : policy}; }`
      : "";
    lines.push(`add table ${chain.table}`, `add chain ${chain.table} ${chain.name}${hook}`);
  }
  // `index` counts from 0 and puts the rule after that one (add) or before it (insert).
  for (const { place, text } of insertions(
    chain,
    (present?.rules ?? []).map((rule) => rule.text),
  )) {
    const where = place === 0 ? "insert rule" : "add rule";
    const after = place === 0 ? "" : ` index ${place - 1}`;
    lines.push(`${where} ${chain.table} ${chain.name}${after} ${text}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}
