// Links to pods, as our own table names them.
import { POD_LINK_GROUP } from "../../kernel/kernel.ts";
import type { TraceLink } from "../../plan/trace/packet.ts";
import type { TraceTable } from "../../plan/trace/table.ts";

/** A pod's link is in the set of addresses that its pod may send from; without one its packets come by no link of ours. */
export function podLinkOf(table: TraceTable, ip: string): TraceLink {
  const own = table.sets.get(ip.includes(":") ? "pod-own6" : "pod-own4") ?? [];
  const found = own.find(({ key }) => key.endsWith(` . ${ip}`));
  const name = found && /^"(\S+)"/.exec(found.key)?.[1];
  return { name: name ?? "unknown", group: POD_LINK_GROUP };
}
