// Finds the address that routes and sessions of this node use, as RoutingConfiguration says, and writes it on the Node
// object, where all nodes read it. Looked for again whenever links, addresses or settings change, and with every resync,
// because no event tells of other people's routes (can-reach).
import { USUAL_METHOD } from "../../api/detection-method.ts";
import type { Node } from "../../api/kinds/core.ts";
import { nodeAnnotation, nodeAnnotations } from "../../api/kinds/routing/node-annotations.ts";
import { isError, textOf } from "../../base/errors.ts";
import type { Family } from "../../base/ip.ts";
import type { Logger } from "../../base/log.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type ClusterFacts, internalIps, type NodeFacts } from "../../plan/facts.ts";
import { detectAddress, type MachineAddress } from "../../plan/routing/address-detection.ts";
import { ADDRESS_CONDITION, saidMethod, sharedAddresses } from "../../plan/routing/node-address.ts";
import { EventRecorder } from "../../store/event-recorder.ts";
import type { Store } from "../../store/store.ts";
import { setNodeAnnotations } from "../node-annotations.ts";
import { setNodeCondition } from "../node-condition.ts";
import { addressedLinks } from "./addressed-links.ts";
import { type Changes, concerns, type Manager } from "./manager.ts";

/** Pause before the store is told again, in milliseconds. */
const AGAIN_MS = 2000;
const FAMILIES = [
  { family: 4, name: "ipv4Address" },
  { family: 6, name: "ipv6Address" },
] as const;

export interface AddressManagerOptions {
  readonly node: string;
  readonly kernel: Kernel;
  readonly store: Store;
  readonly logger: Logger;
  /** Default AGAIN_MS. */
  readonly againMs?: number;
}

/** What was found of one family. */
interface Finding {
  /** What the annotation is to say: nothing, or what it says already where that is `undefined`. */
  readonly annotation: string | null | undefined;
  /** Why the method that was asked for finds nothing. */
  readonly fault?: string;
}

