// The kernel's check of where packets come from (rp_filter, RFC 3704) against interfaces of subnets. What a pool's pod sends
// to a pod of a subnet comes in by the subnet's interface, and the way back is the node's own link: the filter takes that
// for a lie. Loose, too, as the interface has no address of its own (fib_validate_source). The agent turns it off on each of
// these links; but the larger of that and the setting for all links counts, and that one is the machine's owner's.
import type { Condition } from "../../api/kinds/core.ts";

/** On nodes that have interfaces of subnets. */
export const REVERSE_PATH_CONDITION = "SubnetTrafficUnfiltered";

/** Where the setting for all links is kept, under /proc/sys. */
export const ALL_LINKS = "net/ipv4/conf/all/rp_filter";

/**
 * Returns what a node says of the setting for all links.
 * @param all its text: 0 off, 1 strict, 2 loose
 * @param hasPools whether there are pools beside subnets: pods of subnets among themselves, and with others, are not filtered
 */
export function reversePathCondition(
  all: string,
  hasPools: boolean,
): Pick<Condition, "type" | "status" | "reason" | "message"> {
  const type = REVERSE_PATH_CONDITION;
  const value = `net.ipv4.conf.all.rp_filter is ${all}`;
  if (all === "0") return { type, status: "True", reason: "ReversePathOff", message: value };
  if (!hasPools)
    return { type, status: "True", reason: "NoPools", message: `${value}, and there is no pool` };
  const message =
    `${value}: the kernel drops what pods of pools on other nodes and this node's pods of subnets send each other, whatever the ` +
    "links' own settings say. Run `sysctl -w net.ipv4.conf.all.rp_filter=0` on the machine, and set it in /etc/sysctl.d; " +
    "each link keeps its own setting";
  return { type, status: "False", reason: "ReversePathFilter", message };
}
