// All packet rules of others in a namespace, as their tools print them: what packets meet there beside our own. Reading
// changes nothing: a kernel module that is not loaded stays so.
import { isMissingCommand, run } from "./exec/index.ts";
import { legacyTables, type NftText, readNftTable } from "./foreign-nat.ts";
import type { Kernel, NetnsRef } from "./kernel.ts";

/** What the tools printed. */
export interface ForeignTexts {
  readonly iptables: readonly {
    readonly store: "iptables-nft" | "iptables-legacy";
    readonly family: 4 | 6;
    readonly text: string;
  }[];
  /** Tables with base chains that iptables does not print. */
  readonly nft: readonly NftText[];
  readonly unreadable: readonly string[];
}

const families = [4, 6] as const;
/** Where iptables' nft variant keeps its rules. */
const compatTables: readonly string[] = ["raw", "mangle", "nat", "filter", "security"];
const builtin = /^(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/;

/** Hooks of tables ip, ip6 and inet that packets are followed through; not ingress and egress, which are a link's. */
const followed = /^(prerouting|input|forward|output|postrouting)$/;

interface BaseChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string;
}

/**
 * Reads all rules of a namespace but those of the tables `own` (family and name).
 * @throws `kernel.nft`, `kernel.command`
 */
export async function readForeignTables(
  kernel: Kernel,
  netns: NetnsRef,
  own: readonly string[],
): Promise<ForeignTexts> {
  const chains = (await baseChains(kernel)).filter(
    ({ family, table }) => !own.includes(`${family} ${table}`),
  );
  const unreadable: string[] = [];
  const iptables: ForeignTexts["iptables"][number][] = [];
  const printed = new Set<string>();
  for (const family of families) {
    const ip = family === 4 ? "ip" : "ip6";
    if (chains.some((chain) => chain.family === ip && isCompat(chain))) {
      const text = await save("nft", family, netns);
      // Without the tool, nft shows the same rules, if less plainly.
      if (text !== undefined) iptables.push({ store: "iptables-nft", family, text });
      for (const [, table] of (text ?? "").matchAll(/^\*(\S+)$/gm)) printed.add(`${ip} ${table}`);
    }
    if (legacyTables(netns, family).every((name) => name === "")) continue;
    const text = await save("legacy", family, netns);
    if (text === undefined)
      unreadable.push("legacy rules are loaded, but iptables-legacy-save is not installed");
    else iptables.push({ store: "iptables-legacy", family, text });
  }
  const tables = new Set<string>();
  for (const chain of chains) {
    const table = `${chain.family} ${chain.table}`;
    const why = unfollowed(chain);
    if (why !== undefined) unreadable.push(why);
    else if (!printed.has(table) || !isCompat(chain)) tables.add(table);
  }
  const nft: NftText[] = [];
  for (const table of [...tables].toSorted()) {
    const read = await readNftTable(kernel, netns, table);
    if (read) nft.push(read);
  }
  return { iptables, nft, unreadable: [...new Set(unreadable)] };
}

/** Returns why packets cannot be followed through a base chain; undefined: they can. */
export function unfollowed({ family, table, name, hook }: BaseChain): string | undefined {
  if (!/^(ip|ip6|inet)$/.test(family))
    return `table ${family} ${table}: rules of that family are not followed`;
  if (followed.test(hook)) return undefined;
  return `chain ${name} of table ${family} ${table}: rules on the hook ${hook} are not followed`;
}

/** A chain that iptables' nft variant makes, and prints. */
function isCompat({ family, table, name }: BaseChain): boolean {
  return family !== "inet" && compatTables.includes(table) && builtin.test(name);
}

async function baseChains(kernel: Kernel): Promise<BaseChain[]> {
  const objects = (await kernel.nft.list("list chains")) ?? [];
  return objects.flatMap((object) => {
    const chain = object["chain"] as Record<string, unknown> | undefined;
    if (chain?.["hook"] === undefined) return [];
    const [family, table, name, hook] = ["family", "table", "name", "hook"].map((key) => String(chain[key]));
    return [{ family: family!, table: table!, name: name!, hook: hook! }];
  });
}

/** Returns what the tool printed, or undefined where it is not installed. */
async function save(variant: "nft" | "legacy", family: 4 | 6, netns: NetnsRef): Promise<string | undefined> {
  try {
    return (await run(`${family === 4 ? "iptables" : "ip6tables"}-${variant}-save`, [], { netns })).stdout;
  } catch (error) {
    if (isMissingCommand(error)) return undefined;
    throw error;
  }
}
