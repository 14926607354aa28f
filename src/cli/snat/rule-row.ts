import type { JudgedRule } from "../../plan/snat/foreign/index.ts";

/** One foreign rule with stable field names, for tables and for JSON. */
export function ruleRow({ rule, owner, effect, inTheWay, verdict, reason }: JudgedRule) {
  const { store, family, table, chain, index, text, comment, handle } = rule;
  return {
    store,
    family,
    table,
    chain,
    index,
    text,
    comment: comment ?? null,
    handle: handle ?? null,
    /** For people: `POSTROUTING 3`, with the tool where it is not the usual one. */
    place: `${store === "iptables-nft" ? "" : `${store} `}${store === "nft" ? `${table} ` : family === 6 ? "IPv6 " : ""}${chain} ${index}`,
    owner: owner.name,
    sure: owner.sure,
    why: owner.why,
    effect,
    inTheWay,
    verdict,
    reason,
  };
}

/** Returns how a table says whether a rule is in the way. */
export function yesNo(inTheWay: boolean | null): string {
  return inTheWay === null ? "perhaps" : inTheWay ? "yes" : "no";
}
