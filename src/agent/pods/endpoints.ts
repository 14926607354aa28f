// The pods of this node: makes and removes their wires, and keeps account of every step, so that an agent that was
// killed between any two instructions finds out what to finish and what to undo.
//
// ADD:  journal "adding" → addresses → rules and wire → journal "ready" → answer.
// DEL:  journal "deleting" → routes away → addresses back → answer → link away → journal forgets.
import { setImmediate as nextTurn } from "node:timers/promises";
import { isError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { PodIdentity } from "../../cni/args.ts";
import type { CniResult } from "../../cni/spec.ts";
import type { Kernel, KernelEvent, Link, Machine } from "../../kernel/kernel.ts";
import type { LocalEndpoint } from "../../plan/facts.ts";
import { AddParts } from "./add-parts.ts";
import type { AddressOwner, AddressSource } from "./addresses.ts";
import {
  aliasOf,
  type Endpoint,
  endpointKey,
  factsOf,
  hostInterfaceName,
  isHostInterface,
  podMac,
  toLocalEndpoint,
} from "./endpoint.ts";
import type { EndpointJournal } from "./endpoint-journal.ts";
import { findWires, rebuiltEndpoint } from "./found-wires.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { attachWire, cutWire, type WireSpec } from "./wire.ts";
import { checkWire } from "./wire-check.ts";
import { mainFamilies, resultOf } from "./wire-result.ts";
import { type Repairs, repairWires, takeRules } from "./wire-upkeep.ts";

export interface Wanted {
  readonly containerId: string;
  readonly ifName: string;
  readonly network: string;
  readonly netns: string;
  /** That namespace's identity. */
  readonly netnsId: string;
  readonly pod: PodIdentity | undefined;
  /** Bytes. */
  readonly mtu: number;
}

export interface EndpointsOptions {
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly journal: EndpointJournal;
  readonly addresses: AddressSource;
  readonly logger: Logger;
  /** Settles when the node's rules hold for the endpoints as they are now; rejects if that takes too long. */
  readonly inForce: (key: string) => Promise<void>;
  /** Limits what the pod may send and receive; its wire is made, and nobody was told of it yet. */
  readonly limit?: (endpoint: Endpoint) => Promise<void>;
  /** Settles when destinations that are to admit the pod do, or nobody waits for them any longer. */
  readonly admitted?: (pod: PodIdentity, ips: readonly string[]) => Promise<void>;
  /** An endpoint came or went. */
  readonly changed: (key: string) => void;
}

export class Endpoints {
  readonly #options: EndpointsOptions;
  readonly #known = new Map<string, Endpoint>();
  readonly #local = new Map<string, LocalEndpoint>();
  readonly #lock = new KeyedLock();
  /** By namespace. */
  readonly #wiring = new KeyedLock();
  /** Links that DEL left to be removed behind its answer. */
  readonly #removals = new Map<string, Promise<void>>();

  /**
   * Indexes of host ends that this agent made or found: they save a look-up, which waits for whatever the kernel does to links.
   * Never kept on disk, as another boot gives the same numbers to others.
   */
  readonly #indexes = new Map<string, number>();
  /** By index, whose it is. */
  readonly #liveWires = new Map<number, string>();
  /** Keys of endpoints whose host end may be gone: the kernel has said so, or may have said so while nobody heard it. */
  readonly #doubted = new Set<string>();

  constructor(options: EndpointsOptions) {
    this.#options = options;
  }

  /** What plans need of the node's pods, by endpoint key: a live map. */
  get local(): ReadonlyMap<string, LocalEndpoint> {
    return this.#local;
  }

  get known(): ReadonlyMap<string, Endpoint> {
    return this.#known;
  }

  /**
   * Makes journal, addresses and kernel agree: takes up pods' wires that the journal has lost, finishes or undoes what an
   * earlier agent was in the middle of, gives back addresses that belong to nobody, and removes host ends that lead
   * nowhere. To be called once, before anything else.
   */
  async recover(): Promise<void> {
    const { kernel, addresses, journal, logger } = this.#options;
    for (const [key, endpoint] of journal.live) this.#known.set(key, endpoint);
    this.#takeUpWires();
    for (const [key, endpoint] of this.#known)
      if (endpoint.phase === "ready") this.#local.set(key, toLocalEndpoint(endpoint));
    for (const endpoint of this.#known.values()) {
      if (endpoint.phase === "ready") continue;
      logger.info({ ...factsOf(endpoint), phase: endpoint.phase }, "undoing what was left half done");
      await this.#tolerate(endpoint, () => this.#undo(endpoint));
    }
    for (const owner of addresses.owners()) {
      if (this.#known.get(endpointKey(owner))?.phase === "ready") continue;
      logger.info({ ...owner }, "giving back addresses without an endpoint");
      await this.#tolerate(owner, () => addresses.release(owner));
    }
    const keys = new Map([...this.#known].map(([key, endpoint]) => [endpoint.hostInterface, key]));
    for (const { link, ips } of findWires(kernel)) {
      const key = keys.get(link.name);
      const facts = { interface: link.name, alias: link.alias, ips };
      if (key !== undefined) this.#setIndex(key, link.index);
      else if (ips.length > 0)
        logger.error(facts, "whose interface this is cannot be told: it is left as it is");
      else {
        logger.info(facts, "removing an interface without an endpoint");
        this.#removeLink(link.name, link.index);
      }
    }
  }

  /** What is left of one attachment must keep nothing else from going on: it is for the next start, or its own DEL. */
  async #tolerate(attached: AddressOwner, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const facts = { endpoint: endpointKey(attached), error: textOf(error) };
      this.#options.logger.error(facts, "what is left of an attachment cannot be taken back now");
    }
  }

  /**
   * The wire of a pod that runs has routes; one that is being made gets them last, one that is being removed loses them
   * first. So routes without an endpoint mean that the journal lost it; and where it is known to have lost something,
   * they count for more than an endpoint that was half done when it was last heard of. If nobody was told of that one, the
   * runtime asks for its ADD or DEL again.
   */
  #takeUpWires(): void {
    const { kernel, machine, journal, addresses, logger } = this.#options;
    const byInterface = new Map([...this.#known.values()].map((one) => [one.hostInterface, one]));
    for (const wire of findWires(kernel)) {
      const known = byInterface.get(wire.link.name);
      if (known?.phase === "ready" || (known !== undefined && !journal.doubtful)) continue;
      const endpoint = rebuiltEndpoint(machine, wire, known, addresses.owners());
      if (endpoint === undefined) continue;
      logger.warn(
        factsOf(endpoint),
        "the journal has lost a pod's interface: taking it up as the kernel shows it",
      );
      journal.note(endpoint);
      this.#known.set(endpointKey(endpoint), endpoint);
    }
  }

  /**
   * Makes a pod's interface, or answers as before if it is there already.
   * @param parts told where the time goes
   * @throws TrunklineError
   */
  add(wanted: Wanted, parts: AddParts = new AddParts()): Promise<CniResult> {
    return this.#lock.run(endpointKey(wanted), () => this.#add(wanted, parts));
  }

  async #add(wanted: Wanted, parts: AddParts): Promise<CniResult> {
    const key = endpointKey(wanted);
    const { netnsId } = wanted;
    const before = this.#known.get(key);
    if (before?.phase === "ready" && before.netnsId === netnsId && before.result !== undefined) {
      const faults = this.check(before, before.result);
      if (faults.length === 0) return before.result;
      this.#options.logger.warn(
        { ...factsOf(before), faults },
        "the pod's interface is damaged: making it anew",
      );
    }
    // What an attempt before this one has left, and links that DEL is still removing, go first. Addresses of a damaged
    // wire are kept: the allocator answers with the same ones.
    if (before !== undefined && before.phase !== "ready") await this.#undo(before);
    await this.#removals.get(key);
    const endpoint: Endpoint = {
      containerId: wanted.containerId,
      ifName: wanted.ifName,
      network: wanted.network,
      netns: wanted.netns,
      netnsId,
      pod: wanted.pod,
      hostInterface: hostInterfaceName(wanted.containerId, wanted.ifName),
      ips: [],
      phase: "adding",
    };
    this.#begin(endpoint);
    // Of a wire that is made anew: what a failure takes back is the new one's.
    this.#forgetIndex(key);
    parts.ended("journal");
    try {
      return await this.#make(endpoint, wanted.mtu, parts);
    } catch (error) {
      // Why the pod has no network is what is to be told; what cannot be taken back now is its DEL's, or the next ADD's.
      await this.#tolerate(endpoint, () => this.#undo(endpoint));
      throw error;
    }
  }

  async #make(planned: Endpoint, mtu: number, parts: AddParts): Promise<CniResult> {
    const { machine, kernel, addresses } = this.#options;
    const key = endpointKey(planned);
    const endpoint = { ...planned, ips: await addresses.allocate(planned) };
    this.#known.set(key, endpoint);
    this.#local.set(key, toLocalEndpoint(endpoint));
    parts.ended("addresses");
    const asked = performance.now();
    this.#options.changed(key);
    // The interface's name is known before the interface is there, so its rules are put in force at the same time.
    const inForce = this.#options.inForce(key).then(() => {
      parts.rulesBeside = performance.now() - asked;
    });
    // Awaited below; a failure before that must not count as one that nobody hears of.
    inForce.catch(() => {});
    const admitted = endpoint.pod && this.#options.admitted?.(endpoint.pod, endpoint.ips);
    // One interface of a pod after the other: each looks whether another one has the default route.
    const wire = await this.#wiring.run(endpoint.netnsId, () =>
      attachWire(machine, kernel, wireOf(endpoint, mtu), parts),
    );
    await this.#options.limit?.(endpoint);
    await inForce;
    await admitted;
    parts.ended("rules");
    const result = resultOf(endpoint, wire, mtu);
    this.#begin({ ...endpoint, phase: "ready", result });
    this.#setIndex(key, wire.host.index);
    parts.ended("journal");
    return result;
  }

  /**
   * Removes a pod's interface and gives its addresses back, also where nothing is known of it. Answers before the link
   * itself is gone.
   */
  remove(attached: AddressOwner): Promise<void> {
    return this.#lock.run(endpointKey(attached), () => this.#remove(attached));
  }

  /**
   * The same for an endpoint as it was found, by who was not asked to remove it: one that was made anew since, or is being
   * removed by somebody else, is left alone.
   */
  removeFound(endpoint: Endpoint): Promise<void> {
    const key = endpointKey(endpoint);
    // Endpoints are never changed in place. An ADD of the same name may stand before us.
    return this.#lock.run(key, async () => {
      if (this.#known.get(key) === endpoint) await this.#remove(endpoint);
    });
  }

  async #remove(attached: AddressOwner): Promise<void> {
    const { kernel, machine, addresses, logger } = this.#options;
    const key = endpointKey(attached);
    const endpoint = this.#known.get(key);
    const hostInterface = hostInterfaceName(attached.containerId, attached.ifName);
    const index = this.#indexes.get(key) ?? ownLink(kernel, hostInterface)?.index;
    this.#forgetIndex(key);
    if (endpoint !== undefined) {
      this.#end({ ...endpoint, phase: "deleting" });
      this.#forgetLocal(key);
      cutWire(kernel, index, endpoint.ips);
      takeRules(machine, endpoint, logger);
    }
    const { containerId, ifName } = attached;
    try {
      await addresses.release({ containerId, ifName, pod: endpoint?.pod ?? attached.pod });
    } catch (error) {
      // Free in memory, and nothing is given out before that is written. An agent that is killed first finds addresses
      // without an endpoint, or an endpoint without a namespace, and gives them back itself.
      if (!isError(error, "ipam.journal")) throw error;
      logger.error({ endpoint: key, error: textOf(error) }, "that addresses are free is not written yet");
    }
    if (endpoint !== undefined || index !== undefined) this.#removeLink(key, index);
  }

  /** Settles when the links that DEL left behind are gone. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#removals.values());
  }

  /** Takes note of host ends that went without us. */
  heard(event: KernelEvent): void {
    if (event.kind === "lost") for (const key of this.#known.keys()) this.#doubted.add(key);
    if (event.kind !== "link" || event.change !== "gone") return;
    const key = this.#liveWires.get(event.index);
    if (key !== undefined) this.#doubted.add(key);
  }

  /** Returns endpoints whose ADD was answered and whose host end is gone. The kernel is asked only for those in doubt. */
  withoutWire(): Endpoint[] {
    const { kernel } = this.#options;
    const found: Endpoint[] = [];
    for (const key of this.#doubted) {
      const endpoint = this.#known.get(key);
      // One that is being made or removed is looked at when that has ended.
      if (endpoint !== undefined && endpoint.phase !== "ready") continue;
      const link = endpoint && ownLink(kernel, endpoint.hostInterface);
      if (endpoint !== undefined && link === undefined) {
        found.push(endpoint);
        continue;
      }
      if (link !== undefined) this.#setIndex(key, link.index);
      this.#doubted.delete(key);
    }
    return found;
  }

  /** Returns what of the endpoint is not as `result` says it is, in words. */
  check(endpoint: Endpoint, result: CniResult): string[] {
    const { machine, kernel } = this.#options;
    const mtu = result.interfaces?.[0]?.mtu ?? 0;
    return checkWire(machine, kernel, wireOf(endpoint, mtu), mainFamilies(result));
  }

  /** Returns whether a link is the host's end of a pod that was added and not deleted. */
  isLiveWire(linkIndex: number): boolean {
    return this.#liveWires.has(linkIndex);
  }

  #setIndex(key: string, index: number): void {
    this.#forgetIndex(key);
    this.#indexes.set(key, index);
    this.#liveWires.set(index, key);
  }

  #forgetIndex(key: string): void {
    this.#liveWires.delete(this.#indexes.get(key) ?? 0);
    this.#indexes.delete(key);
  }

  /**
   * Puts right what somebody changed of wires: their settings, addresses and host routes.
   * @param which indexes of host ends
   */
  repair(which: ReadonlySet<number> | "all" = "all"): Repairs {
    const { kernel, logger } = this.#options;
    const absent = (endpoint: Endpoint) => void this.#doubted.add(endpointKey(endpoint));
    return repairWires(kernel, this.#known.values(), which, absent, logger);
  }

  /** Takes back all of an endpoint, to the end, before it returns. */
  async #undo(endpoint: Endpoint): Promise<void> {
    await this.#remove(endpoint);
    await this.#removals.get(endpointKey(endpoint));
  }

  /** @param link its index; undefined where it is gone already */
  #removeLink(key: string, link: number | undefined): void {
    const removal = this.#takeLink(key, link).finally(() => {
      // A second DEL may have begun another one meanwhile.
      if (this.#removals.get(key) === removal) this.#removals.delete(key);
    });
    this.#removals.set(key, removal);
  }

  async #takeLink(key: string, link: number | undefined): Promise<void> {
    const { kernel, logger } = this.#options;
    // In a later turn, so that the answer leaves before the work begins.
    await nextTurn();
    try {
      if (link !== undefined) await kernel.links.remove(link);
      // ADD waits for this removal, so what is known now is still what was deleted.
      const endpoint = this.#known.get(key);
      if (endpoint?.phase === "deleting") {
        this.#options.journal.remove(endpoint);
        this.#known.delete(key);
      }
    } catch (error) {
      // The journal still says "deleting": the sweep, the next ADD or DEL, or the next start tries again.
      logger.error({ endpoint: key, link, error: textOf(error) }, "an interface cannot be removed");
    }
  }

  /** Tries again what failed behind an answer. What the kernel refuses now is for the next time: nobody hears of it here. */
  sweep(): void {
    for (const [key, endpoint] of this.#known) {
      if (endpoint.phase !== "deleting" || this.#removals.has(key)) continue;
      try {
        this.#removeLink(key, ownLink(this.#options.kernel, endpoint.hostInterface)?.index);
      } catch (error) {
        this.#options.logger.warn(
          { endpoint: key, error: textOf(error) },
          "an interface cannot be looked at",
        );
      }
    }
  }

  /** @throws `agent.journal`: nothing is begun that the next agent would not know of */
  #begin(endpoint: Endpoint): void {
    this.#options.journal.put(endpoint);
    this.#known.set(endpointKey(endpoint), endpoint);
  }

  /** A disk that cannot be written must not keep a pod from being taken down. */
  #end(endpoint: Endpoint): void {
    this.#options.journal.note(endpoint);
    this.#known.set(endpointKey(endpoint), endpoint);
  }

  #forgetLocal(key: string): void {
    if (this.#local.delete(key)) this.#options.changed(key);
  }
}

/** Returns the link of that name if it is ours. */
function ownLink(kernel: Kernel, name: string): Link | undefined {
  const link = kernel.links.get(name);
  return link !== undefined && isHostInterface(link) ? link : undefined;
}

function wireOf(endpoint: Endpoint, mtu: number): WireSpec {
  const { hostInterface, ifName, netns, ips } = endpoint;
  return { hostInterface, ifName, netns, ips, mtu, alias: aliasOf(endpoint), podMac: podMac(endpoint) };
}
