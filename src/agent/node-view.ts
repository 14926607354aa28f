// What the node is like: its addresses by its Node object, the uplink that holds them, and the pods on it.
import { TrunklineError } from "../base/errors.ts";
import type { Kernel, KernelEvent } from "../kernel/kernel.ts";
import {
  type ClusterFacts,
  internalIps,
  type LocalEndpoint,
  type NodeFacts,
  nodeIps,
} from "../plan/facts.ts";
import { isCard, tunnelMtus, usedTunnels } from "../plan/routing/tunnel-settings.ts";
import { leastMtu } from "./node-links.ts";

export class NodeView {
  readonly #kernel: Kernel;
  readonly #facts: ClusterFacts;
  readonly #node: string;
  readonly #endpoints: ReadonlyMap<string, LocalEndpoint>;
  #current: (NodeFacts & { readonly least: number; readonly uplinkIndex: number }) | undefined;

  constructor(
    kernel: Kernel,
    facts: ClusterFacts,
    node: string,
    endpoints: ReadonlyMap<string, LocalEndpoint>,
  ) {
    this.#kernel = kernel;
    this.#facts = facts;
    this.#node = node;
    this.#endpoints = endpoints;
  }

  /** The Node object changed. */
  invalidate(): void {
    this.#current = undefined;
  }

  /** Most links and addresses that come and go are pods': only those of the uplink change what the node is like. */
  heard(event: KernelEvent): void {
    const { addresses, uplink } = this.#current ?? {};
    if (event.kind === "lost") this.#current = undefined;
    if (event.kind === "link" && (event.name === uplink || isCard(event.name))) this.#current = undefined;
    if (event.kind !== "address") return;
    const changed = event.address.address.split("/")[0] ?? "";
    if (addresses?.includes(changed)) this.#current = undefined;
  }

  /** Whether a link may be the uplink: it is, or that is not known at present. */
  mayBeUplink(index: number): boolean {
    return this.#current === undefined || this.#current.uplinkIndex === index;
  }

  /** @throws `agent.no-uplink` while the Node object has no address, or none that this machine has */
  get(): NodeFacts {
    this.#current ??= this.#read();
    return this.#current;
  }

  /** MTU of new pods, in bytes: there must be room for what tunnels add. @throws `agent.no-uplink` */
  mtu(): number {
    this.#current ??= this.#read();
    return tunnelMtus(this.#facts, this.#current.least, usedTunnels(this.#facts, this.#node)).pod;
  }

  #read() {
    const object = this.#facts.nodes.get(this.#node);
    const addresses = object === undefined ? [] : nodeIps(object);
    // What an agent has written down proves nothing about the machine: it may have been another one's.
    const said = object === undefined ? [] : internalIps(object);
    const here = this.#kernel.addresses.list();
    for (const address of said) {
      const found = here.find((entry) => entry.address.startsWith(`${address}/`));
      const link = found && this.#kernel.links.get(found.linkIndex);
      if (!link) continue;
      const least = leastMtu(this.#kernel, { uplink: link.name, addresses });
      const { name: uplink, index: uplinkIndex } = link;
      return { node: this.#node, addresses, uplink, uplinkIndex, least, endpoints: this.#endpoints };
    }
    throw this.#noUplink(said);
  }

  #noUplink(addresses: readonly string[]) {
    return new TrunklineError("agent.no-uplink", { node: this.#node, addresses });
  }
}
