// What the node's own settings do for the guard of the addresses that pods send from (docs/policy.md).
import type { Kernel } from "../../../kernel/kernel.ts";
import type { GuardSettings } from "../../../plan/policy/nft/guard.ts";

/** Returns whether the node lets the strict check of the pods' links (src/agent/pods/wire.ts) be strict. */
export function guardSettings({ sysctl }: Pick<Kernel, "sysctl">): GuardSettings {
  // The kernel takes the larger of this and the link's own, and 2 is loose.
  return { reversePath: Number(sysctl.get("net/ipv4/conf/all/rp_filter")) <= 1 };
}
