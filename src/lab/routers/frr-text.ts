// A generated router in the words of FRR 8: one frr.conf for all of its daemons.
import { familyOf, type Speaker, type SpeakerPeer } from "./speaker.ts";

/** FRR's daemons that a lab runs; zebra, which writes the kernel's table, comes first. */
export const FRR_DAEMONS = ["zebra", "bgpd", "ripd", "ripngd", "staticd"] as const;
export type FrrDaemon = (typeof FRR_DAEMONS)[number];

const NEEDED_BY: readonly (readonly [FrrDaemon, RegExp])[] = [
  ["bgpd", /^\s*router bgp\b/m],
  ["ripd", /^\s*router rip\b/m],
  ["ripngd", /^\s*router ripng\b/m],
  ["staticd", /^\s*(ip|ipv6) route\b/m],
];

/** Returns the daemons that a configuration is for. */
export function daemonsFor(text: string): FrrDaemon[] {
  return ["zebra", ...NEEDED_BY.filter(([, sign]) => sign.test(text)).map(([daemon]) => daemon)];
}

/** Returns the whole frr.conf of a generated router: it takes and passes on all that it hears. */
export function frrText(speaker: Speaker): string {
  return [
    `! Generated for router ${speaker.name} of a lab.`,
    `hostname ${speaker.name}`,
    "service integrated-vtysh-config",
    ...bgpPart(speaker),
    ...ripPart(speaker, 4),
    ...ripPart(speaker, 6),
    "",
  ].join("\n");
}

function bgpPart({ bgp, routerId, announce, rip }: Speaker): string[] {
  if (!bgp) return [];
  const { as, peers } = bgp;
  return [
    `router bgp ${as}`,
    ` bgp router-id ${routerId}`,
    // RFC 8212 would have it pass nothing on without a policy.
    " no bgp ebgp-requires-policy",
    " no bgp default ipv4-unicast",
    " no bgp network import-check",
    ...peers.flatMap((peer, at) => neighbour(peer, groupOf(peer, at)).map((line) => ` ${line}`)),
    ...([4, 6] as const).flatMap((family) => [
      ` address-family ipv${family} unicast`,
      ...announce.filter((text) => familyOf(text) === family).map((prefix) => `  network ${prefix}`),
      ...(rip ? [`  redistribute ${family === 4 ? "rip" : "ripng"}`] : []),
      ...peers.flatMap((peer, at) => (peer.family === family ? spoken(peer, groupOf(peer, at), as) : [])),
      " exit-address-family",
    ]),
    "exit",
  ];
}

/** Whom lines about a peer name: its address, or a group for whoever connects from a range. */
function groupOf(peer: SpeakerPeer, at: number): string {
  return peer.address ?? `RANGE${at + 1}`;
}

/** Returns the lines about one peer, outside its families. */
export function neighbour(peer: SpeakerPeer, whom: string): string[] {
  const { range, as, password, passive, multihop } = peer;
  return [
    ...(range === undefined ? [] : [`neighbor ${whom} peer-group`]),
    `neighbor ${whom} remote-as ${as}`,
    `neighbor ${whom} timers connect 1`,
    ...(password === undefined ? [] : [`neighbor ${whom} password ${password}`]),
    ...(passive ? [`neighbor ${whom} passive`] : []),
    ...(multihop ? [`neighbor ${whom} ebgp-multihop 255`] : []),
    ...(range === undefined ? [] : [`bgp listen range ${range} peer-group ${whom}`]),
  ];
}

function spoken({ as }: SpeakerPeer, whom: string, own: number): string[] {
  return [`  neighbor ${whom} activate`, ...(as === own ? [`  neighbor ${whom} next-hop-self`] : [])];
}

function ripPart({ rip, bgp, announce }: Speaker, family: 4 | 6): string[] {
  const links = rip?.interfaces.filter(({ families }) => families.includes(family)) ?? [];
  if (!rip || links.length === 0) return [];
  return [
    family === 4 ? "router rip" : "router ripng",
    ...(family === 4 ? [" version 2"] : []),
    ` timers basic ${rip.update} ${rip.timeout} ${rip.garbage}`,
    ...links.map(({ name }) => ` network ${name}`),
    ...announce.filter((text) => familyOf(text) === family).map((prefix) => ` route ${prefix}`),
    ...(bgp ? [" redistribute bgp"] : []),
    "exit",
  ];
}

/**
 * Returns the vtysh commands that lead a running router from one generated configuration to another one of the same
 * lab file: of all that it says only its peers among the nodes can have changed.
 */
export function frrChanges(before: Speaker, after: Speaker): string[] {
  const [old, now] = [before.bgp, after.bgp];
  if (!old || !now) return [];
  const named = (peers: readonly SpeakerPeer[]) =>
    new Map(peers.flatMap((peer) => (peer.address === undefined ? [] : [[peer.address, peer] as const])));
  const [were, are] = [named(old.peers), named(now.peers)];
  const gone = [...were.keys()].filter((address) => !are.has(address));
  const come = [...are].filter(([address]) => !were.has(address));
  if (gone.length + come.length === 0) return [];
  return [
    "configure terminal",
    `router bgp ${now.as}`,
    ...gone.map((address) => `no neighbor ${address}`),
    ...come.flatMap(([address, peer]) => [
      ...neighbour(peer, address),
      `address-family ipv${peer.family} unicast`,
      ...spoken(peer, address, now.as).map((line) => line.trim()),
      "exit-address-family",
    ]),
    "end",
  ];
}
