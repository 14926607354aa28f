// Gives pods the interfaces that their PodENIs hold for them: waits until one is attached here, finds its link or makes it,
// and remembers who has it. The controller attaches and detaches; what it says of another pod, another machine or another
// time is never used (plan/subnets/own-interface.ts).
import path from "node:path";
import { TrunklineError, textOf } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import { insisting } from "../../../cloud/interface-life.ts";
import type { CloudProvider, Plugs } from "../../../cloud/provider.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import type { ClusterFacts, NodeFacts } from "../../../plan/facts.ts";
import {
  type OwnAddress,
  type OwnInterfaceResult,
  ownInterfaceOf,
} from "../../../plan/subnets/own-interface.ts";
import { assertPodsOnly, ownLink, putDownLink } from "../interface-links.ts";
import type { ControllerState } from "./controller-watch.ts";
import { OwnBook, type OwnWire } from "./own-book.ts";

export interface OwnWiresOptions {
  readonly kernel: Kernel;
  readonly facts: ClusterFacts;
  readonly logger: Logger;
  readonly stateDir: string;
  readonly provider: CloudProvider | undefined;
  /** The provider's id of this machine; undefined while nobody has said it. */
  readonly instanceID: () => string | undefined;
  /** Whether the controller acts, as far as that can be told; default: it cannot. */
  readonly controller?: (() => Promise<ControllerState>) | undefined;
  /** See ProviderPlace. */
  readonly membersShareMac?: boolean | undefined;
  /** Who makes the links, where the provider does not. */
  readonly plugs?: Plugs | undefined;
  /** Wires came or went: rules and routes are to follow at once. */
  readonly changed: () => void;
}

export interface OwnHolder {
  /** Of the endpoint. */
  readonly key: string;
  /** `namespace/name` */
  readonly pod: string;
  readonly uid: string;
}

type Lacking = Extract<OwnInterfaceResult, { readonly lacks: string }>;

/** How long an ADD waits for its PodENI, in milliseconds; then the pod is told, and the runtime tries again. */
const PATIENCE_MS = 4000;

export class OwnWires {
  readonly book: OwnBook;
  readonly #options: OwnWiresOptions;
  readonly #looks = new Set<() => void>();
  readonly #trunkMacs = new Map<string, string>();
  #stopped = false;

  constructor(options: OwnWiresOptions) {
    this.#options = options;
    this.book = new OwnBook(path.join(options.stateDir, "subnets"), options.logger);
  }

