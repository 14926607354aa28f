// Findings about the two lists of ranges taken together: accepted by ip-masq-agent without a word, and still mistakes.
import { type ErrorCode, type ErrorData, wording } from "../../base/errors.ts";
import { type Cidr, cidrCovers } from "../../base/ip.ts";
import type { Problem } from "../../base/problem.ts";
import type { MasqRange } from "./masq-types.ts";

/** Returns duplicates, ranges within others, ranges in both lists, and ranges that mean everything. */
export function listFindings(
  nonMasquerade: readonly MasqRange[],
  masquerade: readonly MasqRange[],
  file: string,
): Problem[] {
  const out: Problem[] = [];
  const tell = <C extends ErrorCode>(range: MasqRange, code: C, facts: ErrorData<C>) => {
    const position = { file, line: range.line, column: range.column };
    out.push({ code, message: wording(code, facts), ...(range.line > 0 ? { position } : {}) });
  };
  for (const [list, ranges] of [
    ["nonMasqueradeCIDRs", nonMasquerade],
    ["masqueradeCIDRs", masquerade],
  ] as const) {
    for (const { range, outer } of nestings(ranges)) {
      if (outer.text === range.text) tell(range, "snat.duplicate", { text: range.text, first: outer.line });
      else tell(range, "snat.overlap", { text: range.text, outer: outer.text, line: outer.line });
    }
    for (const range of ranges) {
      if (range.cidr.length === 0) tell(range, "snat.everything", { text: range.text, list });
    }
  }
  const exempt = new Map(nonMasquerade.map((range) => [range.text, range]));
  for (const range of masquerade) {
    const twin = exempt.get(range.text);
    if (twin) tell(range, "snat.both-lists", { text: range.text, line: twin.line });
  }
  return out;
}

/** Each range that lies in another one, with the nearest such; one pass over the sorted ranges. */
function nestings(ranges: readonly MasqRange[]): { range: MasqRange; outer: MasqRange }[] {
  const out: { range: MasqRange; outer: MasqRange }[] = [];
  const open: MasqRange[] = [];
  // The sort is stable, so the first of two equal ranges stays the first.
  for (const range of ranges.toSorted((a, b) => compareCidrs(a.cidr, b.cidr))) {
    while (open.length > 0 && !cidrCovers((open.at(-1) as MasqRange).cidr, range.cidr)) open.pop();
    const outer = open.at(-1);
    if (outer) out.push({ range, outer });
    open.push(range);
  }
  return out;
}

/** Orders by family, first address, and the wider range first. */
export function compareCidrs(a: Cidr, b: Cidr): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.base !== b.base) return a.base < b.base ? -1 : 1;
  return a.length - b.length;
}
