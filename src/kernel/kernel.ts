// The one door to Linux. A Kernel is a handle on one network namespace; a Machine makes namespaces and handles.
// Two implementations run one suite (kernel.suite.ts): linux/ (FFI) and fake/ (memory, with the kernel's own rules),
// so that everything above can be tested without root.
//
// Quick requests are synchronous: rtnetlink answers in the sender's context within some 10 µs. What makes the kernel
// wait (removing links and namespaces, nftables transactions) returns a promise and never blocks the event loop.
//
// Long because it is the whole interface on one page: types, and what they promise; nothing here runs.

import type { NftSet } from "./nft/state.ts";

/** Names a network namespace: a name below /run/netns, a path, or this process's own. */
export type NetnsRef = { readonly name: string } | { readonly path: string } | "self";

export interface Machine {
  /**
   * Makes a namespace with its loopback up and returns a path to it. @throws `kernel.exists`
   * @param mark the loopback's alias, there before the name is: tells whose it is
   */
  createNetns(name: string, mark?: string): string;
  /** Removes a namespace and all in it; succeeds if it is gone already. */
  removeNetns(name: string): Promise<void>;
  /** Names below /run/netns. */
  listNetns(): string[];
  /** Opens a handle. It keeps working when the namespace's name is removed. @throws `kernel.no-netns` */
  open(ref: NetnsRef): Kernel;
  /** An id of the namespace itself (its inode), to see whether two paths are the same one. */
  identityOf(ref: NetnsRef): string;
}

export interface Kernel {
  readonly links: Links;
  readonly addresses: Addresses;
  readonly routes: Routes;
  readonly rules: Rules;
  readonly neighbours: Neighbours;
  readonly rateLimits: RateLimits;
  readonly sysctl: Sysctl;
  readonly nft: Nft;
  readonly conntrack: Conntrack;
  readonly sockets: Sockets;
  /**
   * Hears of the packets that rules tell a log group of (`log group N` in nftables), some 100 ms later. A group has one
   * listener. `lost`: how many were told before these and not heard.
   * @throws `kernel.refused` where the kernel has no such log, `kernel.permission` where another listens
   */
  packetLog(group: number, onPackets: (packets: readonly LoggedPacket[], lost: number) => void): PacketLog;
  /** Returns the text of /proc/net/netstat: what the namespace counts of IP and TCP. */
  netstat(): string;
  /** Returns how many IPsec policies the namespace has; 0 where the kernel knows none. @throws `kernel.refused` */
  ipsecPolicies(): number;
  /**
   * Makes changes in this order, by one request on another thread: the kernel's lock for network settings is held for
   * milliseconds by whoever makes or removes a link. All are tried. @throws (rejects) the first one's refusal
   */
  apply(changes: readonly Change[]): Promise<void>;
  /** Tells of changes by anybody in this namespace until `stop` is called. Overflow is told as kind "lost": re-read all. */
  watch(groups: readonly EventGroup[], onEvent: (event: KernelEvent) => void): { stop(): void };
  /** Frees descriptors. Using the handle afterwards throws `kernel.closed`. */
  close(): void;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  /** "veth", "bridge", "vxlan", …; undefined for loopback and hardware. */
  readonly kind: string | undefined;
  readonly mac: string | undefined;
  /** Bytes. */
  readonly mtu: number;
  readonly up: boolean;
  /** Has carrier. */
  readonly running: boolean;
  /** Nobody is asked for hardware addresses by it, and nobody who asks is answered (IFF_NOARP). */
  readonly noArp?: true;
  /** For veth: the peer's index in its namespace; for vlan, macvlan, vxlan: the lower device. */
  readonly lower: number | undefined;
  readonly master: number | undefined;
  readonly alias: string | undefined;
  /** 0 where nobody has put it into one. */
  readonly group: number;
  readonly addressGeneration: "none" | "eui64" | undefined;
  /** For vxlan. */
  readonly vxlan?: VxlanOptions;
}

export interface VxlanOptions {
  readonly id: number;
  readonly port: number;
  readonly local?: string;
  readonly learning: boolean;
}

