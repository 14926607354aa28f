// Many ranges of addresses, each with the ports it may use, as ranges that do not overlap.
import type { IpRange } from "../../base/ip.ts";
import { type PortSet, unionPorts } from "./port-set.ts";

export interface BlockPorts {
  readonly range: IpRange;
  readonly ports: PortSet;
  /** The rules that name it, sorted: what they let through is counted apart. */
  readonly rules: readonly string[];
}

/**
 * Returns the same as ranges without overlap, in ascending order by family and address; where several cover an address,
 * it has the union of their ports. Neighbours of the same rules with equal ports are one range.
 */
export function disjoint(blocks: readonly BlockPorts[]): readonly BlockPorts[] {
  return [...oneFamily(blocks, 4), ...oneFamily(blocks, 6)];
}

function oneFamily(blocks: readonly BlockPorts[], family: 4 | 6): BlockPorts[] {
  const mine = blocks.filter((block) => block.range.family === family);
  const edges = mine.flatMap((block) => [
    { at: block.range.first, opens: true, block },
    { at: block.range.last + 1n, opens: false, block },
  ]);
  edges.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  const out: BlockPorts[] = [];
  const open = new Set<BlockPorts>();
  for (const [index, { at, opens, block }] of edges.entries()) {
    if (opens) open.add(block);
    else open.delete(block);
    const next = edges[index + 1]?.at;
    if (next === undefined || next === at || open.size === 0) continue;
    const { ports, rules } = together(open);
    const previous = out.at(-1);
    const goesOn =
      previous?.range.last === at - 1n &&
      previous.ports.key === ports.key &&
      previous.rules.join() === rules.join();
    if (goesOn) out[out.length - 1] = { ...previous, range: { ...previous.range, last: next - 1n } };
    else out.push({ ports, rules, range: { family, first: at, last: next - 1n } });
  }
  return out;
}

/** Nearly everywhere it is one: tens of thousands of ranges share what they say. */
function together(open: ReadonlySet<BlockPorts>): Pick<BlockPorts, "ports" | "rules"> {
  const [first] = open;
  if (first && open.size === 1) return first;
  return {
    ports: unionPorts([...open].map((one) => one.ports)),
    rules: [...new Set([...open].flatMap((one) => one.rules))].toSorted(),
  };
}
