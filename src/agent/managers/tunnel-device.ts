// One tunnel device of the node: made, given its address, told of the other ends, and taken away.
import { isError } from "../../base/errors.ts";
import type { Kernel, Link, Neighbour } from "../../kernel/kernel.ts";
import { type TunnelEnd, type TunnelType, VXLAN_ID, VXLAN_PORT } from "../../plan/routing/tunnels.ts";

export interface DeviceWish {
  /** The node's own address of the tunnel's family. */
  readonly local: string;
  readonly mac: string;
  readonly mtu: number;
  /** The device's own address; undefined while none is held: then it stays down. */
  readonly inner: string | undefined;
}

/** A sum that the card was to make is not made for what is in a tunnel (calico #3145 and others): the kernel makes it. */
const FEATURES = { "tx-checksum-ip-generic": false } as const;

/**
 * Makes a device what is wished; what is so already is left alone.
 * @throws `kernel.refused` with EOPNOTSUPP where the kernel has no such tunnels, and whatever else it refuses
 */
export async function standUp(kernel: Kernel, type: TunnelType, wish: DeviceWish): Promise<Link> {
  const link = (await fitting(kernel, type, wish)) ?? make(kernel, type, wish);
  const { index } = link;
  if (link.mtu !== wish.mtu) kernel.links.change(index, { mtu: wish.mtu });
  if (type.kind !== "ipip" && link.mac !== wish.mac) kernel.links.change(index, { mac: wish.mac });
  setAddress(kernel, index, type, wish.inner);
  const up = wish.inner !== undefined;
  if (link.up !== up) kernel.links.change(index, { up });
  return link;
}

/** Returns the device that is there, if it is of the right kind; one that cannot be made right is removed. */
async function fitting(kernel: Kernel, type: TunnelType, { local }: DeviceWish): Promise<Link | undefined> {
  const link = kernel.links.get(type.device);
  if (!link) return undefined;
  if (type.kind === "ipip") return link;
  const { vxlan } = link;
  const fits =
    vxlan?.id === VXLAN_ID && vxlan.port === VXLAN_PORT && vxlan.local === local && !vxlan.learning;
  if (fits) return link;
  await kernel.links.remove(link.index);
  return undefined;
}

function make(kernel: Kernel, { kind, device }: TunnelType, { local, mac, mtu }: DeviceWish): Link {
  if (kind !== "ipip") {
    const vxlan = { id: VXLAN_ID, port: VXLAN_PORT, local, learning: false };
    const link = kernel.links.add({ kind: "vxlan", name: device, mac, mtu, vxlan });
    kernel.links.change(link.index, { addressGeneration: "none" });
    kernel.links.setFeatures(link.index, FEATURES);
    return link;
  }
  try {
    return kernel.links.add({ kind: "ipip", name: device, mtu });
  } catch (error) {
    // The module came with the question, and made the device by itself.
    const made = isError(error, "kernel.exists") ? kernel.links.get(device) : undefined;
    if (!made) throw error;
    return made;
  }
}

/** The only address, so that what the node sends through the tunnel comes from it. */
function setAddress(
  kernel: Kernel,
  linkIndex: number,
  { family }: TunnelType,
  inner: string | undefined,
): void {
  const wanted = inner === undefined ? undefined : `${inner}/${family === 4 ? 32 : 128}`;
  const present = kernel.addresses.list(linkIndex).filter(({ scope }) => scope === "global");
  for (const one of present) if (one.address !== wanted) kernel.addresses.remove(one);
  if (wanted !== undefined && !present.some(({ address }) => address === wanted))
    kernel.addresses.add({ linkIndex, address: wanted, scope: "global", noDad: true });
}

/** Tells a VXLAN device where each other node's end is: nothing is asked by multicast, and nothing learned. */
export function setEnds(kernel: Kernel, linkIndex: number, ends: readonly TunnelEnd[]): void {
  const common = { linkIndex, state: "permanent" } as const;
  setEntries(
    kernel,
    kernel.neighbours.list({ linkIndex, fdb: true }),
    ends.map(({ mac, outer }) => ({ ...common, mac, address: outer, fdb: true })),
  );
  setEntries(
    kernel,
    kernel.neighbours.list({ linkIndex }).filter(({ state }) => state === "permanent"),
    ends.map(({ mac, inner }) => ({ ...common, mac, address: inner })),
  );
}

function setEntries(kernel: Kernel, present: readonly Neighbour[], wanted: readonly Neighbour[]): void {
  const key = ({ mac, address }: Neighbour): string => `${mac} ${address}`;
  const [are, shall] = [new Set(present.map(key)), new Set(wanted.map(key))];
  for (const one of present) if (!shall.has(key(one))) kernel.neighbours.remove(one);
  for (const one of wanted) if (!are.has(key(one))) kernel.neighbours.replace(one);
}

/** Takes a device away; tunl0, which the kernel keeps, is left down and without an address. */
export async function takeDown(kernel: Kernel, type: TunnelType): Promise<void> {
  const link = kernel.links.get(type.device);
  if (!link) return;
  if (type.kind !== "ipip") return kernel.links.remove(link.index);
  setAddress(kernel, link.index, type, undefined);
  if (link.up) kernel.links.change(link.index, { up: false });
}