  /**
   * Returns the address of the interface that a pod has to itself, the same one as long as it is not released.
   * @throws `subnet.pod-eni` where its PodENI is not ready, `subnet.interface` where the machine has no such link
   */
  async allocate(holder: OwnHolder): Promise<string> {
    const own = await this.#ready(holder);
    const before = this.book.wires.get(holder.key);
    if (before?.id === own.id && before.address === own.address && before.uid === holder.uid)
      return this.#use(before);
    for (const other of this.book.wires.values()) {
      if (other.id !== own.id || other.key === holder.key) continue;
      // The sandbox before this one, whose DEL is still to come: the pod's interface goes with the pod.
      if (other.uid === holder.uid) this.book.remove(other.key);
      else {
        const why = `it is ${other.pod}'s still, which is being taken down`;
        throw new TrunklineError("subnet.interface", { pod: holder.pod, id: own.id, why });
      }
    }
    const trunkMac = own.kind === "trunk" ? await this.#trunkMac(own, holder) : undefined;
    return this.#use({
      ...own,
      ...holder,
      slot: before?.slot ?? this.book.freeSlot(),
      ...(trunkMac !== undefined && { trunkMac }),
      ...(trunkMac !== undefined && this.#options.membersShareMac === true && { sharesMac: true }),
    });
  }

  /** Gives back what an endpoint has; succeeds if it has nothing. */
  async release(key: string): Promise<void> {
    const wire = this.book.remove(key);
    if (!wire) return;
    this.#options.changed();
    try {
      await putDownLink(this.#options.kernel, wire);
    } catch (error) {
      // It has no routes any more; the next comparison with the kernel tries again.
      const facts = { interface: wire.id, error: textOf(error) };
      this.#options.logger.warn(facts, "the link of a pod's own interface could not be put down");
    }
  }

  /** PodENIs have changed. */
  look(): void {
    for (const look of this.#looks) look();
  }

  /** Takes up what the list of interfaces has lost of pods that run, as their PodENIs have it. */
  heal({ endpoints }: Pick<NodeFacts, "endpoints">): void {
    const { facts, instanceID, logger } = this.#options;
    for (const [key, { pod, uid, ips }] of endpoints) {
      if (this.book.wires.has(key)) continue;
      const podEni = facts.podEnis.get(pod);
      const found = podEni && ownInterfaceOf(facts, podEni, uid, instanceID());
      if (!found || !("ready" in found) || !ips.includes(found.ready.address)) continue;
      logger.warn({ pod, interface: found.ready.id }, "a pod's own interface was forgotten: taking it up");
      this.book.put({ ...found.ready, key, pod, uid, slot: this.book.freeSlot() });
    }
  }

  stop(): void {
    this.#stopped = true;
    this.look();
  }

  /** Waits for the pod's PodENI. */
  async #ready(holder: OwnHolder): Promise<OwnAddress> {
    const end = performance.now() + PATIENCE_MS;
    let hasLooked = false;
    for (;;) {
      const { facts, instanceID } = this.#options;
      const found = ownInterfaceOf(facts, facts.podEnis.get(holder.pod), holder.uid, instanceID());
      if ("ready" in found) return found.ready;
      const left = end - performance.now();
      if (left <= 0 || this.#stopped)
        throw new TrunklineError("subnet.pod-eni", { pod: holder.pod, ...(await this.#whoActs(found)) });
      // What has changed by the end of the wait tells that it acts.
      if (!hasLooked) void this.#options.controller?.();
      hasLooked = true;
      await this.#news(left);
    }
  }

  /** Returns what is lacking, with what the controller's Lease says of who is to see to it. */
  async #whoActs(found: Lacking): Promise<Lacking> {
    const state = (await this.#options.controller?.()) ?? { is: "unknown" };
    if (found.reason !== "ControllerAway" || state.is === "unknown") return found;
    const lacks = found.lacks.replace(/[:;] is (it|the controller) running\?|\?$/, "");
    return state.is === "away"
      ? { lacks: `${lacks}; the controller is away: ${state.why}`, reason: "ControllerAway" }
      : {
          lacks: `${lacks}; controller ${state.holder} acts, and has not come to it yet`,
          reason: "PodENINotReady",
        };
  }

  #news(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#looks.add(resolve);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#looks.delete(resolve);
    });
  }

  /** Returns the MAC of the trunk that carries a member, unless the machine has a link for the member itself. */
  async #trunkMac({ mac, trunkENIID }: OwnAddress, { pod }: OwnHolder): Promise<string | undefined> {
    const { kernel, provider } = this.#options;
    if (trunkENIID === undefined || kernel.links.list().some((one) => one.mac === mac && one.kind !== "vlan"))
      return undefined;
    const known = this.#trunkMacs.get(trunkENIID);
    if (known !== undefined || !provider) return known;
    const [trunk] = await insisting(() => provider.describeInterfaces({ ids: [trunkENIID] }));
    if (!trunk) {
      const why = "the provider does not know that trunk";
      throw new TrunklineError("subnet.interface", { pod, id: trunkENIID, why });
    }
    this.#trunkMacs.set(trunkENIID, trunk.mac);
    return trunk.mac;
  }

  /** Puts an interface to use: written down first, so that whoever dies here finds it again. */
  #use(wire: OwnWire): string {
    const { kernel, logger, plugs } = this.#options;
    const isNew = this.book.wires.get(wire.key) !== wire;
    if (isNew) this.book.put(wire);
    // Where it cannot be plugged in there is no link, which is then said.
    plugs?.sync(kernel, [{ ...wire, addresses: [wire.address] }]);
    const link = ownLink(kernel, wire, kernel.links.list());
    try {
      if (typeof link === "string")
        throw new TrunklineError("subnet.interface", { pod: wire.pod, id: wire.id, why: link });
      assertPodsOnly(kernel, link, wire);
    } catch (error) {
      if (isNew) this.book.remove(wire.key);
      throw error;
    }
    const facts = { pod: wire.pod, interface: wire.id, link: link.name, address: wire.address };
    logger.info(facts, "a pod has an interface to itself");
    this.#options.changed();
    return wire.address;
  }
}
