// rtnetlink's notices of settings below net/ipv4/conf and net/ipv6/conf (linux/netconf.h). Which one was written and to
// what is not read: the file says it better.
import { Attributes, type Message } from "./message.ts";

export const NetconfMessage = { new: 80, delete: 81 } as const;

const NETCONFA_IFINDEX = 1;
const ALL = -1;
const DEFAULT = -2;
/** struct netconfmsg: the family, padded. */
const HEAD = 4;

const attributes = new Attributes();

/** Returns whose setting it is: a link's index, that of all links, or that of links that come later. */
export function readNetconfLink({ bytes, from, to }: Message): number | "all" | "default" {
  attributes.read(bytes, from + HEAD, to);
  const index = (attributes.u32(NETCONFA_IFINDEX) ?? 0) | 0;
  return index === ALL ? "all" : index === DEFAULT ? "default" : index;
}
