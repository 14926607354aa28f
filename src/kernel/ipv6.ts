// Whether the kernel has IPv6 at all: it may be built or started without (ipv6.disable=1), and then its settings, its link
// attributes and its routes are unknown to it. (disable_ipv6 is another thing: the kernel has it and does not use it.)
import { isError } from "../base/errors.ts";
import type { Kernel, Sysctl } from "./kernel.ts";
import { LinuxSysctl } from "./sysctl/sysctl.ts";

/** Nothing gives or takes it from a kernel that runs, which has all its namespaces alike. */
const known = new WeakMap<object, boolean>();

/** All handles of one machine's kernel have the same; a fake's namespaces may each be a machine of their own. */
function keyOf(sysctl: Sysctl): object {
  return sysctl instanceof LinuxSysctl ? LinuxSysctl : sysctl;
}

/** Returns whether the kernel has IPv6. */
export function hasIpv6({ sysctl }: Pick<Kernel, "sysctl">): boolean {
  const before = known.get(keyOf(sysctl));
  if (before !== undefined) return before;
  let has = true;
  try {
    sysctl.get("net/ipv6/conf/all/forwarding");
  } catch (error) {
    if (!isError(error, "kernel.sysctl") || error.data.errno !== "ENOENT") throw error;
    has = false;
  }
  known.set(keyOf(sysctl), has);
  return has;
}