export class AddressManager implements Manager {
  readonly name = "node-address";
  readonly concerns = ["link", "address"] as const;
  readonly kinds = ["nodes", "routingconfigurations"] as const;
  readonly #options: AddressManagerOptions;
  readonly #events: EventRecorder;
  #findings: ReadonlyMap<Family, Finding> = new Map();
  /** Other nodes with an address of ours, worded. */
  #shared: readonly string[] = [];
  #known: ClusterFacts | undefined;
  #writing: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: AddressManagerOptions) {
    const { store, node, logger } = options;
    this.#options = options;
    this.#events = new EventRecorder(store, { component: "trunkline-agent", host: node }, logger);
  }

  async apply(facts: ClusterFacts, _node: NodeFacts, changes: Changes): Promise<void> {
    if (concerns(changes, "nodes", this.#options.node) || changes.has("routingconfigurations"))
      await this.resync(facts);
    else if (changes.has("nodes")) this.#tell(facts);
  }

  async resync(facts: ClusterFacts): Promise<void> {
    const self = facts.nodes.get(this.#options.node);
    if (!self) return;
    const addresses = this.#addresses();
    this.#findings = new Map(
      FAMILIES.map(({ family }) => [family, this.#find(facts, self, family, addresses)]),
    );
    this.#tell(facts);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#writing;
  }

  problems() {
    const object = `Node/${this.#options.node}`;
    return [
      ...this.#faults().map((message) => ({ code: "node-address.not-found", message, object })),
      ...this.#shared.map((message) => ({ code: "node-address.in-use", message, object })),
    ];
  }

  #find(facts: ClusterFacts, self: Node, family: Family, addresses: readonly MachineAddress[]): Finding {
    const said = saidMethod(facts, family);
    const found = detectAddress(said ?? USUAL_METHOD, family, {
      addresses,
      internalIps: internalIps(self),
      sourceTowards: (address) => this.#sourceTowards(address),
    });
    if ("address" in found) return { annotation: `${found.address}/${found.length}` };
    if ("none" in found || said === undefined) return { annotation: null };
    // A link that is away for a moment must not move sessions and routes to another address.
    return { annotation: undefined, fault: `nodeAddress.ipv${family} '${said}' finds nothing: ${found.why}` };
  }

  #addresses(): MachineAddress[] {
    const { kernel } = this.#options;
    const found = kernel.addresses
      .list()
      .filter(({ scope, deprecated }) => scope === "global" && deprecated !== true);
    const links = addressedLinks(kernel, found);
    return found
      .toSorted((a, b) => a.linkIndex - b.linkIndex)
      .flatMap(({ linkIndex, address }) => {
        const link = links.get(linkIndex);
        const [text = "", length] = address.split("/");
        return link?.up ? [{ interface: link.name, address: text, length: Number(length) }] : [];
      });
  }

  #sourceTowards(address: string): string | undefined {
    try {
      return this.#options.kernel.routes.lookup({ to: address }).source;
    } catch (error) {
      if (isError(error, "kernel.refused")) return undefined;
      throw error;
    }
  }

  #faults(): string[] {
    return [...this.#findings.values()].flatMap(({ fault }) => fault ?? []);
  }

  /** Brings the Node object in line, in the background: routes and rules do not wait for the store. */
  #tell(facts: ClusterFacts): void {
    this.#known = facts;
    const { node } = this.#options;
    this.#shared = FAMILIES.flatMap(({ family }) => [...sharedAddresses(facts, family)])
      .filter(([, nodes]) => nodes.includes(node))
      .map(
        ([address, nodes]) => `${address} is also that of ${namesOf(nodes.filter((one) => one !== node))}`,
      );
    if (this.#writing) this.#again = true;
    else if (this.#differs(facts)) this.#write();
  }

  #wanted(): Record<string, string | undefined> {
    const wanted: Record<string, string | undefined> = {};
    for (const { family, name } of FAMILIES) {
      const annotation = this.#findings.get(family)?.annotation;
      if (annotation !== undefined) wanted[nodeAnnotations[name]] = annotation ?? undefined;
    }
    return wanted;
  }

  #condition() {
    const faults = this.#faults();
    const bad = faults.length > 0 ? "NotDetected" : this.#shared.length > 0 ? "AddressInUse" : undefined;
    const kept = FAMILIES.flatMap(({ family, name }) => {
      const self = this.#known?.nodes.get(this.#options.node);
      return this.#findings.get(family)?.fault === undefined || !self
        ? []
        : `${nodeAnnotation(self, name) ?? "the InternalIP"} is used`;
    });
    return {
      type: ADDRESS_CONDITION,
      status: bad === undefined ? "True" : "False",
      reason: bad ?? "Detected",
      message: [...faults, ...kept, ...this.#shared].join("; "),
    } as const;
  }

  #differs(facts: ClusterFacts): boolean {
    const self = facts.nodes.get(this.#options.node);
    if (!self) return false;
    const annotations = self.metadata.annotations ?? {};
    return (
      Object.entries(this.#wanted()).some(([name, value]) => annotations[name] !== value) ||
      this.#conditionDiffers(self)
    );
  }

  /** What is well is not worth a condition, unless it says that it is not. */
  #conditionDiffers(self: Node): boolean {
    const { status, reason, message } = this.#condition();
    const before = self.status?.conditions?.find(({ type }) => type === ADDRESS_CONDITION);
    if (before === undefined) return status === "False";
    return before.status !== status || before.reason !== reason || before.message !== message;
  }

  #write(): void {
    const { store, node, logger } = this.#options;
    const write = async (): Promise<void> => {
      const wanted = this.#wanted();
      const condition = this.#condition();
      await setNodeAnnotations(store, node, wanted);
      const self = this.#known?.nodes.get(node);
      if (!self || !this.#conditionDiffers(self)) return;
      await setNodeCondition(store, node, condition);
      if (condition.status === "True") return;
      const object = { apiVersion: "v1", kind: "Node", name: node, uid: self.metadata.uid };
      const reason = condition.reason === "AddressInUse" ? "DuplicateNodeAddress" : "NodeAddressNotFound";
      this.#events.record({ object, reason, message: condition.message, type: "Warning" });
      logger.warn({ reason: condition.reason, why: condition.message }, "the node's address");
    };
    this.#writing = write()
      .catch((error: unknown) => {
        logger.warn({ error: textOf(error) }, "the node's address could not be written down");
        this.#later();
      })
      .finally(() => {
        this.#writing = undefined;
        if (!this.#again || this.#stopped) return;
        this.#again = false;
        if (this.#known) this.#tell(this.#known);
      });
  }

  #later(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#known) this.#tell(this.#known);
    }, this.#options.againMs ?? AGAIN_MS);
    this.#timer.unref();
  }
}

function namesOf(nodes: readonly string[]): string {
  return nodes.map((name) => `node ${name}`).join(", ");
}
