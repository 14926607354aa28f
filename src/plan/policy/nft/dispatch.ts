// The fixed rules by which the first packet of a connection finds what policies say of it: they look up in sets and
// maps whose elements change, and lead to chains made on demand. writer.ts tells how it all hangs together.
import type { NftTable } from "../../../kernel/nft/document.ts";
import { type Direction, directions } from "../types.ts";
import { addressType, type FamilyName, families, noLoopback, notFromPod, notToPod, toNode } from "./guard.ts";
import type { Manner } from "./manner.ts";
import { countAndTell, DENIED_SETS, refusedLinks, tellOnly } from "./refusals.ts";

/** An accepted packet gets its priority back, which carried a class number. */
export const noPriority = "meta priority set none";

export const header = { "4": "ip", "6": "ip6" } as const;

/** Which address of a packet is the local pod's, which its peer's, and where a packet goes that may pass. */
export const sides = {
  ingress: { name: "in", own: "daddr", peer: "saddr", link: "oifname", pass: "accept" },
  egress: { name: "out", own: "saddr", peer: "daddr", link: "iifname", pass: "goto policy-ingress" },
} as const;

/**
 * Sets up what is there as long as policies are on.
 * @param log whether the kernel can tell of refusals (refusals.ts)
 */
export function writeDispatch(table: NftTable, manner: Manner, log: boolean): void {
  writeMaps(table);
  writeEntries(table, manner);
  for (const direction of directions) writeSide(table, direction, manner, log);
  if (!manner.guards) return;
  table.setChain("policy-stray", { rules: [...tellOnly("stray", log), "counter drop"] });
  table.setChain("policy-cut", { rules: [...tellOnly("cut", log), "counter reject with tcp reset"] });
}

/** The sets and maps that are looked up in: who is at each end, and which class may do what. */
function writeMaps(table: NftTable): void {
  for (const family of families) {
    const type = addressType[family];
    table.setSet(`policy-from${family}`, { key: ["ifname", type], value: "verdict" });
    table.setSet(`policy-to${family}`, { key: ["ifname", type], value: "verdict" });
    table.setSet(`policy-self${family}`, { key: [type, type] });
    for (const direction of directions) {
      const { name } = sides[direction];
      table.setSet(`policy-${name}-peer${family}`, { key: [type], value: ["classid"] });
      table.setSet(`policy-${name}-row${family}`, {
        key: ["classid", type],
        value: "verdict",
        counter: true,
      });
      table.setSet(`policy-${name}-port${family}`, {
        key: ["classid", type, "inet_proto", "inet_service"],
        counter: true,
      });
    }
  }
}

/** Where new connections come in: out of pods first, and then into them. */
function writeEntries(table: NftTable, manner: Manner): void {
  table.setChain("policy-forward-new", { rules: manner.forwardNew(table) });
  table.setChain("policy-node-new", {
    rules: [
      `${notFromPod} accept`,
      ...(manner.guards ? [noLoopback] : []),
      "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept",
      "goto policy-egress",
    ],
  });
  const { source, target } = manner.strangers;
  table.setChain("policy-egress", {
    rules: ["iifname . ip saddr vmap @policy-from4", "iifname . ip6 saddr vmap @policy-from6", source],
  });
  table.setChain("policy-ingress", {
    rules: [
      `${notToPod} accept`,
      "oifname . ip daddr vmap @policy-to4",
      "oifname . ip6 daddr vmap @policy-to6",
      `${toNode} accept`,
      target,
    ],
  });
}

/** What is the same for all pods that policies isolate in a direction. */
function writeSide(table: NftTable, direction: Direction, manner: Manner, log: boolean): void {
  const { name, pass } = sides[direction];
  table.setChain(`policy-${name}-open`, { rules: [...manner.stray, pass] });
  for (const family of families) writeClassChain(table, direction, family);
  table.setSet(DENIED_SETS[direction], refusedLinks);
  table.setChain(`policy-refuse-${name}`, {
    rules: [
      "ip saddr . ip daddr @policy-self4 accept",
      "ip6 saddr . ip6 daddr @policy-self6 accept",
      countAndTell(manner.sites[direction], `${sides[direction].link} @${DENIED_SETS[direction]}`, log),
      manner.refuse,
    ],
  });
}

/** The chain for packets whose peer has a class, the number of which is in their priority. */
function writeClassChain(table: NftTable, direction: Direction, family: FamilyName): void {
  const { name, own, pass } = sides[direction];
  const place = `meta priority . ${header[family]} ${own}`;
  table.setChain(`policy-${name}-class${family}`, {
    rules: [
      `${place} . meta l4proto . th dport @policy-${name}-port${family} ${noPriority} ${pass}`,
      `${place} vmap @policy-${name}-row${family}`,
    ],
  });
}
