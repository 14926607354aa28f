// A small model of how the kernel walks our chains for a connection's first packet. Test only: it reads the table's
// text, and knows nothing of plans.
import { cidrRange, type IpRange, parseCidr, parseIp, tryParseCidr } from "../../base/ip.ts";
import type { NftTable } from "../../kernel/nft/document.ts";

export interface ModelPacket {
  readonly source: string;
  readonly destination: string;
}

/** Returns `none`, `drop`, `masquerade` or `snat ADDRESSES`, as the chain's statements would have it. */
export function postrouting(table: NftTable, packet: ModelPacket): string {
  return walk(table, "nat-postrouting", packet) ?? "none";
}

/** Returns the index of the node that the packet is sent to, or undefined. */
export function steeredTo(table: NftTable, packet: ModelPacket): number | undefined {
  const found = table.hasChain("nat-steer") ? walk(table, "nat-steer", packet) : undefined;
  return found?.startsWith("mark ") === true ? Number(found.slice(5)) : undefined;
}

function walk(table: NftTable, chain: string, packet: ModelPacket): string | undefined {
  for (const rule of table.chain(chain)?.rules ?? []) {
    const verdict = rule.startsWith("ct direction reply") ? undefined : ruleVerdict(table, rule, packet);
    if (verdict === undefined) continue;
    if (verdict === "accept") return undefined;
    if (verdict.startsWith("goto ")) return walk(table, verdict.slice(5), packet);
    return verdict;
  }
  return undefined;
}

function ruleVerdict(table: NftTable, rule: string, packet: ModelPacket): string | undefined {
  const look = /^(ip6?) (saddr|daddr) (vmap )?@(\S+)( accept)?$/.exec(rule);
  if (look) {
    const [, header, field, map, set = ""] = look;
    const ip = parseIp(field === "saddr" ? packet.source : packet.destination);
    if (ip.family !== (header === "ip" ? 4 : 6)) return undefined;
    for (const [key, value] of table.elements(set)) {
      const range = rangeOf(key);
      if (range.first <= ip.value && ip.value <= range.last) return map === undefined ? "accept" : value;
    }
    return undefined;
  }
  if (/^(accept|drop|goto \S+)$/.test(rule)) return rule;
  // Either all ports are taken from one range, or from one of several: for the address it is the same.
  if (rule.startsWith("meta l4proto ")) return undefined;
  if (/^masquerade( fully-random)?$/.test(rule)) return "masquerade";
  const snat = /^snat ip6? to (\S+?)( fully-random)?$/.exec(rule);
  if (snat) return `snat ${snat[1]}`;
  const mark = /^meta mark set mark and 0xc0ffffff or (0x\S+)$/.exec(rule);
  if (mark) return `mark ${Number(mark[1]) >>> 24}`;
  throw new TypeError(`the model does not know the rule: ${rule}`);
}

function rangeOf(key: string): IpRange {
  if (tryParseCidr(key)) return cidrRange(parseCidr(key));
  const [first = "", last = first] = key.split("-");
  return { family: parseIp(first).family, first: parseIp(first).value, last: parseIp(last).value };
}
