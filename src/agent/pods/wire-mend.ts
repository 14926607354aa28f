// Puts right what somebody has changed of a pod's wire on the node.
import { isError } from "../../base/errors.ts";
import type { Kernel, Link, LinkSettings, Route } from "../../kernel/kernel.ts";
import { familiesOf } from "./pod-routes.ts";
import { hostAddress, hostRoute, hostSettings4, hostSettings6, type WireSpec } from "./wire.ts";

type HostEnd = Pick<WireSpec, "hostInterface" | "ips">;

export interface DifferingSetting {
  /** As a sysctl's key. */
  readonly name: string;
  readonly value: string;
  readonly is: string;
}

const settings4 = [
  ["proxy_arp", "1"],
  ["forwarding", "1"],
  ["rp_filter", "1"],
] as const;

/**
 * Returns the settings of a host end that are not as ADD has set them.
 * @param known as they were read together with its link; read one by one where they were not
 */
export function differingSettings(
  kernel: Kernel,
  { hostInterface, ips }: HostEnd,
  known?: LinkSettings,
): DifferingSetting[] {
  const families = familiesOf(ips);
  const wanted = [
    ...(families.has(4) ? settings4.map(([name, value]) => [4, name, value] as const) : []),
    ...(families.has(6) ? hostSettings6.map(([name, value]) => [6, name, value] as const) : []),
  ];
  return wanted.flatMap(([family, setting, value]) => {
    const name = `net/ipv${family}/conf/${hostInterface}/${setting}`;
    const is = known === undefined ? read(kernel, name) : (known[family][setting] ?? ABSENT);
    return is === value ? [] : [{ name, value, is }];
  });
}

/**
 * Makes a host end what ADD has made of it; returns in words what differed.
 * @param link with its settings, where those were read
 * @param isThere whether the node has such a route of ours
 * @throws `kernel.…`
 */
export function mendWire(
  kernel: Kernel,
  end: HostEnd,
  link: Link & { readonly settings?: LinkSettings },
  isThere: (route: Pick<Route, "destination" | "linkIndex">) => boolean,
): { readonly settings: readonly string[]; readonly routes: readonly string[] } {
  const settings: string[] = [];
  const differing = differingSettings(kernel, end, link.settings);
  for (const { name, value, is } of differing) {
    if (name.startsWith("net/ipv6/")) kernel.sysctl.set(name, value);
    settings.push(`${name} ${is}`);
  }
  if (differing.some(({ name }) => name.startsWith("net/ipv4/")))
    kernel.links.change(link.index, { ipv4: hostSettings4 });
  if (!link.up) {
    kernel.links.change(link.index, { up: true });
    settings.push("down");
  }
  if (familiesOf(end.ips).has(6)) settings.push(...mendAddress(kernel, link));
  const missing = end.ips.map((ip) => hostRoute(ip, link.index)).filter((wanted) => !isThere(wanted));
  for (const route of missing) kernel.routes.replace(route);
  return { settings, routes: missing.map(({ destination }) => destination) };
}

/** IPv6 addresses go when their link is set down, and nobody puts them back. */
function mendAddress(kernel: Kernel, link: Link): string[] {
  const wanted = hostAddress(link.index);
  if (kernel.addresses.list(link.index).some(({ address }) => address === wanted.address)) return [];
  kernel.addresses.add(wanted);
  return [`without ${wanted.address}`];
}

/** Gone with its link, or the kernel has no such setting. */
const ABSENT = "absent";

function read(kernel: Kernel, name: string): string {
  try {
    return kernel.sysctl.get(name);
  } catch (error) {
    if (isError(error, "kernel.sysctl") && error.data.errno === "ENOENT") return ABSENT;
    throw error;
  }
}
