// Who may act for the cluster, and until when: pure, so that the rule can be tested without clocks. The rule is that of
// Kubernetes' own leader election (client-go): a lease is free when its holder gave it back, or when this observer has
// not seen it change for as long as it lasts. Clocks of two machines are never compared.
import type { Lease } from "../../api/kinds/lease.ts";

export interface LeaseSpan {
  /** Milliseconds for which others leave an unrenewed lease alone. */
  readonly leaseMs: number;
  /** Milliseconds after which a leader that could not renew stops acting: so much before others may begin. */
  readonly deadlineMs: number;
  /** Milliseconds between two attempts to take or renew it. */
  readonly retryMs: number;
}

/** As Kubernetes' own controllers. */
export const usualSpan: LeaseSpan = { leaseMs: 15_000, deadlineMs: 10_000, retryMs: 2_000 };

export interface Observed {
  /** resourceVersion of the lease as it was first seen so. */
  readonly version: string;
  /** When, by the observer's own clock, milliseconds. */
  readonly since: number;
}

/** Returns what a candidate does about the lease as it stands. */
export function leaseStep(
  lease: Pick<Lease, "metadata" | "spec"> | undefined,
  me: string,
  observed: Observed | undefined,
  now: number,
  leaseMs: number,
): "create" | "renew" | "take" | "wait" {
  if (lease === undefined) return "create";
  const holder = lease.spec?.holderIdentity ?? "";
  if (holder === me) return "renew";
  if (holder === "") return "take";
  if (observed === undefined || observed.version !== lease.metadata.resourceVersion) return "wait";
  // Whoever holds it may have asked for longer than we would.
  const lasts = Math.max(leaseMs, (lease.spec?.leaseDurationSeconds ?? 0) * 1000);
  return now - observed.since >= lasts ? "take" : "wait";
}

/** Returns a pause of about that many milliseconds: candidates that began together must not stay together. */
export function jittered(ms: number, random: number): number {
  return Math.round(ms * (0.8 + 0.4 * random));
}

/**
 * Returns the lease's next spec.
 * @param at time of the renewal, RFC 3339
 */
export function heldBy(
  before: Lease["spec"],
  me: string,
  at: string,
  leaseMs: number,
): NonNullable<Lease["spec"]> {
  const same = before?.holderIdentity === me;
  return {
    ...before,
    holderIdentity: me,
    leaseDurationSeconds: Math.ceil(leaseMs / 1000),
    acquireTime: (same ? before.acquireTime : undefined) ?? at,
    renewTime: at,
    leaseTransitions: (before?.leaseTransitions ?? 0) + (same || before === undefined ? 0 : 1),
  };
}
