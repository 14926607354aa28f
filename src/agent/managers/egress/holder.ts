// Holds egress addresses on this node: wins and renews their leases, keeps them on the uplink, tells neighbours, and
// writes down who holds what. The address has a lifetime in the kernel, so that it also goes when the agent dies.

import { type Lease, leaseKind } from "../../../api/kinds/lease.ts";
import type { SourceNAT } from "../../../api/kinds/source-nat.ts";
import { sourceNatKind } from "../../../api/kinds/source-nat.ts";
import { isError, textOf } from "../../../base/errors.ts";
import { hostRange } from "../../../base/ip.ts";
import type { Logger } from "../../../base/log.ts";
import type { Kernel, Link } from "../../../kernel/kernel.ts";
import { announcement } from "../../../kernel/sockets/announce.ts";
import type { NodeFacts } from "../../../plan/facts.ts";
import { EGRESS_LEASES, electionStep, LEASE_MS, leaseName, RENEW_MS } from "../../../plan/snat/election.ts";
import type { EgressAddress } from "../../../plan/snat/types.ts";
import type { Store } from "../../../store/store.ts";
import { AddressConflicts } from "./address-conflicts.ts";
import { EgressRefusals } from "./refusals.ts";

const NAMESPACE = EGRESS_LEASES;
/** Longer than a lease, so that a late renewal does not take it away; shorter than a takeover is to be noticed. */
const VALID_SECONDS = 3;
/** In rounds: every renewal of an address is an event that others look at. */
const PROLONG_EVERY = 3;
/** A neighbour may miss one announcement. */
const ANNOUNCEMENTS = 3;
const STATUS_EVERY = 10;
/** In milliseconds: until then, whoever held an address before may still be heard. */
const SETTLED_MS = 5000;

export interface EgressHolderOptions {
  readonly node: string;
  readonly kernel: Kernel;
  readonly store: Store;
  readonly logger: Logger;
  /** Called after an address came or went; rules must be in force when it settles. */
  readonly changed: () => Promise<void>;
}

interface Seen {
  readonly version: string;
  readonly since: number;
}

export class EgressHolder {
  readonly #options: EgressHolderOptions;
  #wanted = new Map<string, EgressAddress>();
  #uplink = "";
  /** Addresses that this node holds, with the number of announcements still to be made. */
  readonly #held = new Map<string, number>();
  /** When an address was taken, in milliseconds since the process began. */
  readonly #since = new Map<string, number>();
  readonly #seen = new Map<string, Seen>();
  #lastRound = 0;
  #rounds = 0;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #stopped = false;
  #error: string | undefined;
  readonly #conflicts: AddressConflicts;
  readonly #refusals: EgressRefusals;

  constructor(options: EgressHolderOptions) {
    this.#options = options;
    this.#conflicts = new AddressConflicts(options.kernel);
    this.#refusals = new EgressRefusals(options);
  }

