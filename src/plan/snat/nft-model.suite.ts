// How the kernel walks our chains for a connection's first packet, in short words. Test only: the tracer reads the table's
// text, and knows nothing of plans.
import { parseIp } from "../../base/ip.ts";
import { POD_LINK_GROUP } from "../../kernel/kernel.ts";
import type { NftTable } from "../../kernel/nft/document.ts";
import { protocolNumbers } from "../trace/packet.ts";
import { tableOf } from "../trace/table.ts";
import { trace } from "../trace/trace.ts";
import { STEER_MASK } from "./nft.ts";

export interface ModelPacket {
  readonly source: string;
  readonly destination: string;
  /** Default: one without ports, of which the address alone is translated. */
  readonly protocol?: "tcp" | "udp" | "icmp";
  /** It came in by a link that is no pod's. */
  readonly passing?: boolean;
  /** Default: it opens the connection. */
  readonly direction?: "reply";
}

/** Returns `none`, `drop`, `masquerade` or `snat ADDRESSES`, as the chain's statements would have it. */
export function postrouting(table: NftTable, packet: ModelPacket): string {
  const { verdict, translation } = walk(table, "postrouting", packet);
  if (verdict !== "accept") return verdict;
  if (translation === undefined) return "none";
  const snat = /^snat ip6? to (\S+)/.exec(translation);
  return snat ? `snat ${snat[1]}` : (translation.split(" ")[0] ?? "");
}

/** Returns the index of the node that the packet is sent to, or undefined. */
export function steeredTo(table: NftTable, packet: ModelPacket): number | undefined {
  const { mark } = walk(table, "prerouting", packet);
  return (mark & STEER_MASK) === 0 ? undefined : mark >>> 24;
}

function walk(
  table: NftTable,
  hook: string,
  { source, destination, protocol = "icmp", passing, direction }: ModelPacket,
) {
  return trace(tableOf(table), [hook], {
    source: parseIp(source),
    destination: parseIp(destination),
    protocol: protocolNumbers[protocol] ?? 0,
    in: passing === true ? { name: "eth1", group: 0 } : { name: "tl1", group: POD_LINK_GROUP },
    out: { name: "eth0", group: 0 },
    ...(direction && { direction }),
  });
}