interface NewLinkCommon {
  readonly name: string;
  readonly mac?: string;
  readonly mtu?: number;
  readonly alias?: string;
  /** In force from the link's first moment on. */
  readonly group?: number;
  readonly up?: boolean;
  /** Where the link is made; default: this namespace. Made there at once, so no name is ever taken here. */
  readonly netns?: NetnsRef;
}

export type NewLink =
  | (NewLinkCommon & {
      readonly kind: "veth";
      readonly peer: {
        readonly name: string;
        readonly netns?: NetnsRef;
        readonly mac?: string;
        readonly mtu?: number;
        readonly up?: boolean;
      };
      readonly txQueues?: number;
    })
  | (NewLinkCommon & { readonly kind: "bridge" })
  | (NewLinkCommon & { readonly kind: "dummy" })
  | (NewLinkCommon & { readonly kind: "ifb" })
  | (NewLinkCommon & { readonly kind: "vlan"; readonly lower: number; readonly vlanId: number })
  | (NewLinkCommon & {
      readonly kind: "macvlan";
      readonly lower: number;
      readonly mode: "private" | "bridge";
    })
  | (NewLinkCommon & { readonly kind: "vxlan"; readonly vxlan: VxlanOptions })
  /** With any other end. A kernel that has it makes `tunl0` by itself, in every namespace. */
  | (NewLinkCommon & { readonly kind: "ipip" });

/** A link that takes one request to make: in the handle's own namespace (a peer may be elsewhere), and down. */
export type PlainLink = NewLink & {
  readonly alias?: never;
  readonly netns?: never;
  readonly peer?: { readonly up?: never };
};

export interface LinkIpv4Settings {
  readonly proxyArp?: boolean;
  readonly forwarding?: boolean;
  /** rp_filter (RFC 3704): strict takes only packets whose source the link itself leads to; the larger of this and `all` counts. */
  readonly reversePath?: "off" | "strict" | "loose";
}

export interface LinkChange {
  readonly name?: string;
  readonly mac?: string;
  readonly mtu?: number;
  readonly up?: boolean;
  /** Index of the bridge, or 0 to leave it. */
  readonly master?: number;
  readonly alias?: string;
  readonly group?: number;
  readonly netns?: NetnsRef;
  readonly addressGeneration?: "none" | "eui64";
  /** The link's own IPv4 settings (net/ipv4/conf/LINK/…): much quicker than by sysctl, since no file is opened. */
  readonly ipv4?: LinkIpv4Settings;
}

/** A link's own settings below net/ipv4/conf and net/ipv6/conf, named and worded as there; a family that it does not speak has none. */
export type LinkSettings = Readonly<Record<4 | 6, Readonly<Record<string, string>>>>;

export interface LinkWithSettings extends Link {
  readonly settings: LinkSettings;
}

export interface Links {
  list(): Link[];
  /**
   * The same in as many reads, with those of its settings that are set on pods' host ends: proxy_arp, forwarding and rp_filter of
   * IPv4, disable_ipv6, accept_dad, accept_ra and proxy_ndp of IPv6.
   */
  listWithSettings(): LinkWithSettings[];
  get(nameOrIndex: string | number): Link | undefined;
  /** Returns the new link (with its index). @throws `kernel.exists`, `kernel.refused` */
  add(link: NewLink): Link;
  /** The same on another thread, for who has more to do meanwhile: making a link takes the kernel a millisecond. */
  make(link: PlainLink): Promise<Link>;
  change(nameOrIndex: string | number, change: LinkChange): void;
  /** Switches features by ethtool's names, such as `tx-checksum-ip-generic`; those that depend on them follow. */
  setFeatures(nameOrIndex: string | number, features: Readonly<Record<string, boolean>>): void;
  /** Removes a link; the kernel waits some 20 ms, so this runs on another thread. Succeeds if it is gone already. */
  remove(nameOrIndex: string | number): Promise<void>;
}

/** What `Kernel.apply` does: change a link, add an address, add or replace a route, a neighbour or a rate limit. */
export type Change =
  | { readonly kind: "link"; readonly index: number; readonly to: Omit<LinkChange, "netns"> }
  | { readonly kind: "address"; readonly address: LinkAddress }
  | { readonly kind: "route"; readonly route: Route }
  | { readonly kind: "neighbour"; readonly neighbour: Neighbour }
  | { readonly kind: "rate-limit"; readonly limit: RateLimit };

