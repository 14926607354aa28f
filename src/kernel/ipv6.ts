// Whether the kernel has IPv6 at all: it may be built or started without (ipv6.disable=1), and then its settings, its link
// attributes and its routes are unknown to it. (disable_ipv6 is another thing: the kernel has it and does not use it.)
import { isError } from "../base/errors.ts";
import type { Kernel, Sysctl } from "./kernel.ts";

/** Nothing gives or takes it from a kernel that runs. */
const known = new WeakMap<Sysctl, boolean>();

/** Returns whether the kernel has IPv6. */
export function hasIpv6({ sysctl }: Pick<Kernel, "sysctl">): boolean {
  const before = known.get(sysctl);
  if (before !== undefined) return before;
  let has = true;
  try {
    sysctl.get("net/ipv6/conf/all/forwarding");
  } catch (error) {
    if (!isError(error, "kernel.sysctl") || error.data.errno !== "ENOENT") throw error;
    has = false;
  }
  known.set(sysctl, has);
  return has;
}