  /** What this node knows better than the objects. Those that are not wanted any more are still to be given back. */
  held(): ReadonlySet<string> {
    return new Set([...this.#held.keys()].filter((address) => this.#wanted.has(address)));
  }

  /** Takes over what the plan says about egress addresses. */
  follow(egress: readonly EgressAddress[], node: NodeFacts): void {
    this.#uplink = node.uplink;
    const { node: self } = this.#options;
    this.#wanted = new Map(
      egress.filter(({ candidates }) => candidates.includes(self)).map((one) => [one.address, one]),
    );
    if (this.#wanted.size === 0) this.#refusals.tell([]);
    if (this.#stopped || (this.#wanted.size === 0 && this.#held.size === 0)) return;
    this.#timer ??= setTimeout(() => this.#tick(), 0);
  }

  /** Somebody changed addresses: those held are put back at the next renewal, which is near. */
  recheck(): void {
    for (const address of this.#held.keys()) this.#held.set(address, ANNOUNCEMENTS);
  }

  problems(): { code: string; message: string; object?: string }[] {
    const refused = this.#refusals.problems();
    if (this.#error === undefined) return refused;
    return [...refused, { code: "snat.egress", message: this.#error, object: `Node/${this.#options.node}` }];
  }

  /** Gives everything back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#round;
    this.#conflicts.stop();
    await this.#refusals.stop();
    for (const address of this.#held.keys()) {
      this.#held.delete(address);
      await this.#tolerate(address, async () => this.#removeAddress(address));
      await this.#releaseLease(address);
    }
  }

  #tick(): void {
    const now = performance.now();
    // A process that was held up has not watched: it must not conclude that others were silent.
    if (now - this.#lastRound > LEASE_MS / 2) {
      for (const [address, { version }] of this.#seen) this.#seen.set(address, { version, since: now });
    }
    this.#lastRound = now;
    this.#round = this.#runRound().finally(() => {
      this.#timer = undefined;
      if (this.#stopped || (this.#wanted.size === 0 && this.#held.size === 0)) return;
      this.#timer = setTimeout(() => this.#tick(), RENEW_MS);
    });
  }

  async #runRound(): Promise<void> {
    this.#rounds++;
    try {
      const link = this.#options.kernel.links.get(this.#uplink);
      const works = link?.up === true && link.running;
      for (const address of this.#held.keys()) {
        if (!works || !this.#wanted.has(address)) await this.#drop(address);
      }
      if (works && this.#held.size > 0) this.#conflicts.listen(link);
      else this.#conflicts.stop();
      if (works) for (const wanted of this.#wanted.values()) await this.#attend(wanted, link);
      this.#refusals.tell(this.#wanted.values());
      this.#error = undefined;
    } catch (error) {
      // The store is away, or the kernel refused: what is held stays held, unless another node was heard to have it.
      const text = textOf(error);
      if (text !== this.#error) this.#options.logger.warn({ error: text }, "egress addresses not renewed");
      this.#error = text;
      await this.#keepOrLeave();
    }
  }

  async #attend(wanted: EgressAddress, link: Link): Promise<void> {
    const { node, store } = this.#options;
    const { address, candidates } = wanted;
    const lease = await store.get(leaseKind, leaseName(address), NAMESPACE);
    const holder = lease?.spec?.holderIdentity;
    const view = lease && {
      holder: holder === "" ? undefined : holder,
      unchangedMs: this.#unchanged(address, lease.metadata.resourceVersion),
    };
    const step = electionStep(address, node, candidates, view);
    if (step === "wait") {
      if (this.#held.has(address)) await this.#drop(address);
      return;
    }
    if (!this.#held.has(address) && !this.#refusals.isFree(address, link, lease)) return;
    if (!(await this.#writeLease(address, lease))) return;
    if (!this.#held.has(address)) await this.#take(wanted, link);
    else {
      this.#listen(address);
      if (this.#rounds % PROLONG_EVERY === 0) this.#putAddress(address, link);
      if (this.#rounds % STATUS_EVERY === 0) await this.#writeStatus(wanted);
    }
    const left = this.#held.get(address) ?? 0;
    if (left > 0) {
      this.#announce(address, link);
      this.#held.set(address, left - 1);
    }
  }

  /** Somebody else may have been given an address since it was taken. Who held it before us answers for some seconds. */
  #listen(address: string): void {
    const since = this.#since.get(address) ?? 0;
    const mac = this.#conflicts.heard(address, LEASE_MS);
    if (mac === undefined) this.#refusals.taken(address);
    else if (performance.now() - since > SETTLED_MS) this.#refusals.heard(address, mac);
  }

  /** Rules first, then the address: nothing may leave with a wrong one. Then everybody is told. */
  async #take(wanted: EgressAddress, link: Link): Promise<void> {
    const { logger, changed } = this.#options;
    const { address } = wanted;
    this.#held.set(address, ANNOUNCEMENTS);
    try {
      await changed();
    } catch (error) {
      this.#held.delete(address);
      throw error;
    }
    this.#putAddress(address, link);
    this.#announce(address, link);
    this.#since.set(address, performance.now());
    this.#refusals.taken(address);
    await this.#writeStatus(wanted);
    logger.info({ address, objects: wanted.objects }, "egress address taken");
  }

  async #drop(address: string): Promise<void> {
    this.#held.delete(address);
    this.#since.delete(address);
    this.#removeAddress(address);
    this.#options.logger.info({ address }, "egress address given up");
    await this.#options.changed();
    const link = this.#options.kernel.links.get(this.#uplink);
    // Where another node takes it over, that one answers, and has announced it itself.
    if (link?.up) void this.#refusals.handOver(address, link, (mac) => this.#announce(address, link, mac));
  }

  #unchanged(address: string, version: string): number {
    const now = performance.now();
    const seen = this.#seen.get(address);
    if (seen?.version === version) return now - seen.since;
    this.#seen.set(address, { version, since: now });
    return 0;
  }

  /** Returns whether the lease is this node's now; false where another one was quicker. */
  async #writeLease(address: string, lease: Lease | undefined): Promise<boolean> {
    const { node, store } = this.#options;
    const now = new Date().toISOString().replace("Z", "000Z");
    const spec = {
      holderIdentity: node,
      leaseDurationSeconds: Math.ceil(LEASE_MS / 1000),
      acquireTime: lease?.spec?.holderIdentity === node ? (lease.spec.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions:
        (lease?.spec?.leaseTransitions ?? 0) + (lease && lease.spec?.holderIdentity !== node ? 1 : 0),
    };
    try {
      if (lease) await store.update(leaseKind, { ...lease, spec });
      else {
        const metadata = { name: leaseName(address), namespace: NAMESPACE };
        await store.create(leaseKind, { apiVersion: leaseKind.apiVersion, kind: "Lease", metadata, spec });
      }
      return true;
    } catch (error) {
      if (
        isError(error, "store.conflict") ||
        isError(error, "store.exists") ||
        isError(error, "store.not-found")
      )
        return false;
      throw error;
    }
  }

  async #releaseLease(address: string): Promise<void> {
    const { node, store } = this.#options;
    try {
      const lease = await store.get(leaseKind, leaseName(address), NAMESPACE);
      if (lease?.spec?.holderIdentity !== node) return;
      await store.update(leaseKind, { ...lease, spec: { ...lease.spec, holderIdentity: "" } });
    } catch (error) {
      // The others will find out by the lease's age.
      this.#options.logger.warn({ address, error: textOf(error) }, "lease not given back");
    }
  }

  /** Other nodes learn from the objects where to send their pods' packets. */
  async #writeStatus({ address, objects }: EgressAddress): Promise<void> {
    const { node, store } = this.#options;
    for (const object of objects) {
      const name = object.replace("SourceNAT/", "");
      for (let attempts = 5; attempts > 0; attempts--) {
        const now = await store.get(sourceNatKind, name);
        if (now) await this.#refusals.overcome(now, address);
        if (!now || now.status?.holders?.some((one) => one.address === address && one.node === node)) break;
        if (await this.#replaceHolder(now, address)) break;
      }
    }
  }

  async #replaceHolder(object: SourceNAT, address: string): Promise<boolean> {
    const others = (object.status?.holders ?? []).filter((one) => one.address !== address);
    const holders = [...others, { address, node: this.#options.node }].toSorted((a, b) =>
      a.address < b.address ? -1 : 1,
    );
    try {
      await this.#options.store.update(sourceNatKind, { ...object, status: { ...object.status, holders } });
      return true;
    } catch (error) {
      if (isError(error, "store.conflict")) return false;
      throw error;
    }
  }

  /**
   * Without the store nobody can say who holds what; but who took an address over is heard on the wire. Never rejects: nobody
   * waits for a round.
   */
  async #keepOrLeave(): Promise<void> {
    for (const address of this.#held.keys())
      await this.#tolerate(address, async () => {
        const link = this.#options.kernel.links.get(this.#uplink);
        if (this.#conflicts.heard(address, LEASE_MS * 2)) await this.#drop(address);
        else if (link) this.#putAddress(address, link);
      });
  }

  /** What the kernel refuses of one address is no reason to leave the others; it goes by itself when its time is over. */
  async #tolerate(address: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.logger.warn(
        { address, error: textOf(error) },
        "an egress address is not as it should be",
      );
    }
  }

  #putAddress(address: string, link: Link): void {
    this.#options.kernel.addresses.add({
      linkIndex: link.index,
      address: hostRange(address),
      scope: "global",
      noDad: true,
      validSeconds: VALID_SECONDS,
    });
  }

  #removeAddress(address: string): void {
    const { kernel } = this.#options;
    const link = kernel.links.get(this.#uplink);
    if (link)
      kernel.addresses.remove({ linkIndex: link.index, address: hostRange(address), scope: "global" });
  }

  /** @param owner whose the address is, where it is not this node's */
  #announce(address: string, link: Link, owner = link.mac): void {
    if (link.mac === undefined || owner === undefined) return;
    const { sockets } = this.#options.kernel;
    const fd = sockets.openPacket(link.index);
    try {
      sockets.sendPacket(fd, link.index, announcement(address, owner, link.mac));
    } finally {
      sockets.close(fd);
    }
  }
}
