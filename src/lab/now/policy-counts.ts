// What a node of a lab counted for one pod. The lab's own process looks: also where it runs as an ordinary user, whose
// namespaces nobody else may enter.
import { TrunklineError } from "../../base/errors.ts";
import { type Counted, readCounted } from "../../explain/policies/counters.ts";
import type { Lab } from "../lab.ts";

export interface PolicyCounts {
  readonly ingress: Counted;
  readonly egress: Counted;
}

/** Reads the counters of the pod that has these addresses. @throws `lab.no-member`, `kernel.nft` */
export async function policyCounts(
  lab: Lab,
  node: string,
  addresses: readonly string[],
): Promise<PolicyCounts> {
  const member = lab.members.get(node);
  if (!member) throw new TrunklineError("lab.no-member", { word: node, known: [...lab.members.keys()] });
  const { nft } = member.kernel;
  return {
    ingress: await readCounted(nft, "ingress", addresses),
    egress: await readCounted(nft, "egress", addresses),
  };
}