export interface LinkAddress {
  readonly linkIndex: number;
  /** `address/length` */
  readonly address: string;
  readonly scope: "global" | "link" | "host";
  readonly broadcast?: string;
  /** IPv6: no duplicate address detection. */
  readonly noDad?: boolean;
  /**
   * Seconds after which the kernel takes the address away; adding it again starts them anew. Such an address is never
   * the source of new connections by the kernel's own choice (preferred lifetime 0).
   */
  readonly validSeconds?: number;
  /** In lists only: not to be the source of anything new (RFC 4862, 5.5.4). */
  readonly deprecated?: true;
  /** In lists only: not its own yet, or never, because somebody else on the link has it (RFC 4862, 5.4). */
  readonly tentative?: true;
}

/** An entry of the policy table by which sources of IPv6 are chosen (RFC 6724, 2.1; ip-addrlabel(8)). */
export interface AddressLabel {
  readonly range: string;
  readonly label: number;
  /** For addresses of that link alone. */
  readonly linkIndex?: number;
}

export interface Addresses {
  list(linkIndex?: number): LinkAddress[];
  /** Returns the labels in the kernel's order: the first that fits an address is its own. None where there is no IPv6. */
  labels(): AddressLabel[];
  add(address: LinkAddress): void;
  remove(address: LinkAddress): void;
}

export type RouteType =
  | "unicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  | "local"
  | "broadcast"
  | "multicast"
  | "anycast"
  /** As if the table had no route: the next routing rule is asked. */
  | "throw";

export interface Route {
  readonly family: 4 | 6;
  /** `address/length`; the default route is `0.0.0.0/0` or `::/0`. */
  readonly destination: string;
  readonly type: RouteType;
  /** Next hop; undefined where the destination is on the link. */
  readonly via?: string;
  readonly linkIndex?: number;
  readonly source?: string;
  readonly scope?: "universe" | "link" | "host";
  /** rtnetlink protocol number: who made it. Ours: see ROUTE_PROTOCOL. */
  readonly protocol: number;
  readonly table: number;
  readonly metric?: number;
  readonly mtu?: number;
  /** The next hop is on the link although no route says so (for 169.254.1.1). */
  readonly onlink?: boolean;
  /** In lists only, where there are several: all next hops that live. `via` and `linkIndex` are those of the first that is written. */
  readonly nextHops?: readonly NextHop[];
  /** In lists only: what else it says of the packets that it is for or of what becomes of them, in ip-route(8)'s words. */
  readonly beyond?: readonly string[];
}

export interface NextHop {
  readonly via?: string;
  readonly linkIndex?: number;
  readonly onlink?: boolean;
}

/** Our mark on routes, so that a restarted agent without memory knows them. Not used by any daemon in rt_protos. */
export const ROUTE_PROTOCOL = 84;
export const MAIN_TABLE = 254;

/**
 * The group of pods' links, which the kernel sets when it makes them: by it the rules know a pod's link from all others,
 * also while no agent lives. All groups with the same upper half are ours: a link that is about to go is in another one.
 */
export const POD_LINK_GROUP = 0x544c0000;
export const POD_LINK_GROUP_MASK = 0xffff0000;

export interface RouteFilter {
  readonly family?: 4 | 6;
  readonly protocol?: number;
  readonly table?: number;
}

export interface Routes {
  /** Dumps routes; by default those of the main table, both families. */
  list(filter?: RouteFilter): Route[];
  add(route: Route): void;
  /** Adds or replaces the route with the same destination, table and metric. */
  replace(route: Route): void;
  /** Succeeds if it is gone already. */
  remove(route: Route): void;
  /** Which route the kernel would take. @throws `kernel.refused` (unreachable) */
  lookup(query: { to: string; from?: string; incoming?: number; mark?: number }): Route;
}

export interface Rule {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly from?: string;
  readonly to?: string;
  readonly incoming?: string;
  readonly mark?: { value: number; mask: number };
  /** Routes of the table with a prefix of at most so many bits do not count. */
  readonly suppressPrefixLength?: number;
  /** It names no table but refuses packets, or leads elsewhere. Only ever somebody else's. */
  readonly other?: true;
  /** 0 for such a one. */
  readonly table: number;
  readonly protocol: number;
}

