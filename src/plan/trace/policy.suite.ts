// A node's rendered rules asked about flows between addresses. Test only; the unit and the kernel's tests share it.
import { parseIp } from "../../base/ip.ts";
import { POD_LINK_GROUP } from "../../kernel/kernel.ts";
import { protocolNumbers, type TraceLink } from "./packet.ts";
import type { TraceTable } from "./table.ts";
import { type TraceResult, trace } from "./trace.ts";

export interface TracedFlow {
  readonly fromIp: string;
  readonly toIp: string;
  /** TCP, UDP, SCTP or ICMP. */
  readonly protocol: string;
  readonly port: number;
}

const uplink: TraceLink = { name: "eth0", group: 0 };

/** What of a node's links and addresses a walk needs. */
export interface TracedNode {
  /** The host end of the wire of the pod that has an address here. */
  readonly podLink: (ip: string) => string | undefined;
  readonly isOwn?: (ip: string) => boolean;
}

/** Walks a flow's first packet through a node: forwarded, for the node itself, or from it. */
export function traceFlow(
  table: TraceTable,
  { fromIp, toIp, protocol, port }: TracedFlow,
  { podLink, isOwn = () => false }: TracedNode,
): TraceResult {
  const source = parseIp(fromIp);
  const name = protocol === "ICMP" && source.family === 6 ? "icmpv6" : protocol.toLowerCase();
  const linkOf = (ip: string): TraceLink => {
    const link = podLink(ip);
    return link === undefined ? uplink : { name: link, group: POD_LINK_GROUP };
  };
  const hooks = isOwn(fromIp) ? ["output"] : ["prerouting", isOwn(toIp) ? "input" : "forward"];
  return trace(table, hooks, {
    source,
    destination: parseIp(toIp),
    protocol: protocolNumbers[name] ?? 0,
    ...(protocol !== "ICMP" && { port }),
    ...(!isOwn(fromIp) && { in: linkOf(fromIp) }),
    ...(!isOwn(toIp) && { out: linkOf(toIp) }),
  });
}
