// Makes links of what the lab's cloud attaches: a veth from a node into the vSwitch's wire, with the interface's MAC address.
// A trunk's member is a VLAN of the trunk's veth on the wire's side, as a cloud's network has it; where the kernel knows no
// VLANs it is a veth of its own, which the node finds by its MAC.
// The cloud's own network knows which interface has which address, so nobody asks by ARP: the router is told.
import { isError } from "../../base/errors.ts";
import type { CloudInterface } from "../../cloud/types.ts";
import type { Kernel, Machine } from "../../kernel/kernel.ts";
import type { BuiltMember } from "../topology/build.ts";
import type { Topology } from "../topology/plan.ts";

const BRIDGE = "lan";

export interface WiringParts {
  readonly machine: Machine;
  readonly topology: Topology;
  readonly members: () => ReadonlyMap<string, BuiltMember>;
  /** The node with that machine's id. */
  readonly nodeOf: (instanceID: string) => string | undefined;
  /** The router that has the gateways. */
  readonly router: string;
}

export class Wiring {
  readonly #parts: WiringParts;
  #knowsVlans = true;

  constructor(parts: WiringParts) {
    this.#parts = parts;
    const router = parts.members().get(parts.router);
    // Traffic between pods of one vSwitch comes back on the link that it came by, which is as it should be.
    router?.kernel.sysctl.set("net/ipv4/conf/all/send_redirects", 0);
    for (const { name } of router?.plan.interfaces ?? [])
      router?.kernel.sysctl.set(`net/ipv4/conf/${name}/send_redirects`, 0);
  }

  /** Makes the network such that an interface is as it is told; `gone`: it is attached to that machine no longer. */
  async change(one: CloudInterface, gone: boolean): Promise<void> {
    const node = this.#parts.members().get(this.#parts.nodeOf(one.instanceID ?? "") ?? "");
    this.#tellRouter(one, gone ? [] : one.addresses);
    if (!node) return;
    const present = node.kernel.links.list().find(({ mac, kind }) => mac === one.mac && kind !== "vlan");
    if (gone) {
      if (present) await node.kernel.links.remove(present.index);
      else if (one.vid !== undefined) await this.#unplugMember(one);
    } else if (!present && !(one.vid !== undefined && this.#plugInMember(one)))
      this.#plugIn(node.kernel, one);
  }

  /** Returns whether the member is on its trunk; false where the kernel knows no VLANs. */
  #plugInMember({ id, vSwitchID, vid = 0, trunkENIID = "" }: CloudInterface): boolean {
    const { topology, machine } = this.#parts;
    const lan = topology.lans.find(({ name }) => name === vSwitchID);
    if (!lan || !this.#knowsVlans) return false;
    const wire = machine.open({ name: lan.netns });
    try {
      if (wire.links.get(portName(id))) return true;
      for (const { netns } of topology.lans) {
        const there = machine.open({ name: netns });
        try {
          const trunk = there.links.get(portName(trunkENIID));
          if (!trunk) continue;
          const name = portName(id);
          const where = { name: lan.netns };
          there.links.add({ kind: "vlan", name, lower: trunk.index, vlanId: vid, netns: where });
        } finally {
          there.close();
        }
        const master = wire.links.get(BRIDGE)?.index;
        wire.links.change(portName(id), { alias: id, up: true, ...(master !== undefined && { master }) });
        return true;
      }
      return false;
    } catch (error) {
      if (!isError(error, "kernel.refused")) throw error;
      this.#knowsVlans = false;
      return false;
    } finally {
      wire.close();
    }
  }

  async #unplugMember({ id, vSwitchID }: CloudInterface): Promise<void> {
    const lan = this.#parts.topology.lans.find(({ name }) => name === vSwitchID);
    if (!lan) return;
    const wire = this.#parts.machine.open({ name: lan.netns });
    try {
      await wire.links.remove(portName(id));
    } finally {
      wire.close();
    }
  }

  #plugIn(node: Kernel, { vSwitchID, mac, id }: CloudInterface): void {
    const lan = this.#parts.topology.lans.find(({ name }) => name === vSwitchID);
    if (!lan) return;
    const taken = new Set(node.links.list().map(({ name }) => name));
    let at = 1;
    while (taken.has(`eth${at}`)) at++;
    const port = portName(id);
    const wire = this.#parts.machine.open({ name: lan.netns });
    try {
      const { mtu } = lan;
      const peer = { name: port, netns: { name: lan.netns }, mtu, up: true };
      node.links.add({
        kind: "veth",
        name: `eth${at}`,
        mac,
        mtu,
        alias: `network ${vSwitchID} (${id})`,
        peer,
      });
      const master = wire.links.get(BRIDGE)?.index;
      wire.links.change(port, { alias: id, ...(master !== undefined && { master }) });
    } finally {
      wire.close();
    }
  }

  #tellRouter({ vSwitchID, mac }: CloudInterface, addresses: readonly string[]): void {
    const router = this.#parts.members().get(this.#parts.router);
    const link = router?.plan.interfaces.find(({ lan }) => lan.name === vSwitchID);
    const linkIndex = link && router?.kernel.links.get(link.name)?.index;
    if (!router || linkIndex === undefined) return;
    const { neighbours } = router.kernel;
    for (const known of neighbours.list({ linkIndex }))
      if (known.mac === mac && !addresses.includes(known.address)) neighbours.remove(known);
    for (const address of addresses) neighbours.replace({ linkIndex, address, mac, state: "permanent" });
  }
}

/** Returns the name of an interface's end on the wire's side. */
function portName(id: string): string {
  return `e${id.replace(/^eni-lab/, "")}`;
}
