// Open connections of pods past all rules: a flow table (nft(8), FLOWTABLES; the kernel's nf_flowtable) takes packets off a
// link before they are routed, looks up their connection, and sends them out by the other link.
//
// What is handed over is what nobody has anything to say about any more:
// - a connection of TCP or UDP that both ends have spoken in, and that the kernel would not forget for a new one (assured);
// - by a packet that passed the whole forward hook, the rules of others included: our chain comes last;
// - by a packet that a pod sends from an address of its own, so that both ways are known from the packet itself: out by the
//   route that it has just been given, back by the pod's wire. For a packet towards a pod the kernel would have to guess the
//   way of the answers, wrongly where rules or marks choose it;
// - without a mark: marks choose routes (SourceNAT's steering, kube-proxy), and flows have none;
// - not where somebody else's translation is behind it (IPVS): an answer goes on with no other source than the kernel's own
//   translation gives it, or than the first packet was sent to.
//
// The kernel looks flows up by addresses, ports and the link that a packet comes in by: another pod that forges all of them
// comes in by another link, and its packets go the long way, where they are refused. A table of its own: what the kernel
// refuses of it keeps nothing else out of force, and taking it away as a whole forgets all flows in one transaction.
import type { NftFlowLinks, NftSetChange } from "../../kernel/kernel.ts";
import type { NftSet } from "../../kernel/nft/state.ts";
import { flowtableCommands } from "../../kernel/nft/text.ts";
import { FLOW_TABLE } from "../../kernel/own-tables.ts";

/** The flow table's own name. */
export const FLOWS = "flows";
/** Of the links; nothing of anybody's that hangs on the same hook is passed by. */
const INGRESS_PRIORITY = 500;
/** On the forward hook; behind everybody else's chains. */
const FORWARD_PRIORITY = 500;

export const flowPlace = { family: "inet", table: FLOW_TABLE } as const;
const heading = `${flowPlace.family} ${flowPlace.table}`;
const versions = [
  ["4", "ip", "ipv4_addr"],
  ["6", "ip6", "ipv6_addr"],
] as const;

/** A pod's end on the node. */
export interface FlowWire {
  readonly link: string;
  readonly ips: readonly string[];
}

export interface FlowLinks {
  readonly wires: readonly FlowWire[];
  /** The node's own links that lead to and from its pods. */
  readonly uplinks: readonly string[];
}

/** Returns the names of all links whose packets are looked up. */
export function linkNames({ wires, uplinks }: FlowLinks): readonly string[] {
  return [...uplinks, ...wires.map(({ link }) => link)];
}

/** Returns the transaction that shows whether the kernel has flow tables, and leaves nothing behind. */
export function probeText(): string {
  const place = { ...flowPlace, table: `${FLOW_TABLE}-probe` };
  const table = `${place.family} ${place.table}`;
  const lines = [
    `add table ${table}`,
    ...flowtableCommands(place, flowLinks(["lo"])),
    `delete table ${table}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Returns the transaction that makes the table anew, whatever was there; all flows there were go the long way once more. */
export function wholeText(links: FlowLinks): string {
  const sets = keysOf(links);
  const lines = [
    `add table ${heading}`,
    `delete table ${heading}`,
    `add table ${heading}`,
    ...sets.map(({ set, definition }) => `add set ${heading} ${set} { type ${definition.key.join(" . ")}; }`),
    ...flowtableCommands(flowPlace, flowLinks(linkNames(links))),
    ...sets.flatMap(({ set, keys }) =>
      keys.length === 0 ? [] : [`add element ${heading} ${set} { ${keys.join(", ")} }`],
    ),
    `add chain ${heading} flow-forward { type filter hook forward priority ${FORWARD_PRIORITY}; policy accept; }`,
    `add chain ${heading} flow-sent`,
    ...versions.map(
      ([version, ip]) =>
        `add rule ${heading} flow-forward ct state established meta l4proto { tcp, udp } iifname . ${ip} saddr @flow-own${version} goto flow-sent`,
    ),
    `add rule ${heading} flow-sent ct status & assured == 0 return`,
    `add rule ${heading} flow-sent meta mark != 0 return`,
    `add rule ${heading} flow-sent oifname != @flow-links return`,
    `add rule ${heading} flow-sent ct direction original flow add @${FLOWS}`,
    `add rule ${heading} flow-sent ct direction reply ct status & dnat == dnat flow add @${FLOWS}`,
    ...versions.map(
      ([version, ip]) =>
        `add rule ${heading} flow-sent ct direction reply iifname . ct original ${ip} daddr @flow-own${version} flow add @${FLOWS}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}

/** What pods that come and go change: elements, and links of the flow table. */
export interface FlowChange {
  readonly sets: readonly NftSetChange[];
  readonly links: NftFlowLinks;
}

/**
 * Returns what changes for pods that came, and for pods whose links are gone (the kernel itself has taken those out of the
 * flow table, and has forgotten their flows).
 */
export function flowChange(come: readonly FlowWire[], gone: readonly FlowWire[]): FlowChange {
  const left = keysOf({ wires: gone, uplinks: [] });
  const sets = keysOf({ wires: come, uplinks: [] }).map(({ set, definition, keys }, at) => ({
    set,
    definition,
    remove: left[at]?.keys ?? [],
    add: keys.map((key) => [key, ""] as const),
  }));
  return {
    sets: sets.filter(({ remove, add }) => remove.length + add.length > 0),
    links: flowLinks(come.map(({ link }) => link)),
  };
}

/** Returns the transaction that takes all away. */
export function clearText(): string {
  return `add table ${heading}\ndelete table ${heading}\n`;
}

/** The sets and what is in them. */
function keysOf(links: FlowLinks): { set: string; definition: NftSet; keys: readonly string[] }[] {
  return [
    { set: "flow-links", definition: { key: ["ifname"] }, keys: linkNames(links).map(quoted) },
    ...versions.map(([version, , type]) => ({
      set: `flow-own${version}`,
      definition: { key: ["ifname", type] } as const,
      keys: links.wires.flatMap(({ link, ips }) =>
        ips.filter((ip) => ip.includes(":") === (version === "6")).map((ip) => `${quoted(link)} . ${ip}`),
      ),
    })),
  ];
}

function flowLinks(links: readonly string[]): NftFlowLinks {
  return { flowtable: FLOWS, priority: INGRESS_PRIORITY, links };
}

function quoted(name: string): string {
  return `"${name}"`;
}
