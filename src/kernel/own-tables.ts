// The nftables tables that are ours; all others are somebody else's.

/** Of policies that are tried, in family inet. */
export const STAGE_TABLE = "trunkline-stage";

/** Of open connections that go through flow tables, in family inet. */
export const FLOW_TABLE = "trunkline-flow";

/** Family and name: the second one is there only while pods have IPv6, the third one while policies are tried. */
export const OWN_TABLES: readonly string[] = [
  "inet trunkline",
  "ip6 trunkline",
  `inet ${STAGE_TABLE}`,
  `inet ${FLOW_TABLE}`,
];

/** Returns whether a table of that name is ours, whatever its family. */
export function isOwnTable(name: string): boolean {
  return OWN_TABLES.some((table) => table.split(" ")[1] === name);
}
