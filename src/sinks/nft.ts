// Sets of somebody else's table of the machine's firewall: only their elements are ours. One transaction, so that no packet
// meets half a list.

import type { AddressListSink } from "../api/kinds/address-list.ts";
import { TrunklineError } from "../base/errors.ts";
import { formatCidr, rangeToCidrs, tryParseIp } from "../base/ip.ts";
import { asRange } from "../explain/allowlist/sources.ts";
import type { Nft } from "../kernel/kernel.ts";
import type { SinkMaker } from "./sink.ts";

type Spec = NonNullable<AddressListSink["nft"]>;

export const nftSink: SinkMaker<"nft"> =
  (spec) =>
  async ({ ranges }, { nft }) => {
    if (!nft) {
      const why = "this process keeps no sets; let the sink name `nodes` or a `host`";
      throw new TrunklineError("sinks.refused", { what: "the firewall", why });
    }
    const sets = [
      { set: spec.ipv4Set, type: "ipv4_addr", wanted: ranges.filter((range) => !range.includes(":")) },
      { set: spec.ipv6Set, type: "ipv6_addr", wanted: ranges.filter((range) => range.includes(":")) },
    ];
    const changes: string[] = [];
    const anew: string[] = [];
    for (const { set, type, wanted } of sets) {
      if (set === undefined) continue;
      const held = await elementsOf(nft, spec, set, type);
      const name = `${spec.family} ${spec.table} ${set}`;
      const kept = new Set(wanted);
      const gone = [...held].filter((range) => !kept.has(range));
      const fresh = wanted.filter((range) => !held.has(range));
      if (gone.length > 0) changes.push(`delete element ${name} { ${gone.join(", ")} }`);
      if (fresh.length > 0) changes.push(`add element ${name} { ${fresh.join(", ")} }`);
      anew.push(`flush set ${name}`);
      if (wanted.length > 0) anew.push(`add element ${name} { ${wanted.join(", ")} }`);
    }
    if (changes.length === 0) return;
    try {
      await nft.run(changes.join("\n"));
    } catch {
      // A set that joins its elements (auto-merge), or whose elements somebody changes now, is written as a whole.
      await nft.run(anew.join("\n"));
    }
  };

/** Returns a set's elements as ranges. @throws `sinks.nft-set` */
async function elementsOf(
  nft: Nft,
  { family, table }: Spec,
  set: string,
  type: string,
): Promise<ReadonlySet<string>> {
  const listing = await nft.list(`list set ${family} ${table} ${set}`);
  const found = listing?.map((one) => one["set"]).find((one) => one !== undefined) as
    | { readonly type?: unknown; readonly flags?: readonly string[]; readonly elem?: readonly unknown[] }
    | undefined;
  if (found?.type !== type || found.flags?.includes("interval") !== true)
    throw new TrunklineError("sinks.nft-set", { family, table, set, type });
  return new Set((found.elem ?? []).flatMap(rangesOf));
}

/** An element as nft's JSON has it (libnftables-json(5)): an address, `prefix`, `range`, each perhaps within `elem`. */
function rangesOf(element: unknown): string[] {
  if (typeof element === "string") return [asRange(element)];
  const { elem, prefix, range } = element as {
    readonly elem?: { readonly val: unknown };
    readonly prefix?: { readonly addr: string; readonly len: number };
    readonly range?: readonly [string, string];
  };
  if (elem) return rangesOf(elem.val);
  if (prefix) return [`${prefix.addr}/${prefix.len}`];
  const [first, last] = (range ?? []).map(tryParseIp);
  if (!first || !last) return [];
  return rangeToCidrs({ family: first.family, first: first.value, last: last.value }).map(formatCidr);
}
