// Other programs' nftables chains that drop all that pods send. No rule of ours can overrule a drop in another table: the
// table's owner must let pods pass, and is told how.
import { type Cidr, cidrRange, type Family, formatCidr } from "../../base/ip.ts";
import { cellsOf, isIn } from "../snat/foreign/cells.ts";
import { SetWalk } from "../snat/foreign/set-walk.ts";
import type { ForeignChain } from "../snat/foreign/types.ts";

export interface ForwardStop {
  /** Family and name. */
  readonly table: string;
  readonly chain: string;
  /** Ends by its policy, or by a rule. */
  readonly family: Family;
  /** Commands that let pods pass. */
  readonly commands: readonly string[];
}

/** As a pod's link is called: chains ask for names. */
const podLink = "tl0000000000000";

/**
 * Returns the chains on the forward hook that surely drop the first packet of whatever pods send, to wherever.
 * @param chains all of the tables that are not ours and not iptables'
 */
export function forwardStops(chains: readonly ForeignChain[], podRanges: readonly Cidr[]): ForwardStop[] {
  const hooked = chains.filter(({ hook, type }) => hook === "forward" && type === "filter");
  return hooked.flatMap((chain) =>
    ([4, 6] as const).flatMap((family) => {
      const ranges = podRanges.filter((range) => range.family === family);
      if (ranges.length === 0 || !stopsAll(chains, chain, ranges, family)) return [];
      return [
        { table: chain.table, chain: chain.name, family, commands: commandsFor(chain, ranges, family) },
      ];
    }),
  );
}

function stopsAll(
  chains: readonly ForeignChain[],
  chain: ForeignChain,
  pods: readonly Cidr[],
  family: Family,
): boolean {
  const named = chains.flatMap(({ rules }) =>
    rules.flatMap(({ match }) => [match.source?.value ?? [], match.destination?.value ?? []].flat()),
  );
  const ranges = pods.map((range) => cidrRange(range));
  const cells = cellsOf(family, [...named.map((cidr) => cidrRange(cidr)), ...ranges]);
  const walk = new SetWalk({ chains, unreadable: [] }, cells, [], () => false);
  const all = (1n << BigInt(cells.length)) - 1n;
  const senders = cells.filter((cell) => ranges.some((range) => isIn(cell, range)));
  const protocols = new Set([
    undefined,
    ...chains.flatMap(({ rules }) => rules.map(({ match }) => match.protocol?.value)),
  ]);
  return senders.every((source) =>
    [...protocols].every((protocol) => {
      const { dropped, passed } = walk.walk([chain], { source, protocol, inLink: podLink }, all);
      return dropped === all && passed === 0n;
    }),
  );
}

function commandsFor({ table, name }: ForeignChain, ranges: readonly Cidr[], family: Family): string[] {
  const ip = family === 4 ? "ip" : "ip6";
  if (table.endsWith(" firewalld"))
    return [
      ...ranges.map((range) => `firewall-cmd --permanent --zone=trusted --add-source=${formatCidr(range)}`),
      "firewall-cmd --reload",
    ];
  return ranges.flatMap((range) =>
    ["saddr", "daddr"].map(
      (end) => `nft insert rule ${table} ${name} ${ip} ${end} ${formatCidr(range)} accept`,
    ),
  );
}