export interface Rules {
  list(family?: 4 | 6): Rule[];
  add(rule: Rule): void;
  remove(rule: Rule): void;
}

export interface Neighbour {
  readonly linkIndex: number;
  readonly address: string;
  readonly mac?: string;
  readonly state: "permanent" | "reachable" | "stale" | "incomplete" | "failed" | "noarp" | "other";
  /** Answers for this address although it is elsewhere (proxy ARP/ND entry). */
  readonly proxy?: boolean;
  /** A bridge or vxlan forwarding entry, keyed by mac. */
  readonly fdb?: boolean;
}

export interface Neighbours {
  list(options?: { linkIndex?: number; fdb?: boolean; proxy?: boolean }): Neighbour[];
  replace(neighbour: Neighbour): void;
  remove(neighbour: Neighbour): void;
}

/** A token bucket (tc-tbf(8)) as the root queue of a link: what is sent out by it is no faster. */
export interface RateLimit {
  readonly linkIndex: number;
  readonly bytesPerSecond: number;
  /** Bytes that may go at once after a silence; at least a whole frame. */
  readonly burst: number;
  /** Bytes that may wait, the burst included; what is beyond is dropped. */
  readonly queue: number;
}

export interface RateLimitState extends Omit<RateLimit, "burst"> {
  /** Since the limit was made. */
  readonly sentBytes: number;
  /** Packets. */
  readonly drops: number;
}

/** Limits of ours, known by their handle. They are put by `Kernel.apply`, and go with their link. */
export interface RateLimits {
  list(): RateLimitState[];
  /** Queues of others that may drop or hold packets, or that have filters: not those that every link may have by itself. */
  others(): { readonly linkIndex: number; readonly kind: string }[];
  /** Succeeds if there is none. */
  remove(linkIndex: number): void;
}

export interface Sysctl {
  /** Dotted by '/': `net/ipv4/conf/eth0/proxy_arp`. */
  get(key: string): string;
  /** Writes only where the value differs. @throws `kernel.sysctl` */
  set(key: string, value: string | number): void;
}

/** A table by its family and name. */
export interface NftHeading {
  readonly family: "inet" | "ip" | "ip6" | "netdev" | "bridge";
  readonly table: string;
}

/** What changes in one set or map: keys as nft writes them, with their values where it is a map. */
export interface NftSetChange {
  readonly set: string;
  readonly definition: NftSet;
  /** Each must be there. */
  readonly remove: readonly string[];
  /** Value: "" in plain sets. */
  readonly add: readonly (readonly [key: string, value: string])[];
}

/** Links that a flow table is to have besides those that it has. */
export interface NftFlowLinks {
  /** Its name; it must be there, on the hook ingress. */
  readonly flowtable: string;
  readonly priority: number;
  readonly links: readonly string[];
}

/** Names of what a table in the kernel is made of. */
export interface NftPresent {
  readonly chains: readonly string[];
  readonly sets: readonly string[];
  readonly maps: readonly string[];
}

export interface Nft {
  /** Runs nft commands as one transaction: all or nothing. @throws `kernel.nft` with nft's own text. */
  run(commands: string): Promise<void>;
  /**
   * Removes and adds elements of a table's sets and maps as one transaction: all or nothing, removals first, links of a flow
   * table last. It looks at nothing else of the table, however much there is, unlike `run`. @throws `kernel.nft`
   */
  change(table: NftHeading, changes: readonly NftSetChange[], links?: NftFlowLinks): Promise<void>;
  /**
   * Returns what a table has, undefined where there is none. Neither rules nor elements are read, of this table or any
   * other, unlike for `list`.
   */
  present(table: NftHeading): Promise<NftPresent | undefined>;
  /** Returns whether a chain is there; looks at nothing else. */
  hasChain(table: NftHeading, chain: string): Promise<boolean>;
  /** Runs a `list …` command and returns the JSON output's `nftables` array; undefined where the object is missing. */
  list(command: string): Promise<readonly Record<string, unknown>[] | undefined>;
  /** Runs a `list …` command and returns nft's text; undefined where the object is missing. */
  text(command: string): Promise<string | undefined>;
}

