// The forward hook as other programs have it: iptables' FORWARD chain (both variants) and nftables chains. Reading changes
// nothing: a kernel module that is not loaded stays so.

import { isMissingCommand, run } from "./exec/index.ts";
import { legacyTables } from "./foreign-nat.ts";
import type { Kernel, NetnsRef } from "./kernel.ts";
import { OWN_TABLES } from "./own-tables.ts";

export interface FilterTable {
  readonly store: "iptables-nft" | "iptables-legacy";
  readonly family: 4 | 6;
  /** What its tool saves; undefined: the tool is not installed. */
  readonly saved: string | undefined;
}

export interface ForwardRules {
  /** iptables' filter tables that drop by policy, or where a chain of that name is. */
  readonly filters: readonly FilterTable[];
  /** nft's JSON of other tables that have a chain on the forward hook. */
  readonly tables: readonly (readonly Record<string, unknown>[])[];
}

type Json = Readonly<Record<string, unknown>>;

const families = [4, 6] as const;

/**
 * Reads what stands on a namespace's forward hook beside our own table.
 * @param ownChain a chain of iptables' filter table that is looked for, too
 * @throws `kernel.nft`, `kernel.command`
 */
export async function readForwardRules(
  kernel: Kernel,
  netns: NetnsRef,
  ownChain: string,
): Promise<ForwardRules> {
  const chains = ((await kernel.nft.list("list chains")) ?? []).flatMap((object) => {
    const chain = object["chain"] as Json | undefined;
    return chain ? [{ chain, table: `${String(chain["family"])} ${String(chain["table"])}` }] : [];
  });
  const wanted = families.filter((family) =>
    chains.some(
      ({ chain, table }) =>
        table === compatTable(family) &&
        (chain["name"] === ownChain || (isForward(chain) && chain["policy"] === "drop")),
    ),
  );
  const filters: FilterTable[] = [];
  for (const family of wanted) filters.push(await saved("iptables-nft", family, netns));
  for (const family of families)
    if (legacyTables(netns, family).includes("filter"))
      filters.push(await saved("iptables-legacy", family, netns));
  const native = new Set(
    chains
      .filter(
        ({ chain, table }) =>
          isForward(chain) &&
          !OWN_TABLES.includes(table) &&
          !families.some((one) => table === compatTable(one)),
      )
      .map(({ table }) => table)
      .filter((table) => /^(ip|ip6|inet) [a-zA-Z0-9_.-]+$/.test(table)),
  );
  const tables = await Promise.all([...native].map((table) => kernel.nft.list(`list table ${table}`)));
  return { filters, tables: tables.filter((table) => table !== undefined) };
}

/**
 * Hands input to iptables-restore, as one transaction that leaves everything else as it is.
 * @throws `kernel.command` with what the tool said; then nothing has changed
 */
export async function changeFilter(
  { store, family }: Pick<FilterTable, "store" | "family">,
  input: string,
  netns: NetnsRef,
): Promise<void> {
  const wait = store === "iptables-legacy" ? ["--wait", "5"] : [];
  await run(`${toolOf(store, family)}-restore`, ["--noflush", ...wait], { netns, input });
}

function isForward(chain: Json): boolean {
  return chain["hook"] === "forward" && chain["type"] === "filter";
}

/** iptables' own table, where the nft variant keeps its rules. */
function compatTable(family: 4 | 6): string {
  return family === 4 ? "ip filter" : "ip6 filter";
}

function toolOf(store: FilterTable["store"], family: 4 | 6): string {
  return `${family === 4 ? "iptables" : "ip6tables"}-${store === "iptables-nft" ? "nft" : "legacy"}`;
}

async function saved(store: FilterTable["store"], family: 4 | 6, netns: NetnsRef): Promise<FilterTable> {
  try {
    const { stdout } = await run(`${toolOf(store, family)}-save`, ["-t", "filter"], { netns });
    return { store, family, saved: stdout };
  } catch (error) {
    if (isMissingCommand(error)) return { store, family, saved: undefined };
    throw error;
  }
}
