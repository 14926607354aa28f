// Asks the policy program about a flow.
import type { ClusterFacts } from "../plan/facts.ts";
import type { Judges } from "./judge.ts";

/** Returns what policies say; nothing enforces any yet, so every flow passes. */
export function policyJudge(_facts: ClusterFacts): Judges["policies"] {
  const open = { allowed: true, isolated: false, reason: "no policy is enforced" };
  return () => ({ egress: open, ingress: open });
}
