// A pod's counters out of its node's kernel, in a running lab.
import { type Pod, podIps } from "../../api/kinds/core.ts";
import { isError } from "../../base/errors.ts";
import { countersFor } from "../../explain/policies/counters.ts";
import type { Counters } from "../../explain/policies/effective.ts";
import { askLab } from "../../lab/control/client.ts";
import { findLab } from "../../lab/life/state.ts";
import type { PolicyCounts } from "../../lab/now/policy-counts.ts";
import { isLab, type StoreOptions } from "../context.ts";
import { say } from "../output.ts";

const PATIENCE_MS = 5000;

/** Returns the counters of a pod; undefined where there is no node to look at, or it does not answer. */
export async function policyCounters(options: StoreOptions, pod: Pod): Promise<Counters | undefined> {
  const lab = isLab(options) ? findLab(options.lab) : undefined;
  const member = lab?.record.members.find((one) => one.role === "node" && one.name === pod.spec.nodeName);
  if (!lab?.running || !member) return undefined;
  const question = { node: member.name, addresses: podIps(pod) };
  try {
    return countersFor(await askLab<PolicyCounts>(lab, "counts", question, PATIENCE_MS));
  } catch (error) {
    // The rules are still right without their counters.
    if (!isError(error)) throw error;
    say(`warning: no counters from ${member.name}: ${error.message}`);
    return undefined;
  }
}
