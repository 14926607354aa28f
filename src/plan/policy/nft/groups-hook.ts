// Where the rules of security groups (plan/subnets/groups) are called: by the same rule that tells new connections from those
// that are open, so that an open connection's packets pay nothing for them; before policies, whose verdicts are final.
import type { NftTable } from "../../../kernel/nft/document.ts";
import { fromPod, onlyNew } from "./guard.ts";

export const groupsChain = "groups-new";
const ownHook = "groups-forward";
const callers = "policy-forward-new";

/** Returns the rules that new connections meet which are forwarded. */
export function forwardNew(table: Pick<NftTable, "hasChain">): readonly string[] {
  const groups = table.hasChain(groupsChain) ? [`jump ${groupsChain}`] : [];
  return [...groups, `${fromPod} goto policy-egress`, "goto policy-ingress"];
}

/** To be called where groups or policies came or went: where policies are off, groups have a hook of their own. */
export function hookGroups(table: NftTable): void {
  const hasPolicies = table.hasChain(callers);
  if (hasPolicies) table.setChain(callers, { rules: forwardNew(table) });
  if (!hasPolicies && table.hasChain(groupsChain))
    table.setChain(ownHook, {
      base: { type: "filter", hook: "forward", priority: -20 },
      rules: [onlyNew(groupsChain)],
    });
  else table.removeChain(ownHook);
}
