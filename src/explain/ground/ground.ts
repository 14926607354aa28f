// A network that is known whole, as a lab's is: every machine of it, with its links, routes and open ports. Against it a
// question has a definite answer: what is not there is not there.
import type { Port } from "../ports.ts";

export interface Ground {
  readonly machines: readonly Machine[];
  /** Another program leads pods' hostPorts to them (the portmap plugin), by rules that a look at the machine tells. */
  readonly hostPorts?: boolean;
  /** Pods (`pod/NAMESPACE/NAME`) whose own network somebody has changed, and what of it answers do not follow. */
  readonly pods?: Readonly<Record<string, readonly Oddity[]>>;
}

/** Something that may change what becomes of packets, and that is not followed. */
export interface Oddity {
  /** In words. */
  readonly what: string;
  /** It matters to ICMP echoes only. */
  readonly echo?: true;
}

export interface Machine {
  /** `node/NAME` or `host/NAME`, as answers name it. */
  readonly name: string;
  readonly links: readonly GroundLink[];
  readonly routes: readonly GroundRoute[];
  /** Looked at while it runs: links and routes are what its kernel has, but for routes to its own pods, which plans tell. Else
   * `routes` are those beside the links' own and the planned ones to other nodes' pods. */
  readonly live?: true;
  /** Routing rules (ip-rule(8)) that somebody added, by family: where packets go by them is not followed. */
  readonly rules?: readonly { readonly family: 4 | 6; readonly text: string }[];
  /** Passes on packets that are not for itself. */
  readonly forwards: boolean;
  /** The same of IPv6; absent: as `forwards`. */
  readonly forwards6?: boolean;
  /** What is not followed of it. */
  readonly odd?: readonly Oddity[];
  /** Ranges, beside its addresses, that it takes for its own (`ip route add local`). */
  readonly taken?: readonly string[];
  /** Addresses that mean everybody; absent: the last one of each of its ranges. */
  readonly broadcasts?: readonly string[];
  /** Links, and pods on it by their addresses, with which it speaks as 127.0.0.0/8 as well (`route_localnet`). */
  readonly localnet?: readonly string[];
  /** Networks on which it answers for addresses of others (`proxy_arp`). */
  readonly proxies?: readonly string[];
  /** Single addresses of others for which it may answer on a network (`ip neigh add proxy`). */
  readonly proxied?: readonly { readonly network: string; readonly address: string }[];
  /** How it labels IPv6's addresses where it chooses a source (ip-addrlabel(8)), in its order; absent: as RFC 6724 says. */
  readonly labels?: readonly SourceLabel[];
  /** Of TCP it takes nothing for a connection whose beginning it has not seen (`nf_conntrack_tcp_loose` is 0). */
  readonly strictTcp?: true;
  /** Has a route to every confirmed block of addresses, without being a node. */
  readonly podRoutes: boolean;
  /** Open on all of its addresses; those of hostNetwork pods come on top. */
  readonly ports: readonly Port[];
  /** The addresses that those ports are open on by datagram; absent: all that it has. */
  readonly bound?: readonly string[];
  /** Ranges whose connections it takes; absent: everyone's. */
  readonly admit?: readonly string[];
}

export interface SourceLabel {
  readonly range: string;
  readonly label: number;
  /** For addresses of that link alone, and destinations that are reached by it. */
  readonly link?: string;
}

export interface GroundLink {
  /** Its name on the machine: `eth0`. */
  readonly name?: string;
  /** Somebody has set it down: nobody is reached by it. */
  readonly down?: true;
  /** Machines with links of the same network are neighbours; absent: nobody is there. */
  readonly network?: string;
  /** Its kind, where it leads to somebody that nobody knows: the other end of a tunnel, say. */
  readonly elsewhere?: string;
  /** Id of the provider's interface that it is. */
  readonly interfaceID?: string;
  /** `address/length`, in the kernel's order: that in which it looks for a source. */
  readonly addresses: readonly string[];
  /** Those of them that are not to be the source of anything (RFC 4862, 5.5.4). */
  readonly deprecated?: readonly string[];
  /** IPv6's of this link alone: routes may name them as next hops. */
  readonly linkLocal?: readonly string[];
  /** IPv4's that have the scope of a link or of the host: its own, but never chosen as a source. */
  readonly narrow?: readonly string[];
}

export interface GroundRoute {
  readonly to: string;
  readonly via?: string;
  /** The link's name; absent: the one on whose network `via` is. */
  readonly link?: string;
  /** The address that it says to speak with. */
  readonly source?: string;
  readonly metric?: number;
  /** It leads nowhere, silently or by telling the sender; by several ways, of which the kernel picks one; or to itself. */
  readonly type?: "blackhole" | "unreachable" | "several" | "local";
  /** Next hops beside `via`: the kernel sends each flow by one of them all. */
  readonly others?: readonly { readonly via?: string; readonly link?: string }[];
  /** What it says that is not followed: whether it is for a packet, and what becomes of it, cannot be told. */
  readonly odd?: string;
}

/** A node's link to a pod; which of them is the container's secret. */
export const podLink: GroundLink = { name: "tl*", addresses: [] };

/** Returns the address of `address/length`. */
export function bare(text: string): string {
  return text.split("/")[0] ?? "";
}

/** Returns the name of a node of ours by its machine's; undefined for hosts and routers. */
export function nodeName(machine: string): string | undefined {
  return /^node\/(.*)$/.exec(machine)?.[1];
}

/** Returns the name of the network that a kind of tunnel is for the machines that have its device. */
export function tunnelNetwork(device: string): string {
  return `tunnel ${device}`;
}
