// The guard of the addresses that pods send from, and the chains through which the kernel calls it and the policies.
// writer.ts tells how it all hangs together.
import { POD_LINK_GROUP, POD_LINK_GROUP_MASK } from "../../../kernel/kernel.ts";
import type { NftTable, NftType } from "../../../kernel/nft/document.ts";
import { countAndTell, REFUSED_SET, refusedLinks, tellOnly } from "./refusals.ts";

const hex = (value: number): string => `0x${value.toString(16)}`;
const group = (side: "iifgroup" | "oifgroup", operator: "==" | "!="): string =>
  `${side} & ${hex(POD_LINK_GROUP_MASK)} ${operator} ${hex(POD_LINK_GROUP)}`;

/**
 * By the group that our links are in from their first moment on, and not by name: somebody else's may begin with the same
 * letters, and a link that no agent has told the rules of yet must pass nothing.
 */
export const fromPod = group("iifgroup", "==");
export const notFromPod = group("iifgroup", "!=");
/** A packet that goes out by no interface, as what is for the node itself, is none of these: `toNode`. */
export const notToPod = group("oifgroup", "!=");
export const toNode = "oif 0";
const passState = "ct state established,related accept";
/** The other way round: a packet that passes ends with its chain, which is one step less than to accept it. */
export const onlyNew = (target: string): string => `ct state & (established | related) == 0 goto ${target}`;

/**
 * All but IPv4 without options, which begins with just this byte (version 4, five words of header): every packet pays
 * for the question, and a whole byte is loaded and compared without a call, unlike `meta nfproto` or the version's four
 * bits. IPv4 with options is asked along, which does no harm.
 */
const notPlainIpv4 = "@nh,0,8 != 0x45 ";

export const families = ["4", "6"] as const;
export type FamilyName = (typeof families)[number];
export const addressType = { "4": "ipv4_addr", "6": "ipv6_addr" } as const satisfies Record<
  FamilyName,
  NftType
>;

/** The base chains where policies are off. */
export const bareChains = ["pod-forward", "pod-input"] as const;

/** What the node's settings do for the guard of addresses. */
export interface GuardSettings {
  /** The kernel itself drops IPv4 packets that come in by a pod's link from an address that is not routed there. */
  readonly reversePath: boolean;
}

/** What a pod may send from other addresses than its own: it must find its gateway. */
export const fromPodSource =
  "ip6 saddr { ::, fe80::/10 } icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }";

/** A pod's kernel tells of its multicast groups by itself (MLD): nothing that anybody would ask about. */
export const ownGroups = "ip6 saddr { ::, fe80::/10 } ip6 daddr ff00::/8 drop";
/** And so does the node's. */
const nodesGroups = ["ip6 daddr ff00::/8 drop", "ip daddr 224.0.0.0/4 drop"];

/** Where packets go that the guard refuses. */
export const refusedSource = "goto pod-refused-source";
export const refusedTarget = "goto pod-refused-target";

/**
 * Sets up what guards addresses: it stays when policies are switched off.
 * @param log whether the kernel can tell of refusals (refusals.ts)
 */
export function writeGuard(table: NftTable, log: boolean): void {
  for (const family of families) table.setSet(`pod-own${family}`, { key: ["ifname", addressType[family]] });
  table.setSet(REFUSED_SET, refusedLinks);
  table.setChain("pod-refused-source", {
    rules: [
      ownGroups,
      countAndTell("forged", `iifname @${REFUSED_SET}`, log),
      ...tellOnly("unknown-pod", log, `iifname != @${REFUSED_SET}`),
      "counter drop",
    ],
  });
  table.setChain("pod-refused-target", {
    rules: [...nodesGroups, ...tellOnly("no-pod", log), "counter drop"],
  });
  table.setChain("pod-refused-loopback", {
    rules: [countAndTell("loopback", `iifname @${REFUSED_SET}`, log), "counter drop"],
  });
  table.setChain("pod-source", {
    rules: [
      "iifname . ip saddr @pod-own4 return",
      "iifname . ip6 saddr @pod-own6 return",
      `${fromPodSource} return`,
      refusedSource,
    ],
  });
  table.setChain("pod-output", {
    base: { type: "filter", hook: "output", priority: -10 },
    rules: [
      `${notToPod} accept`,
      passState,
      // A pod has one way only; what makes the node think of another is a packet with a stolen address.
      "icmpv6 type nd-redirect drop",
      "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
      "oifname . ip daddr @pod-own4 accept",
      "oifname . ip6 daddr @pod-own6 accept",
      refusedTarget,
    ],
  });
}

/**
 * The node's loopback is nobody else's. The kernel sees to that, but not on links with `route_localnet`, which portmap
 * sets on those of pods with a hostPort (so that the node reaches it by 127.0.0.1).
 */
export const noLoopback = `${fromPod} ip daddr 127.0.0.0/8 goto pod-refused-loopback`;

const ownSource = "jump pod-source";
/** What others send the node itself is no business of policies: packets of tunnels, above all, have one rule here. */
const podsOwn = [`${notFromPod} accept`, ownSource];

/** Without policies: the guard alone, asked for every packet from a pod. */
export function writeBareGuard(table: NftTable): void {
  for (const [hook, rules] of [
    ["forward", [`${fromPod} ${ownSource}`]],
    // What answers the node is no stranger.
    ["input", [...podsOwn, passState, noLoopback]],
  ] as const)
    table.setChain(`pod-${hook}`, { base: { type: "filter", hook, priority: -20 }, rules });
}

/** The chains that the kernel calls. */
export function writeHooks(table: NftTable, { reversePath }: GuardSettings): void {
  // To the node itself the rule is asked in any case: UDP that fits a connected socket of the node's is given to it
  // without a look-up (net.ipv4.udp_early_demux), and without that there is no check of the reverse path.
  for (const [name, hook, source] of [
    ["policy-forward", "forward", [`${reversePath ? notPlainIpv4 : ""}${fromPod} ${ownSource}`]],
    ["policy-node", "input", podsOwn],
  ] as const)
    table.setChain(name, {
      base: { type: "filter", hook, priority: -20 },
      rules: [...source, onlyNew(`${name}-new`)],
    });
}
