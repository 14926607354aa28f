// A machine's rules, from what its tools printed.
import { builtinBase, readIptables } from "./read-iptables.ts";
import { readNft } from "./read-nft.ts";
import type { Chain, Ruleset } from "./types.ts";

/** What tools printed, in the shape in which the kernel's reader gives it. */
export interface RuleTexts {
  readonly iptables: readonly {
    readonly store: "iptables-nft" | "iptables-legacy";
    readonly family: 4 | 6;
    readonly text: string;
  }[];
  readonly nft: readonly {
    readonly table: string;
    readonly json: readonly Readonly<Record<string, unknown>>[];
    readonly text: string;
  }[];
  readonly unreadable: readonly string[];
}

/** Returns the rules in what the tools printed. */
export function rulesetOf({ iptables, nft, unreadable }: RuleTexts): Ruleset {
  const chains: Chain[] = iptables.flatMap(({ store, family, text }) => readIptables(text, store, family));
  for (const { table, json, text } of nft) {
    // Its chains hang nowhere, which nft's JSON does not say.
    if (/^\tflags .*\bdormant\b/m.test(text)) continue;
    const byHandle = textsByHandle(text);
    const read = readNft(json, (_, handle) => byHandle.get(handle));
    const printed = iptables.some(
      (one) => one.store === "iptables-nft" && tablesIn(one.text, one.family).has(table),
    );
    // What iptables keeps in the same table was read above, and must not be met twice.
    chains.push(...(printed ? read.map(withoutIptablesHook) : read));
  }
  return { chains: new Map(chains.map((chain) => [chain.key, chain])), unreadable };
}

function tablesIn(text: string, family: 4 | 6): Set<string> {
  return new Set(
    [...text.matchAll(/^\*(\S+)$/gm)].map(([, name]) => `${family === 4 ? "ip" : "ip6"} ${name}`),
  );
}

function withoutIptablesHook(chain: Chain): Chain {
  const [, , table = "", name = ""] = chain.title.split(" ");
  if (!chain.base || !builtinBase(table, name)) return chain;
  const { base: _, ...rest } = chain;
  return rest;
}

/** Rules by handle, from `nft -a list table`. */
function textsByHandle(text: string): Map<number, string> {
  const out = new Map<number, string>();
  for (const line of text.split("\n")) {
    const found = /^\t\t(.*\S) # handle (\d+)$/.exec(line);
    if (found) out.set(Number(found[2]), found[1] ?? "");
  }
  return out;
}
