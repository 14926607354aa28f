// A packet that our rules refused, in the words of the cluster: who, whom, by what, and what would help. Pure.
import type { PacketEnds } from "../../kernel/kernel.ts";
import { isStagedSite, type RefusalSite } from "../../plan/policy/nft/refusals.ts";
import type { CompiledPolicy, Direction } from "../../plan/policy/types.ts";
import { helpfulChange, type RefusedFlow, type RefusedPeer } from "./helping.ts";

export interface RefusedEnd {
  /** `pod/NAMESPACE/NAME`, `node/NAME`, `host/NAME`; null: nobody that the objects know has the address. */
  readonly name: string | null;
  readonly address: string;
}

/** Who refused: policies, a guard of addresses, the state of connections, or security groups; staged: nobody yet. */
export interface RefusedBy {
  readonly kind: "policy" | "guard" | "connection" | "group" | "staged";
  readonly site: RefusalSite;
  /** `namespace/name` of the policies that isolate the pod in this direction; of kind staged, those that would. */
  readonly policies: readonly string[];
}

/** One flow that was refused: packets between the same ends are told once a minute, with their number. */
export interface Refusal {
  /** RFC 3339. */
  readonly first: string;
  last: string;
  /** How many were told; the kernel tells of some of many. */
  packets: number;
  readonly node: string;
  readonly direction: Direction;
  readonly from: RefusedEnd;
  readonly to: RefusedEnd;
  /** `80/tcp`; a protocol's name or number where there is no port. */
  readonly port: string;
  readonly by: RefusedBy;
  /** Why, in one sentence. */
  readonly reason: string;
  /** What would let it in; null where nothing should. */
  readonly help: string | null;
}

const protocolNames: Readonly<Record<number, string>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmpv6",
  132: "sctp",
};

/** Returns `80/tcp`, `icmp`, `47`. */
export function portText({ protocol, port }: Pick<PacketEnds, "protocol" | "port">): string {
  const name = protocolNames[protocol] ?? `${protocol}`;
  return port === undefined ? name : `${port}/${name}`;
}

/** Which way a packet goes that was refused there, seen from the pod. */
export function directionOf(site: RefusalSite, outByPod: boolean): Direction {
  switch (site) {
    case "ingress":
    case "group-ingress":
    case "would-ingress":
    case "no-pod":
      return "ingress";
    case "egress":
    case "group-egress":
    case "would-egress":
    case "forged":
    case "unknown-pod":
    case "loopback":
      return "egress";
    case "stray":
    case "cut":
      return outByPod ? "ingress" : "egress";
  }
}

/** What is known of a refused packet when it is told. */
export interface RefusedPacket {
  readonly time: string;
  readonly node: string;
  readonly site: RefusalSite;
  readonly direction: Direction;
  readonly ends: PacketEnds;
  readonly from: RefusedEnd;
  readonly to: RefusedEnd;
  /** The pod whose link it came in by or was to leave by. */
  readonly self: RefusedFlow["self"] | undefined;
  /** That pod's key, also where its object is not known. */
  readonly selfKey: string | undefined;
  readonly peer: RefusedPeer;
  /** The policies that isolate it in this direction, now. */
  readonly policies: readonly CompiledPolicy[];
}

/** Words a refused packet. */
export function refusalOf(packet: RefusedPacket): Refusal {
  const { time, node, direction, from, to, ends } = packet;
  return {
    first: time,
    last: time,
    packets: 1,
    node,
    direction,
    from,
    to,
    port: portText(ends),
    ...judged(packet),
  };
}

function judged(packet: RefusedPacket): Pick<Refusal, "by" | "reason" | "help"> {
  const { site, self, selfKey, policies, direction, peer, ends } = packet;
  const pod = selfKey === undefined ? "a pod" : `pod ${selfKey}`;
  const keys = policies.map(({ key }) => key);
  const guard = (reason: string, help: string | null) => ({
    by: { kind: "guard" as const, site, policies: [] },
    reason,
    help,
  });
  switch (site) {
    case "ingress":
    case "egress":
    case "would-ingress":
    case "would-egress": {
      const isStaged = isStagedSite(site);
      const by = { kind: isStaged ? ("staged" as const) : ("policy" as const), site, policies: keys };
      if (self === undefined || policies.length === 0)
        return {
          by,
          reason: `${pod} ${isStaged ? "would have been" : "was"} isolated for ${direction}; it is not any more, or is gone`,
          help: null,
        };
      const protocol = (protocolNames[ends.protocol] ?? `${ends.protocol}`).toUpperCase();
      const many = policies.length > 1;
      return {
        by,
        reason: `${pod} ${isStaged ? "would be" : "is"} isolated for ${direction} by ${keys.join(", ")}, and no rule of ${many ? "theirs" : "it"} allows this`,
        help: helpfulChange({ direction, self, peer, protocol, port: ends.port, policies }),
      };
    }
    case "forged":
      return guard(`${pod} sent from an address that is not its own`, null);
    case "unknown-pod":
      return guard("the pod's link has no rules yet: until then it passes nothing", "wait until it is ready");
    case "no-pod":
      return guard("no pod on this node has the address: it is gone, or not there yet", null);
    case "loopback":
      return guard(`${pod} sent to the loopback of its node, which is nobody else's`, null);
    case "stray":
    case "cut":
      return {
        by: { kind: "connection", site, policies: [] },
        reason:
          site === "cut"
            ? "it belongs to no connection that is known, or to one that was cut when it was no longer allowed; answered by a reset"
            : "connection tracking calls it invalid",
        help: site === "cut" ? "connect anew" : null,
      };
    case "group-ingress":
    case "group-egress":
      return {
        by: { kind: "group", site, policies: [] },
        reason: `no rule of the security groups of the pod's interface allows it (${direction})`,
        help: `a rule in one of them, ${direction}, for ${peer.ip} on ${portText(ends)}`,
      };
  }
}
