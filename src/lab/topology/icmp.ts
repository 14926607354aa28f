// Refusals that always come: kernels send only so many ICMP errors a second, so many probes at once would find a closed
// port silent, and now and then even one would.
import { hasIpv6 } from "../../kernel/ipv6.ts";
import type { Kernel } from "../../kernel/kernel.ts";

/** Lets a namespace send every ICMP error that it has reason for: no type is among those that are limited. */
export function sendAllErrors(kernel: Kernel): void {
  kernel.sysctl.set("net/ipv4/icmp_ratemask", 0);
  if (hasIpv6(kernel)) kernel.sysctl.set("net/ipv6/icmp/ratemask", "\n");
}