export interface ConntrackFlow {
  readonly family: 4 | 6;
  /** IANA protocol number. */
  readonly protocol: number;
  readonly original: FlowTuple;
  readonly reply: FlowTuple;
  readonly mark: number;
  readonly zone: number;
  /** For TCP: "ESTABLISHED", … */
  readonly state?: string;
  readonly id: number;
}

export interface FlowTuple {
  readonly source: string;
  readonly destination: string;
  /** 0 where the protocol has none. */
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export interface Conntrack {
  list(filter?: { family?: 4 | 6; address?: string }): Promise<ConntrackFlow[]>;
  /** Forgets one connection; succeeds if it is gone already. */
  remove(flow: ConntrackFlow): void;
}

/** Sockets that live in this namespace; the descriptors are handed to node:net and node:dgram. */
export interface Sockets {
  /** A listening TCP socket (backlog 128). @returns a descriptor */
  listenTcp(address: string, port: number): number;
  /** A non-blocking connect under way. @returns a descriptor */
  connectTcp(address: string, port: number, from?: string): number;
  /** `allErrors`: connected, it is also told of ICMP errors that the kernel takes for passing ones (no route). */
  bindUdp(address: string, port: number, allErrors?: boolean): number;
  /** A raw socket of an IP protocol (SCTP = 132), non-blocking, for send and receive below; `ends`: only for packets between these. */
  openRaw(family: 4 | 6, protocol: number, ends?: { readonly from?: string; readonly to?: string }): number;
  sendRaw(fd: number, to: string, packet: Uint8Array): void;
  /** Calls back for each packet until `stop`. IPv4 packets start at the IP header, IPv6 ones at the payload. */
  receiveRaw(fd: number, onPacket: (packet: Uint8Array, from: string) => void): { stop(): void };
  /** A packet(7) socket for whole Ethernet frames of one link (0: of all links), by default of every type; non-blocking. */
  openPacket(linkIndex?: number, etherType?: number): number;
  sendPacket(fd: number, linkIndex: number, frame: Uint8Array): void;
  /** Calls back for each frame, also those that this namespace sends, until `stop`. */
  receivePackets(fd: number, onFrame: (frame: CapturedFrame) => void): { stop(): void };
  close(fd: number): void;
}

export interface PacketLog {
  stop(): void;
}

export interface LoggedPacket {
  /** The rule's. */
  readonly prefix: string;
  /** Index of the link that it came in by, or is to leave by; undefined where the hook knows of none. */
  readonly inLink: number | undefined;
  readonly outLink: number | undefined;
  /** Counts the group's packets. */
  readonly sequence: number;
  /** undefined: no IP header could be read. */
  readonly ends: PacketEnds | undefined;
}

export interface PacketEnds {
  readonly source: string;
  readonly destination: string;
  /** IANA number. */
  readonly protocol: number;
  /** Those of TCP, UDP, SCTP and the like; absent where the packet has none, as later fragments. */
  readonly sourcePort?: number;
  readonly port?: number;
}

export interface CapturedFrame {
  readonly linkIndex: number;
  /** "other": seen, but meant for somebody else's hardware address. */
  readonly direction: "in" | "out" | "other";
  readonly bytes: Uint8Array;
}

export type EventGroup = "link" | "address" | "route" | "rule" | "neighbour" | "nftables" | "setting";

export type KernelEvent =
  | {
      readonly kind: "link";
      readonly change: "new" | "gone";
      readonly index: number;
      readonly name: string;
      readonly up: boolean;
      readonly group: number;
    }
  | { readonly kind: "address"; readonly change: "new" | "gone"; readonly address: LinkAddress }
  | { readonly kind: "route"; readonly change: "new" | "gone"; readonly route: Route }
  | { readonly kind: "rule"; readonly change: "new" | "gone" }
  | { readonly kind: "neighbour"; readonly change: "new" | "gone" }
  /** Somebody wrote forwarding, rp_filter, proxy_arp or their like; of all links and of later ones, or of one link. */
  | { readonly kind: "setting"; readonly link: number | "all" | "default" }
  /** A transaction on a table; `byUs` where this handle's own nft made it. */
  | { readonly kind: "nftables"; readonly table: string | undefined; readonly byUs: boolean }
  | { readonly kind: "lost" };
