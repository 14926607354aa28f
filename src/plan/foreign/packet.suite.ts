// A packet for tests of what others' rules make of it.
import { type IpRange, parseIp } from "../../base/ip.ts";
import type { HookPacket } from "./hook-packet.ts";

export function one(text: string): IpRange {
  const { family, value } = parseIp(text);
  return { family, first: value, last: value };
}

/** The first packet of a TCP connection that a node passes on. */
export const passed: HookPacket = {
  family: 4,
  source: one("10.1.0.5"),
  destination: one("172.17.0.9"),
  protocol: 6,
  port: 80,
  sourcePort: undefined,
  mark: 0,
  in: "tl*",
  out: "eth0",
  state: "new",
  translated: { dnat: false, snat: false },
  isLocal: (address) => address === "192.168.18.11",
  isFirst: true,
};
