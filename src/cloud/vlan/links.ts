// The node's part of provider `vlan`: interfaces are links of their own address (macvlan) on the subnet's VLAN, which is on
// one of the node's links. The link answers for the pods' addresses, which are not its own (proxy ARP, entry by entry),
// and says so aloud when one has come: whoever knew it elsewhere learns at once.
import { createHash } from "node:crypto";
import type { Node } from "../../api/kinds/core.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import { matchesSelector } from "../../api/selectors/selectors.ts";
import { textOf } from "../../base/errors.ts";
import type { Kernel, Link } from "../../kernel/kernel.ts";
import { announcement } from "../../kernel/sockets/announce.ts";
import type { PluggedInterface, Plugs } from "../provider.ts";

export interface VlanPlace {
  readonly subnets: ReadonlyMap<string, Subnet>;
  readonly node: () => Node | undefined;
}

const aliasOfInterface = "trunkline interface ";
const aliasOfVlan = "trunkline vlan ";

export class VlanLinks implements Plugs {
  readonly #place: VlanPlace;

  constructor(place: VlanPlace) {
    this.#place = place;
  }

  sync(kernel: Kernel, wanted: readonly PluggedInterface[]): readonly string[] {
    const problems: string[] = [];
    for (const one of wanted)
      try {
        this.plug(kernel, one);
      } catch (error) {
        problems.push(`${one.id}: ${textOf(error)}`);
      }
    return problems;
  }

  plug(kernel: Kernel, { id, mac, vSwitchID, addresses }: PluggedInterface): void {
    const subnet = this.#place.subnets.get(vSwitchID);
    if (!subnet) throw new Error(`there is no Subnet ${vSwitchID}`);
    const links = kernel.links.list();
    const link =
      links.find((each) => each.alias === aliasOfInterface + id) ??
      this.#make(kernel, links, subnet, id, mac);
    if (!link.up) kernel.links.change(link.index, { up: true });
    answerFor(kernel, link, mac, addresses);
  }

  async tidy(kernel: Kernel, wanted: ReadonlySet<string>): Promise<void> {
    const links = kernel.links.list();
    const ofInterfaces = links.filter(({ alias }) => alias?.startsWith(aliasOfInterface));
    const over = ofInterfaces.filter(({ alias = "" }) => !wanted.has(alias.slice(aliasOfInterface.length)));
    for (const { index } of over) await kernel.links.remove(index);
    if (over.length === 0) return;
    const carrying = new Set(ofInterfaces.filter((link) => !over.includes(link)).map(({ lower }) => lower));
    for (const { alias, index } of links)
      if (alias?.startsWith(aliasOfVlan) && !carrying.has(index)) await kernel.links.remove(index);
  }

  #make(kernel: Kernel, links: readonly Link[], subnet: Subnet, id: string, mac: string): Link {
    const parent = this.#parentOf(kernel, links, subnet);
    const { vlan } = subnet.spec;
    const lower = vlan === undefined ? parent : vlanOn(kernel, links, parent, vlan);
    const hash = createHash("sha256").update(id).digest("hex").slice(0, 10);
    return kernel.links.add({
      kind: "macvlan",
      name: `tls${hash}`,
      lower: lower.index,
      mode: "bridge",
      mac,
      mtu: lower.mtu,
      alias: aliasOfInterface + id,
    });
  }

  #parentOf(kernel: Kernel, links: readonly Link[], subnet: Subnet): Link {
    const node = this.#place.node();
    const { name } = subnet.metadata;
    const { parents } = subnet.spec;
    if (parents !== undefined) {
      const labels = node?.metadata.labels;
      const chosen = parents.find(
        ({ nodeSelector }) => nodeSelector === undefined || matchesSelector(nodeSelector, labels),
      );
      if (!chosen) throw new Error(`none of spec.parents of Subnet ${name} selects this node`);
      const found = links.find((link) => link.name === chosen.interface);
      if (!found) throw new Error(`Subnet ${name} is on ${chosen.interface} here, and there is no such link`);
      return found;
    }
    const own = new Set(node?.status?.addresses?.map(({ address }) => address));
    const index = kernel.addresses
      .list()
      .find(({ address }) => own.has(address.split("/")[0] ?? ""))?.linkIndex;
    const found = links.find((link) => link.index === index);
    if (!found)
      throw new Error(
        `no link of this machine holds the node's address, so spec.parents of Subnet ${name} must name one`,
      );
    return found;
  }
}

function vlanOn(kernel: Kernel, links: readonly Link[], parent: Link, vlan: number): Link {
  const alias = `${aliasOfVlan}${vlan} on ${parent.index}`;
  const before = links.find((link) => link.alias === alias);
  const link =
    before ??
    kernel.links.add({
      kind: "vlan",
      name: `tlq${vlan}.${parent.index}`,
      lower: parent.index,
      vlanId: vlan,
      mtu: parent.mtu,
      alias,
      up: true,
    });
  if (!link.up) kernel.links.change(link.index, { up: true });
  return link;
}

/** Makes a link answer for these addresses and no others. */
function answerFor(kernel: Kernel, { index, name }: Link, mac: string, addresses: readonly string[]): void {
  // Who asks for a pod must not wait for a random while, as is the use with proxies.
  kernel.sysctl.set(`net/ipv4/neigh/${name}/proxy_delay`, "0");
  const present = kernel.neighbours.list({ linkIndex: index, proxy: true });
  for (const entry of present) if (!addresses.includes(entry.address)) kernel.neighbours.remove(entry);
  const fresh = addresses.filter((address) => !present.some((entry) => entry.address === address));
  for (const address of fresh)
    kernel.neighbours.replace({ linkIndex: index, address, state: "other", proxy: true });
  announce(kernel, index, fresh, mac);
}

/**
 * Who does not hear it keeps an old entry until that has aged. By one socket for all: the kernel waits for every processor
 * when one is closed.
 */
function announce(kernel: Kernel, linkIndex: number, addresses: readonly string[], mac: string): void {
  if (addresses.length === 0) return;
  try {
    const fd = kernel.sockets.openPacket(linkIndex);
    try {
      for (const address of addresses) kernel.sockets.sendPacket(fd, linkIndex, announcement(address, mac));
    } finally {
      kernel.sockets.close(fd);
    }
  } catch {
    // A link that has no carrier yet: nobody is there to hear it.
  }
}
