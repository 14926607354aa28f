// Who may take an egress address, and when: pure, so that the rule can be tested without clocks.
import { createHash } from "node:crypto";

/** Milliseconds between two renewals of a lease. */
export const RENEW_MS = 300;
/** A lease that nobody renewed for that many milliseconds, by the observer's own clock, is free. */
export const LEASE_MS = 1200;
/** The next best candidate waits that much longer, so that seldom two try at once. */
export const STAGGER_MS = 150;

/** The namespace of leases on egress addresses. */
export const EGRESS_LEASES = "kube-system";

/** Returns the name of the Lease on an egress address. */
export function leaseName(address: string): string {
  return `trunkline-egress-${address.replaceAll(/[.:]+/g, "-")}`;
}

export interface LeaseView {
  readonly holder: string | undefined;
  /** Milliseconds for which the lease has not changed, as this node has seen it. */
  readonly unchangedMs: number;
}

/** Returns what a node should do about an address that it may hold. */
export function electionStep(
  address: string,
  node: string,
  candidates: readonly string[],
  lease: LeaseView | undefined,
): "renew" | "take" | "wait" {
  if (lease?.holder === node) return "renew";
  const rank = order(address, candidates).indexOf(node);
  if (rank < 0) return "wait";
  const isFree = lease?.holder === undefined || !candidates.includes(lease.holder);
  const after = (isFree ? 0 : LEASE_MS) + rank * STAGGER_MS;
  return lease === undefined ? (rank === 0 ? "take" : "wait") : lease.unchangedMs >= after ? "take" : "wait";
}

/** Candidates by preference: another order for each address, so that addresses spread over nodes. */
function order(address: string, candidates: readonly string[]): string[] {
  const weight = (name: string) => createHash("sha256").update(`${address} ${name}`).digest("hex");
  return candidates.toSorted((a, b) => (weight(a) < weight(b) ? -1 : 1));
}
