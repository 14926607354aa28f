// The guard of the addresses that pods send IPv6 from, where the packet comes in. The one in the forward hook comes after the
// kernel's own answers to what it cannot pass on (hop limit used up, too big, no way), and those would go to the address
// that was stolen. A table of family ip6, so that IPv4 does not pay for the hook.
import type { NftTable } from "../../../kernel/nft/document.ts";
import type { LocalEndpoint } from "../../facts.ts";
import { fromPodSource, notFromPod, ownGroups } from "./guard.ts";
import { tellOnly } from "./refusals.ts";

/** Before connection tracking puts fragments together (-400): it answers, too, to those that stay alone. */
const PRIORITY = -450;
const SET = "pod-own6";

/** Returns the elements of the set of pods' addresses, as nft has them. */
export function ownAddresses(endpoints: Iterable<LocalEndpoint>): Map<string, string> {
  const out = new Map<string, string>();
  for (const { interface: link, ips } of endpoints)
    for (const ip of ips) if (ip.includes(":")) out.set(`"${link}" . ${ip}`, "");
  return out;
}

/** Writes the whole table; `log`: whether the kernel can tell of refusals. */
export function writeIpv6Guard(table: NftTable, own: ReadonlyMap<string, string>, log: boolean): void {
  table.setSet(SET, { key: ["ifname", "ipv6_addr"] });
  table.setElements(SET, own);
  table.setChain("pod-prerouting", {
    base: { type: "filter", hook: "prerouting", priority: PRIORITY },
    rules: [
      `${notFromPod} accept`,
      `iifname . ip6 saddr @${SET} accept`,
      `${fromPodSource} accept`,
      ownGroups,
      ...tellOnly("forged", log),
      "counter drop",
    ],
  });
}
