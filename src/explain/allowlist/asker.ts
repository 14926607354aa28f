// What the destination of an AddressList sees of a pod.
import type { AddressList } from "../../api/kinds/address-list.ts";
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import { formatCidr, rangeToCidrs, tryParseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { podEnd } from "../ends.ts";
import { type Destination, destinationOf } from "./destination.ts";
import type { Asker } from "./list-model.ts";
import { type SourceJudges, sourcesOf } from "./sources.ts";

/**
 * Returns what tells the ranges of a pod that the destination of a list sees.
 * @throws `explain.…`: the destination is nobody
 */
export function askerOf(
  facts: ClusterFacts,
  judges: () => SourceJudges,
  { spec }: AddressList,
  { ends, port }: Destination = destinationOf(facts, spec.to),
): Asker {
  const isWide = spec.entries === "Ranges";
  return (pod) => {
    const found = new Set<string>();
    let other: TrunklineError | undefined;
    for (const to of ends) {
      const sources = told(() => sourcesOf(facts, judges(), podEnd(pod), to, port));
      if (typeof sources === "string") return sources;
      if (sources instanceof TrunklineError) other = sources;
      else
        for (const one of sources)
          for (const range of cidrsOf(isWide ? one.range : one.exact)) found.add(range);
    }
    // A pod that has addresses of one family only does not speak with the other one's.
    return other && found.size === 0 ? textOf(other) : [...found];
  };
}

function told<T>(ask: () => T): T | TrunklineError {
  try {
    return ask();
  } catch (error) {
    if (isError(error, "explain.family") || isError(error, "explain.no-address")) return error;
    throw error;
  }
}

/** A range `FIRST-LAST`, from which the kernel picks an address, is the prefixes that are exactly it. */
function cidrsOf(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const [first, last] = text.split("-").map((part) => tryParseIp(part));
  if (!first || !last) return [text];
  return rangeToCidrs({ family: first.family, first: first.value, last: last.value }).map(formatCidr);
}
