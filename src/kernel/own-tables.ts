// The nftables tables that are ours; all others are somebody else's.

/** Family and name; the second one is there only while pods have IPv6. */
export const OWN_TABLES: readonly string[] = ["inet trunkline", "ip6 trunkline"];
