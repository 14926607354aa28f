// What tools printed of other programs' NAT rules, understood. Loads nothing of the kernel's.
import type { ForeignNatTexts } from "../../kernel/foreign-nat.ts";
import { type ForeignRules, parseIptablesSave, parseNftJson } from "../../plan/snat/foreign/index.ts";

export interface NodeForeignRules {
  readonly rules: ForeignRules;
  /** What the tools printed, by tool and family or table: for the backup. */
  readonly texts: Readonly<Record<string, string>>;
}

/** Returns the rules in what the tools printed. */
export function understand(read: ForeignNatTexts): NodeForeignRules {
  const texts: Record<string, string> = {};
  const chains = read.iptables.flatMap(({ store, family, text }) => {
    texts[`${store} IPv${family}`] = text;
    return parseIptablesSave(text, store, family);
  });
  for (const { table, json, text } of read.nft) {
    texts[`nft ${table}`] = text;
    const byHandle = ruleTexts(text);
    chains.push(...parseNftJson(json, (_, handle) => byHandle.get(handle)));
  }
  return { rules: { chains, unreadable: read.unreadable }, texts };
}

/** Rules by handle, from `nft -a list table`. */
function ruleTexts(text: string): Map<number, string> {
  const out = new Map<number, string>();
  for (const line of text.split("\n")) {
    const found = /^\t\t(.*\S) # handle (\d+)$/.exec(line);
    if (found) out.set(Number(found[2]), found[1] ?? "");
  }
  return out;
}
