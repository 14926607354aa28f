// The chains that accept ports, each shared by all who may use the same ones. Few single ports need none: they are
// elements.
import type { NftTable } from "../../../kernel/nft/document.ts";
import { allPorts, type PortRange, type PortSet, protocols, rangeText } from "../port-set.ts";
import type { Direction } from "../types.ts";
import { noPriority, sides } from "./dispatch.ts";
import { hash, type OnDemand } from "./on-demand.ts";

/** A class's ports of an address, where they are no more than these and no ranges, are elements of their own. */
const mostSinglePorts = 4;

/** Returns ports as elements, such as `tcp . 80`; undefined where a chain is to compare them. */
export function singlePorts(ports: PortSet): readonly string[] | undefined {
  if (ports.other) return undefined;
  const out: string[] = [];
  for (const protocol of protocols)
    for (const { first, last } of ports.ranges[protocol]) {
      if (first !== last || out.length === mostSinglePorts) return undefined;
      out.push(`${protocol.toLowerCase()} . ${first}`);
    }
  return out;
}

/** More ranges than this go into a set: their number must not cost a packet time. */
const mostRangeRules = 8;

export class PortChains {
  readonly #table: NftTable;
  readonly #demand: OnDemand;

  constructor(table: NftTable, demand: OnDemand) {
    this.#table = table;
    this.#demand = demand;
  }

  /** Returns the chain that accepts these ports; made if it is not there. */
  of(direction: Direction, ports: PortSet): string {
    const { name: side, pass } = sides[direction];
    const name = `policy-${side}-ports-${ports.key === allPorts.key ? "all" : hash(ports.key)}`;
    if (this.#table.hasChain(name)) return name;
    this.#demand.made(name);
    const rules: string[] = [];
    if (ports.key === allPorts.key) rules.push(`${noPriority} ${pass}`);
    else {
      for (const protocol of protocols)
        for (const match of this.#portMatches(ports.ranges[protocol]))
          rules.push(`${protocol.toLowerCase()} dport ${match} ${noPriority} ${pass}`);
      if (ports.other) rules.push(`meta l4proto != { tcp, udp, sctp } ${noPriority} ${pass}`);
    }
    this.#table.setChain(name, { rules });
    return name;
  }

  /**
   * Returns what to compare a port with: single ports in a set, ranges one by one. A set with ranges finds nothing for a
   * moment after it is written, and the ports of a connection that stays allowed may be in it: those that are many get a
   * name, by which they are filled before anything uses them, and found again after a restart.
   */
  #portMatches(list: readonly PortRange[]): string[] {
    const single = list.filter(({ first, last }) => first === last).map(rangeText);
    const ranges = list.filter(({ first, last }) => first !== last).map(rangeText);
    if (ranges.length > mostRangeRules) return [`@${this.#portSet(list)}`];
    if (single.length === 0) return ranges;
    return [single.length === 1 ? single.join() : `{ ${single.join(", ")} }`, ...ranges];
  }

  #portSet(list: readonly PortRange[]): string {
    const ranges = list.map(rangeText);
    const name = `policy-portset-${hash(ranges.join())}`;
    if (!this.#table.hasSet(name)) {
      this.#table.setSet(name, { key: ["inet_service"], interval: true });
      for (const range of ranges) this.#table.setElement(name, range);
    }
    this.#demand.use(name, 1);
    return name;
  }
}
