// What the kernel itself tells of pods: host ends by their name and alias, the addresses behind them by their routes. From
// this an agent whose journal is lost or damaged knows which pods run, and cuts none of them off.
import { isError } from "../../base/errors.ts";
import { type Kernel, type Link, type Machine, ROUTE_PROTOCOL } from "../../kernel/kernel.ts";
import type { AddressOwner } from "./addresses.ts";
import { type Endpoint, hostInterfaceName, isHostInterface, ownerOfAlias, podMac } from "./endpoint.ts";
import { type Families, ownedFamilies } from "./pod-routes.ts";
import { resultOf } from "./wire-result.ts";

export interface FoundWire {
  readonly link: Link;
  /**
   * Addresses (without prefix length) that the node's routes lead to through it. None: it was never finished, or is being
   * taken down, as the routes come last and go first.
   */
  readonly ips: readonly string[];
  /** Whom its alias names; undefined where the kernel did not keep all of it. */
  readonly owner: Pick<Endpoint, "containerId" | "ifName" | "pod"> | undefined;
}

/** Returns every host end of ours. */
export function findWires(kernel: Kernel): FoundWire[] {
  const links = kernel.links.list().filter(isHostInterface);
  if (links.length === 0) return [];
  const ips = new Map<number, string[]>();
  for (const { destination, linkIndex, via } of kernel.routes.list({ protocol: ROUTE_PROTOCOL })) {
    const [ip = "", length] = destination.split("/");
    if (linkIndex === undefined || via !== undefined || length !== (ip.includes(":") ? "128" : "32"))
      continue;
    ips.set(linkIndex, [...(ips.get(linkIndex) ?? []), ip]);
  }
  return links.map((link) => ({
    link,
    ips: ips.get(link.index) ?? [],
    owner: ownerOfAlias(link.alias ?? "", link.name),
  }));
}

/**
 * Returns the endpoint that a wire is the wire of, as if its ADD had been answered.
 * @param known what a damaged journal still says of it
 * @param held who holds addresses: for an alias that the kernel cut off
 */
export function rebuiltEndpoint(
  machine: Machine,
  wire: FoundWire,
  known: Endpoint | undefined,
  held: readonly Pick<AddressOwner, "containerId" | "ifName" | "pod">[],
): Endpoint | undefined {
  const { link, ips } = wire;
  const holder = held.find((one) => hostInterfaceName(one.containerId, one.ifName) === link.name);
  const owner = known ?? wire.owner ?? holder;
  if (owner === undefined || ips.length === 0) return undefined;
  const { containerId, ifName } = owner;
  const sandbox = known ?? findSandbox(machine, link, { containerId, ifName });
  const endpoint: Endpoint = {
    containerId,
    ifName,
    network: known?.network ?? "",
    netns: sandbox?.netns ?? "",
    netnsId: sandbox?.netnsId ?? "",
    pod: known?.pod ?? holder?.pod ?? owner.pod,
    hostInterface: link.name,
    ips,
    phase: "ready",
  };
  // Without the pod's end nobody can say what ADD answered; one that is repeated then makes the wire anew.
  const main = sandbox && link.lower !== undefined ? mainOf(machine, sandbox.netns, link.lower) : undefined;
  if (main === undefined || link.lower === undefined) return endpoint;
  return { ...endpoint, result: resultOf(endpoint, { host: link, podIndex: link.lower, main }, link.mtu) };
}

/** Returns the families whose default route in the pod is this interface's; undefined where the pod is gone. */
function mainOf(machine: Machine, netns: string, podIndex: number): Families | undefined {
  try {
    const pod = machine.open({ path: netns });
    try {
      return ownedFamilies(pod, podIndex);
    } finally {
      pod.close();
    }
  } catch (error) {
    if (!isError(error, "kernel.no-netns")) throw error;
    return undefined;
  }
}

/** Returns the named namespace that holds the other end: nothing else in the kernel leads there. */
function findSandbox(
  machine: Machine,
  link: Link,
  attached: Pick<Endpoint, "containerId" | "ifName">,
): Pick<Endpoint, "netns" | "netnsId"> | undefined {
  const mac = podMac(attached);
  for (const name of machine.listNetns()) {
    try {
      const pod = machine.open({ name });
      try {
        const end = pod.links.get(attached.ifName);
        if (end?.mac !== mac || end.index !== link.lower || end.lower !== link.index) continue;
      } finally {
        pod.close();
      }
      return { netns: `/run/netns/${name}`, netnsId: machine.identityOf({ name }) };
    } catch (error) {
      // Gone between the listing and the look, or a file that is no namespace.
      if (!isError(error, "kernel.no-netns") && !isError(error, "kernel.name")) throw error;
    }
  }
  return undefined;
}
