// What rules may ask of a packet.
import type { IpRange } from "../../base/ip.ts";
import type { Maybe } from "./choices.ts";

/** A packet as it is at a hook. */
export interface HookPacket {
  readonly family: 4 | 6;
  /** Several: the kernel has picked one of them for the connection. */
  source: IpRange;
  destination: IpRange;
  /** IANA number. */
  readonly protocol: number;
  /** undefined: one that the sender's kernel picked. */
  port: number | undefined;
  sourcePort: number | undefined;
  /** Of the two ports the one that is not known was picked for the sender's socket: nobody has translated anything on the way. */
  readonly isSocketPort?: boolean;
  /** undefined: not known. */
  mark: number | undefined;
  /** Links that it came in by and leaves by; a name that ends with `*` is one of those. */
  readonly in?: string | undefined;
  readonly out?: string | undefined;
  readonly state: "new" | "established" | "related" | "invalid" | "untracked";
  translated: { readonly dnat: boolean; readonly snat: boolean };
  /** Returns whether an address is the machine's own. */
  readonly isLocal: (address: string) => boolean;
  /** false: it answers (an ICMP echo reply), or is a TCP packet without SYN alone. */
  readonly isFirst: boolean;
  /** Of the other end of the connection than who opened it. */
  readonly isAnswer?: boolean;
  /** Flags that its TCP packets have, some the one and some the other; absent: by `isFirst`. */
  readonly flags?: readonly number[];
  /** Returns whether an address means everybody on a network of the machine (IPv4); absent: not known. */
  readonly isBroadcast?: (address: string) => boolean;
  /** Returns whether the machine would send what is for the packet's source by the link that it came by; absent: not known. */
  readonly hasWayBack?: (packet: HookPacket) => Maybe;
  /** It is an ICMP error message: that the packet does not get there, or that its life is over. */
  readonly error?: IcmpError | undefined;
  /** It is an ICMP message of that type, and neither an echo nor an error. */
  readonly message?: number;
}

export type IcmpError = "unreachable" | "expired";
