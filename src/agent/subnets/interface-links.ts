// The links of interfaces on this machine: found by their MAC addresses, and for members of a trunk made, as a VLAN on the
// trunk's link (IEEE 802.1Q), unless the machine has a link for the member itself.
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { Kernel, Link } from "../../kernel/kernel.ts";
import type { OwnWire } from "./own/own-book.ts";

/** VLANs on a trunk that we made: this and the VLAN's id. */
const vlanPattern = /^tlv\d{1,4}$/;

/** Returns whether a link is a VLAN of ours. */
export function isOwnVlan({ name, kind }: Pick<Link, "name" | "kind">): boolean {
  return kind === "vlan" && vlanPattern.test(name);
}

/** Returns links by MAC address: a VLAN may have that of the link that it is on, and does not count. */
export function linksByMac(links: readonly Link[]): ReadonlyMap<string, Link> {
  const found = new Map<string, Link>();
  for (const link of links)
    if (link.mac && link.kind !== "vlan" && !found.has(link.mac)) found.set(link.mac, link);
  return found;
}

/**
 * Returns the link of an interface that a pod has to itself, or why there is none.
 * @param mayMake whether a VLAN that is missing is made
 */
export function ownLink(kernel: Kernel, wire: OwnWire, links: readonly Link[]): Link | string {
  const byMac = linksByMac(links);
  const direct = byMac.get(wire.mac);
  if (direct || wire.kind === "exclusive") return direct ?? `the machine has no link with MAC ${wire.mac}`;
  const { trunkMac, vid = 0, trunkENIID = "" } = wire;
  const trunk = trunkMac === undefined ? undefined : byMac.get(trunkMac);
  if (!trunk) return `the machine has no link with the MAC of trunk ${trunkENIID} (${trunkMac ?? "unknown"})`;
  const name = `tlv${vid}`;
  const present = links.find((link) => link.name === name);
  if (present && isOwnVlan(present) && present.lower === trunk.index) return present;
  if (present) return `the name ${name} is taken by another link`;
  try {
    // A VLAN on a link that is down stays down.
    if (!trunk.up) kernel.links.change(trunk.index, { up: true });
    const mac = wire.sharesMac ? trunkMac! : wire.mac;
    const alias = `network ${wire.vSwitchID} (${wire.id})`;
    return kernel.links.add({ kind: "vlan", name, lower: trunk.index, vlanId: vid, mac, alias });
  } catch (error) {
    return `VLAN ${vid} cannot be made on ${trunk.name}: ${textOf(error)}`;
  }
}

/**
 * Takes traffic on a link: what comes in may have left by another one, or may be answered by another one. The link has no
 * address, and on such a link the kernel takes loose (2) for strict (fib_validate_source), so it is off.
 */
export function setUpLink(kernel: Kernel, link: Link): void {
  const setting = (name: string) => kernel.sysctl.get(`net/ipv4/conf/${link.name}/${name}`);
  if (setting("rp_filter") !== "0" || setting("forwarding") !== "1")
    kernel.links.change(link.index, { ipv4: { reversePath: "off", forwarding: true } });
  if (!link.up) kernel.links.change(link.index, { up: true });
}

/** Nothing comes in by a link any more that no pod has; a VLAN of ours goes. */
export async function putDownLink(kernel: Kernel, wire: OwnWire): Promise<void> {
  const links = kernel.links.list();
  const vlan = links.find((link) => link.name === `tlv${wire.vid}` && isOwnVlan(link));
  if (wire.kind === "trunk" && vlan) await kernel.links.remove(vlan.index);
  const direct = linksByMac(links).get(wire.mac);
  if (direct?.up && isPodsOnly(kernel, direct)) kernel.links.change(direct.index, { up: false });
}

/** Returns whether a link is for pods: the machine's own has addresses of the machine's. */
export function isPodsOnly(kernel: Kernel, link: Link): boolean {
  return kernel.addresses.list(link.index).every(({ scope }) => scope !== "global");
}

/** @throws `subnet.interface` where a link is the machine's own */
export function assertPodsOnly(kernel: Kernel, link: Link, { pod, id }: OwnWire): void {
  if (isPodsOnly(kernel, link)) return;
  const why = `${link.name} has addresses of the machine's: it is never handed to pods`;
  throw new TrunklineError("subnet.interface", { pod, id, why });
}
