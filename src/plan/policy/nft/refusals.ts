// What our rules refuse, and how the kernel tells of it: a log group of our own (nfnetlink_log), asked for only where a
// packet is dropped, so that what passes pays nothing. Each place has a prefix, by which the agent knows it.
//
// The kernel itself limits what it tells, for each pod apart (the element of its link holds a limit) and for the node:
// a pod that is refused a hundred thousand packets a second must cost the agent nothing. Counters count them all.
import type { NftSet } from "../../../kernel/nft/document.ts";

/** Number of our log group: one that nobody else uses, "TL". */
export const LOG_GROUP = 0x544c;
/** Bytes of a packet that are told: both headers, with room for IPv6's extensions. */
const SNAPLEN = 128;
const PREFIX = "trunkline ";

/** Where a packet was refused. */
export const refusalSites = [
  /** By the policies that isolate a pod. */
  "ingress",
  "egress",
  /** A pod sent from an address that is not its own. */
  "forged",
  /** The link is a pod's that the rules have not been told of yet. */
  "unknown-pod",
  /** Towards a pod's link, for an address that no pod has there. */
  "no-pod",
  /** A pod sent to the node's loopback. */
  "loopback",
  /** It belongs to no connection, and does not begin one (nf_conntrack's INVALID). */
  "stray",
  /** A TCP packet in the middle of a connection that is not, or no longer, known: answered by a reset. */
  "cut",
  /** By the security groups of a pod's interface. */
  "group-ingress",
  "group-egress",
  /** It passed: staged policies (manner.ts) would have refused it. */
  "would-ingress",
  "would-egress",
] as const;
export type RefusalSite = (typeof refusalSites)[number];

/** Returns whether a packet passed there that staged policies would have refused. */
export function isStagedSite(site: RefusalSite): boolean {
  return site === "would-ingress" || site === "would-egress";
}

/** Sets of pods' links that count what is refused, and limit what is told. */
export const REFUSED_SET = "pod-refused";
export const DENIED_SETS = { ingress: "policy-denied-in", egress: "policy-denied-out" } as const;

export const refusedLinks: NftSet = { key: ["ifname"], counter: true, limit: { perSecond: 10, burst: 20 } };

/** For the node, whatever number of pods is refused at once. */
const NODE_LIMIT = "limit rate 200/second burst 400 packets";
/** For what no pod's link can be charged with. */
const PLAIN_LIMIT = "limit rate 10/second burst 20 packets";

function tell(site: RefusalSite, limit: string): string {
  return `${limit} log prefix "${PREFIX}${site}" group ${LOG_GROUP} snaplen ${SNAPLEN}`;
}

/**
 * Returns the rule that counts a refusal by its link, and tells of it.
 * @param match what looks the link up, such as `oifname @policy-denied-in`
 * @param log whether the kernel can tell; else it is counted alone
 */
export function countAndTell(site: RefusalSite, match: string, log: boolean): string {
  return log ? `${match} ${tell(site, NODE_LIMIT)}` : match;
}

/** Returns the rule that tells of a refusal where there is no link to count by; none where the kernel cannot tell. */
export function tellOnly(site: RefusalSite, log: boolean, match = ""): string[] {
  return log ? [`${match === "" ? "" : `${match} `}${tell(site, PLAIN_LIMIT)}`] : [];
}

/** Returns the place that a prefix stands for; undefined for others' prefixes. */
export function siteOf(prefix: string): RefusalSite | undefined {
  const word = prefix.startsWith(PREFIX) ? prefix.slice(PREFIX.length) : undefined;
  return refusalSites.find((site) => site === word);
}
