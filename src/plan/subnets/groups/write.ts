// The groups of a node's pods as nftables state. Asked of new connections that are forwarded: what a node
// and its own pods say to each other is not looked at, nor what two of its pods do neither of which has an interface to
// itself (their traffic leaves by no interface).
//
// Address to chain, one map a direction; pods with the same groups share a chain. Ranges are rules, members of groups are
// sets, which change as interfaces come and go.
import { createHash } from "node:crypto";
import { formatCidr } from "../../../base/ip.ts";
import type { NftTable } from "../../../kernel/nft/document.ts";
import { groupsChain, hookGroups } from "../../policy/nft/groups-hook.ts";
import { fromPod } from "../../policy/nft/guard.ts";
import { tellOnly } from "../../policy/nft/refusals.ts";
import type { GroupDirection, GroupRule, SecurityGroups } from "./model.ts";

/** A pod's end on this node. */
export interface GroupedPod {
  /** IPv4. */
  readonly address: string;
  /** Of the interface that the address stands on; empty for addresses of pools. */
  readonly groups: readonly string[];
  /** It has that interface to itself. */
  readonly own: boolean;
}

const directions = ["egress", "ingress"] as const;
/** Which address of a packet is the pod's, and which the peer's. */
const sides = {
  egress: { name: "out", own: "saddr", peer: "daddr" },
  ingress: { name: "in", own: "daddr", peer: "saddr" },
} as const;

/**
 * Makes a table's part what these pods' groups ask for; nothing at all where they let everything pass.
 * @param filtersGroup whether the provider enforces a group without an object; one that nobody enforces lets nothing pass
 * @param log whether the kernel can tell of refusals (policy/refusals.ts)
 */
export function writeGroups(
  table: NftTable,
  groups: SecurityGroups,
  pods: readonly GroupedPod[],
  filtersGroup: (id: string) => boolean = () => false,
  log = true,
): void {
  const chains = new Map<string, readonly string[]>();
  const members = new Map<string, ReadonlySet<string>>();
  const verdicts = { egress: new Map<string, string>(), ingress: new Map<string, string>() };
  // Most pods of a node have the same groups.
  const alike = new Map<string, GroupedPod[]>();
  for (const pod of pods) {
    const key = pod.groups.toSorted().join();
    const others = alike.get(key);
    if (others) others.push(pod);
    else alike.set(key, [pod]);
  }
  for (const [key, those] of alike)
    for (const direction of directions) {
      const rules = rulesFor(groups, those[0]!.groups, direction, filtersGroup);
      if (!rules) continue;
      const name = `groups-${sides[direction].name}-${hash(key)}`;
      chains.set(name, chainOf(groups, rules, direction, members, log));
      for (const { address } of those) verdicts[direction].set(address, `jump ${name}`);
    }
  if (chains.size === 0) {
    clear(table);
    hookGroups(table);
    return;
  }
  for (const [name, addresses] of members) {
    table.setSet(name, { key: ["ipv4_addr"] });
    setElements(table, name, new Map([...addresses].map((address) => [address, ""])));
  }
  for (const [name, rules] of chains) table.setChain(name, { rules });
  const near = pods.filter(({ own }) => !own).map(({ address }) => [address, ""] as const);
  table.setSet("groups-near", { key: ["ipv4_addr"] });
  setElements(table, "groups-near", new Map(near));
  for (const direction of directions) {
    const map = `groups-${sides[direction].name}`;
    table.setSet(map, { key: ["ipv4_addr"], value: "verdict" });
    setElements(table, map, verdicts[direction]);
  }
  table.setChain(groupsChain, {
    rules: [
      `${fromPod} ip saddr @groups-near ip daddr @groups-near return`,
      `${fromPod} ip saddr vmap @groups-out`,
      "ip daddr vmap @groups-in",
    ],
  });
  hookGroups(table);
  for (const name of table.chainNames())
    if (/^groups-(in|out)-/.test(name) && !chains.has(name)) table.removeChain(name);
  for (const name of table.setNames())
    if (name.startsWith("groups-of-") && !members.has(name)) table.removeSet(name);
}

/** Returns what a pod's groups let pass together; undefined: everything, or the provider sees to it. */
function rulesFor(
  groups: SecurityGroups,
  ids: readonly string[],
  direction: GroupDirection,
  filtersGroup: (id: string) => boolean,
): readonly GroupRule[] | undefined {
  const lists = ids.map((id) => {
    if (groups.isKnown(id)) return groups.rulesOf(id, direction);
    return filtersGroup(id) ? undefined : [];
  });
  if (lists.length === 0) return undefined;
  const known = lists.filter((list) => list !== undefined);
  return known.length === 0 || known.length < lists.length ? undefined : known.flat();
}

function chainOf(
  groups: SecurityGroups,
  rules: readonly GroupRule[],
  direction: GroupDirection,
  members: Map<string, ReadonlySet<string>>,
  log: boolean,
): string[] {
  const { peer } = sides[direction];
  const lines = new Set<string>();
  for (const { cidrs, groups: peers, ports } of rules) {
    const matches = [
      ...cidrs.map((cidr) => (cidr.length === 0 ? "" : `ip ${peer} ${formatCidr(cidr)} `)),
      ...peers.map((id) => {
        const name = `groups-of-${hash(id)}`;
        members.set(name, groups.membersOf(id));
        return `ip ${peer} @${name} `;
      }),
    ];
    for (const match of matches)
      for (const port of portMatches(ports)) lines.add(`${match}${port}return`.trim());
  }
  return [...lines, ...tellOnly(`group-${direction}`, log), "counter drop"];
}

function portMatches(ports: GroupRule["ports"]): readonly string[] {
  if (ports === undefined) return [""];
  const byProtocol = new Map<string, Set<number>>();
  for (const { protocol, port } of ports) {
    const known = byProtocol.get(protocol) ?? new Set();
    byProtocol.set(protocol, known.add(port));
  }
  return [...byProtocol].map(([protocol, numbers]) => {
    const list = [...numbers].toSorted((a, b) => a - b);
    const values = list.length === 1 ? `${list[0]}` : `{ ${list.join(", ")} }`;
    return `${protocol.toLowerCase()} dport ${values} `;
  });
}

function setElements(table: NftTable, set: string, wanted: ReadonlyMap<string, string>): void {
  for (const key of table.elements(set).keys()) if (!wanted.has(key)) table.removeElement(set, key);
  for (const [key, value] of wanted) table.setElement(set, key, value);
}

function clear(table: NftTable): void {
  if (!table.hasChain(groupsChain)) return;
  for (const name of table.chainNames()) if (name.startsWith("groups-")) table.removeChain(name);
  for (const name of table.setNames()) if (name.startsWith("groups-")) table.removeSet(name);
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
