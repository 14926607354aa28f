// Requests in the API server's audit log that are Trunkline's own.
import type { Audited } from "../../../test/kube/audit-log.ts";

const writing = new Set(["create", "update", "patch", "delete", "deletecollection"]);

/** Requests by what they were: leases, which are read and renewed, cost by time and not by pods. */
export interface Tally {
  readonly writes: number;
  readonly reads: number;
  readonly renewals: number;
}

/** Counts the requests of Trunkline's accounts. */
export function tally(log: readonly Audited[]): Tally {
  const ours = log.filter(
    // A watch is told of when it begins and when it ends.
    ({ user, stage }) =>
      user.username.startsWith("system:serviceaccount:kube-system:trunkline-") && stage !== "ResponseStarted",
  );
  const others = ours.filter(({ objectRef }) => objectRef?.resource !== "leases");
  const writes = others.filter(({ verb }) => writing.has(verb)).length;
  return { writes, reads: others.length - writes, renewals: ours.length - others.length };
}
