// A packet as our rules look at it.
import type { Ip } from "../../base/ip.ts";

export interface TraceLink {
  readonly name: string;
  /** Link group (IFLA_GROUP); 0 where nobody set one. */
  readonly group: number;
}

/** The first packet of a connection, unless it says otherwise. */
export interface TracePacket {
  readonly source: Ip;
  readonly destination: Ip;
  /** IANA number. */
  readonly protocol: number;
  readonly port?: number;
  readonly sourcePort?: number;
  /** Where it came in; undefined: the machine itself sends it. */
  readonly in?: TraceLink;
  /** Where it goes out; undefined: it is for the machine itself. */
  readonly out?: TraceLink;
  /** Default: new. */
  readonly state?: "new" | "established" | "related" | "invalid" | "untracked";
  /** Default: original. */
  readonly direction?: "original" | "reply";
  /** Default: syn alone. */
  readonly tcpFlags?: readonly string[];
  /** nft's name of the ICMP or ICMPv6 type; default: an echo request. */
  readonly icmpType?: string;
}

/** Thrown where a rule asks for what this reader does not know: then nothing is said about the packet. */
export class NotUnderstood extends Error {
  constructor(what: string) {
    super(`not understood: ${what}`);
  }
}

export const protocolNumbers: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  icmpv6: 58,
  "ipv6-icmp": 58,
  sctp: 132,
};
