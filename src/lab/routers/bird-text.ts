// A generated router in the words of BIRD 2: bird.conf.
import { familyOf, type Speaker, type SpeakerPeer, type SpeakerRip } from "./speaker.ts";

/** Returns the whole bird.conf of a generated router: it takes and passes on all that it hears. */
export function birdText(speaker: Speaker): string {
  const families = ([4, 6] as const).map((family) => familyPart(speaker, family));
  const sessions = (speaker.bgp?.peers ?? []).map((peer) => session(peer, speaker));
  return [
    `# Generated for router ${speaker.name} of a lab.`,
    "log stderr all;",
    `router id ${speaker.routerId};`,
    "protocol device {}",
    "protocol direct { ipv4; ipv6; }",
    ...families.flat(),
    ...(speaker.rip ? ripPart(speaker.rip) : []),
    ...sessions,
    "",
  ].join("\n");
}

function familyPart({ announce }: Speaker, family: 4 | 6): string[] {
  const prefixes = announce.filter((text) => familyOf(text) === family);
  const heard = "source ~ [ RTS_BGP, RTS_RIP ]";
  const own = prefixes.length === 0 ? "" : `net ~ [ ${prefixes.join(", ")} ] || `;
  return [
    `filter said${family} { if ${own}${heard} then accept; reject; }`,
    // What is only originated here leads nowhere from here, so the kernel does not get it.
    `protocol kernel kernel${family} { ipv${family} { import none; export where ${heard}; }; }`,
    ...(prefixes.length === 0
      ? []
      : [
          `protocol static announced${family} {`,
          `  ipv${family};`,
          ...prefixes.map((prefix) => `  route ${prefix} unreachable;`),
          "}",
        ]),
  ];
}

function ripPart({ interfaces, update, timeout, garbage }: SpeakerRip): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const links = interfaces.filter(({ families }) => families.includes(family));
    if (links.length === 0) return [];
    const times = `update time ${update}; timeout time ${timeout}; garbage time ${garbage};`;
    return [
      `protocol rip ${family === 6 ? "ng " : ""}rip${family} {`,
      `  ipv${family} { import all; export filter said${family}; };`,
      ...links.map(({ name }) => `  interface "${name}" { ${times} };`),
      "}",
    ];
  });
}

function session(peer: SpeakerPeer, { bgp }: Speaker): string {
  const { family, address, range, as, password, passive, multihop } = peer;
  const whom = range === undefined ? `neighbor ${address} as ${as};` : `neighbor range ${range} as ${as};`;
  const lines = [
    `local as ${bgp?.as};`,
    whom,
    ...(range === undefined ? [] : [`dynamic name "${nameOf(peer)}_";`]),
    multihop ? "multihop;" : "direct;",
    ...(passive && range === undefined ? ["passive;"] : []),
    ...(password === undefined ? [] : [`password "${password}";`]),
    "connect delay time 1;",
    "connect retry time 1;",
    "error wait time 1, 1;",
    // To its own AS a router is the next hop for what came from others: they do not know those networks.
    `ipv${family} { import all; export filter said${family};${as === bgp?.as ? " next hop self ebgp;" : ""} };`,
  ];
  return [`protocol bgp ${nameOf(peer)} {`, ...lines.map((line) => `  ${line}`), "}"].join("\n");
}

/** After whom it is with: a session of another name is another session to BIRD. */
function nameOf({ address, range }: SpeakerPeer): string {
  return `peer_${(address ?? range ?? "").replaceAll(/[^0-9a-z]/g, "_")}`;
}
