// Looks after subnets: their figures and warnings on the object, whether the provider still has them, and interfaces that
// nobody knows any more.
import { withCondition } from "../api/conditions.ts";
import { equalJson } from "../api/equal.ts";
import { type Condition, type Node, nodeKind, type Pod, podKind } from "../api/kinds/core.ts";
import { type NodeConfig, nodeConfigKind } from "../api/kinds/node-config.ts";
import { type PodENI, podEniKind } from "../api/kinds/pod-eni.ts";
import { type Subnet, subnetKind } from "../api/kinds/subnet.ts";
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { stampOf } from "../base/stamp.ts";
import { unlessAborted } from "../base/unless-aborted.ts";
import type { ProviderPlace } from "../cloud/provider.ts";
import { type CloudInterface, nodeTag, ourTags, podEniTag, trunkTag } from "../cloud/types.ts";
import type { Clock } from "../ipam/types.ts";
import { type SubnetFigures, subnetFigures } from "../plan/subnets/capacity.ts";
import { trunkAnnotation } from "../plan/subnets/pod-eni/words.ts";
import { change } from "../store/change.ts";
import { EventRecorder } from "../store/event-recorder.ts";
import { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import { Rounds } from "./rounds.ts";
import { SubnetFinder } from "./subnet-finder.ts";

export interface SubnetKeeperOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly cloud: ProviderPlace | undefined;
  /** Of stamps, of ages, and of the time between looks. */
  readonly clock: Pick<Clock, "now" | "sleep">;
}

/** Pods come in swarms. */
const GATHER_MS = 300;
const LOOK_MS = 30_000;
/** The same while the provider lacks one of them: pods may wait for it to come back. */
const MISSING_LOOK_MS = 5000;
/** What is younger may be on its way to somebody who has not written it down yet. */
const LEAK_AGE_MS = 600_000;
const ATTEMPTS = 5;

export class SubnetKeeper {
  readonly #options: SubnetKeeperOptions;
  readonly #events: EventRecorder;
  readonly #subnets: Informer<Subnet>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #nodeConfigs: Informer<NodeConfig>;
  readonly #podEnis: Informer<PodENI>;
  readonly #finder: SubnetFinder | undefined;
  readonly #ending = new AbortController();
  /** What the provider said last, by subnet. */
  #foreign = new Map<string, readonly string[]>();
  #found: ReadonlySet<string> | undefined;
  /** All kinds were listed: before that, every subnet seems to have room. */
  #areKnown = false;
  readonly #rounds: Rounds;
  #looking: Promise<void> | undefined;

  constructor(options: SubnetKeeperOptions) {
    const { store, logger } = options;
    this.#options = options;
    this.#events = new EventRecorder(store, { component: "trunkline-controller" }, logger);
    this.#subnets = new Informer(store, subnetKind, { logger });
    this.#pods = new Informer(store, podKind, { logger });
    this.#nodes = new Informer(store, nodeKind, { logger });
    this.#nodeConfigs = new Informer(store, nodeConfigKind, { logger });
    this.#podEnis = new Informer(store, podEniKind, { logger });
    const { cloud } = options;
    const subnets = this.#subnets.cache;
    this.#rounds = new Rounds({
      look: (signal) => this.#write(signal),
      gatherMs: GATHER_MS,
      logger,
      failure: "the states of subnets could not be written",
    });
    this.#finder = cloud && new SubnetFinder({ store, logger, provider: cloud.provider, subnets });
  }

  start(): void {
    const all = [this.#subnets, this.#pods, this.#nodes, this.#nodeConfigs, this.#podEnis];
    this.#subnets.on(() => this.#note());
    for (const informer of [this.#pods, this.#nodeConfigs, this.#podEnis] as Informer<Pod>[])
      informer.on(() => this.#note());
    for (const informer of all) informer.start();
    void this.#known().then((known) => {
      this.#areKnown = known;
      this.#note();
    });
    if (this.#options.cloud) this.#looking = this.#keepLooking(this.#options.cloud);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    const all = [this.#subnets, this.#pods, this.#nodes, this.#nodeConfigs, this.#podEnis];
    await Promise.all([
      ...all.map((informer) => informer.stop()),
      this.#finder?.stop(),
      this.#rounds.stop(),
      this.#looking,
    ]);
  }

  /** Settles with true when all have been read; with false at the end, which may come before. */
  async #known(): Promise<boolean> {
    const all = [this.#subnets, this.#pods, this.#nodes, this.#nodeConfigs, this.#podEnis];
    const synced = Promise.all(all.map((informer) => informer.synced));
    return (await unlessAborted(synced, this.#ending.signal)) !== undefined;
  }

  #note(): void {
    if (this.#areKnown && this.#subnets.cache.size > 0) this.#rounds.soon();
  }

  async #write(signal: AbortSignal): Promise<void> {
    const facts = {
      pods: this.#pods.cache,
      nodeConfigs: this.#nodeConfigs.cache,
      podEnis: this.#podEnis.cache,
    };
    let failed: { readonly error: unknown } | undefined;
    for (const subnet of this.#subnets.cache.values()) {
      if (signal.aborted) return;
      const { name } = subnet.metadata;
      try {
        await this.#tell(name, subnetFigures(facts, subnet, this.#foreign.get(name) ?? []));
      } catch (error) {
        this.#options.logger.info(
          { subnet: name, error: textOf(error) },
          "a subnet's state could not be written",
        );
        failed ??= { error };
      }
    }
    if (failed) throw failed.error;
  }

  async #tell(name: string, figures: SubnetFigures): Promise<void> {
    const { store, clock } = this.#options;
    const at = stampOf(clock.now());
    /** As it was before it was written; undefined where that said the same. */
    const seen: { subnet: Subnet | undefined } = { subnet: undefined };
    const edit = (subnet: Subnet): Subnet | undefined => {
      const said = saidOf(subnet, figures, this.#found);
      const known = subnet.status?.conditions ?? [];
      const status = {
        ...figures,
        conditions: said.reduce((all, one) => withCondition(all, one, at), [...known]),
      };
      seen.subnet = equalJson(status, subnet.status) ? undefined : subnet;
      return seen.subnet && { ...subnet, status };
    };
    const written = await change(store, subnetKind, { name }, edit, ATTEMPTS);
    if (written && seen.subnet) this.#warn(seen.subnet, figures, saidOf(seen.subnet, figures, this.#found));
  }

  #warn(
    { apiVersion, kind, metadata, status }: Subnet,
    figures: SubnetFigures,
    said: readonly Condition[],
  ): void {
    const object = { apiVersion, kind, name: metadata.name, uid: metadata.uid };
    const warn = (type: string, reason: string) => {
      const message = said.find((one) => one.type === type)?.message ?? "";
      this.#events.record({ object, reason, message, type: "Warning" });
    };
    if (figures.shortBy > 0 && figures.shortBy !== status?.shortBy) warn("LowCapacity", "VSwitchLowCapacity");
    if (figures.availableAddresses === 0 && status?.availableAddresses !== 0)
      warn("Exhausted", "VSwitchExhausted");
  }

  async #keepLooking(cloud: ProviderPlace): Promise<void> {
    const { signal } = this.#ending;
    // Before all of them are known, anything might seem to be nobody's.
    if (!(await this.#known())) return;
    this.#finder?.start();
    while (!signal.aborted) {
      try {
        await this.#finder?.look();
        await this.#look(cloud);
      } catch (error) {
        // The figures stay as they were; nothing is taken for gone because nobody answers.
        this.#options.logger.warn({ error: textOf(error) }, "the provider of subnets does not answer");
      }
      const found = this.#found;
      const isMissing = found !== undefined && ![...this.#subnets.cache.keys()].every((id) => found.has(id));
      await this.#options.clock.sleep(isMissing ? MISSING_LOOK_MS : LOOK_MS, signal);
    }
  }

  async #look(cloud: ProviderPlace): Promise<void> {
    const ids = [...this.#subnets.cache.keys()];
    if (ids.length === 0) return;
    const found = await cloud.provider.describeSubnets(ids);
    this.#found = new Set(found.map(({ id }) => id));
    const all = await cloud.provider.describeInterfaces({});
    const ours = Object.entries(ourTags(cloud.cluster));
    const isOurs = ({ tags }: CloudInterface) => ours.every(([key, value]) => tags[key] === value);
    const foreign = new Map<string, string[]>();
    for (const one of all)
      if (!isOurs(one)) foreign.set(one.vSwitchID, [...(foreign.get(one.vSwitchID) ?? []), ...one.addresses]);
    this.#foreign = foreign;
    this.#note();
    for (const one of all) if (isOurs(one) && this.#isLeaked(one)) await this.#collect(cloud, one);
  }

  /**
   * Nobody knows it, the node or PodENI that it was made for is gone, and it is not new. When in doubt, it is kept: what a
   * node has for its pods is that node's own affair as long as there is the node.
   */
  #isLeaked(one: CloudInterface): boolean {
    const { id, tags, createdAt, type } = one;
    const age = this.#options.clock.now() - Date.parse(createdAt);
    if (!(age > LEAK_AGE_MS) || type === "Primary") return false;
    const node = tags[nodeTag] ?? tags[trunkTag];
    if (node !== undefined && this.#nodes.cache.has(node)) return false;
    const isTrunk = [...this.#nodes.cache.values()].some(
      ({ metadata }) => metadata.annotations?.[trunkAnnotation] === id,
    );
    if (isTrunk || [...this.#podEnis.cache.values()].some(({ metadata }) => metadata.uid === tags[podEniTag]))
      return false;
    const ofNodes = [...this.#nodeConfigs.cache.entries()].some(
      ([name, { status }]) => this.#nodes.cache.has(name) && status?.interfaces?.some((own) => own.id === id),
    );
    const ofPods = [...this.#podEnis.cache.values()].some(({ spec }) =>
      spec.allocations?.some(({ eni }) => eni.id === id),
    );
    return !ofNodes && !ofPods;
  }

  async #collect(
    { provider }: ProviderPlace,
    { id, instanceID, status, trunkENIID, tags }: CloudInterface,
  ): Promise<void> {
    // Our copy may lag behind: what is taken away cannot be had back.
    const { items } = await this.#options.store.list(podEniKind);
    const isKnown = items.some(
      ({ metadata, spec }) =>
        metadata.uid === tags[podEniTag] || spec.allocations?.some(({ eni }) => eni.id === id) === true,
    );
    if (isKnown) return;
    this.#options.logger.info({ interface: id }, "an interface that nobody knows is taken away");
    // It is deleted in a later round, once the provider shows it as free.
    if (status === "Available") await provider.deleteInterface(id);
    else if (instanceID !== undefined)
      await provider.detachInterface({ id, instanceID, ...(trunkENIID !== undefined && { trunkENIID }) });
  }
}

function saidOf(
  { metadata, spec }: Subnet,
  { shortBy, availableAddresses, servedPods, totalAddresses }: SubnetFigures,
  found: ReadonlySet<string> | undefined,
): Condition[] {
  const { name } = metadata;
  const where = `vSwitch ${name} (zone ${spec.zone})`;
  const free = `${availableAddresses} of ${totalAddresses} addresses free for ${servedPods} pods`;
  const help = "add a larger vSwitch to eni-config, or move pods to another one";
  const isShort = shortBy > 0;
  const isEmpty = availableAddresses === 0;
  return [
    {
      type: "LowCapacity",
      status: isShort ? "True" : "False",
      reason: isShort ? "FewerThanTwiceServed" : "Enough",
      message: isShort
        ? `${where} has ${free}: ${shortBy} short of twice as many; ${help}`
        : `${where} has ${free}`,
    },
    {
      type: "Exhausted",
      status: isEmpty ? "True" : "False",
      reason: isEmpty ? "NoFreeAddress" : "Free",
      message: isEmpty
        ? `${where} has no free address, ${shortBy} short of twice the pods it serves; delete pods, or ${help}`
        : `${where} has ${free}`,
    },
    ...(found
      ? [
          {
            type: "Found",
            status: found.has(name) ? ("True" as const) : ("False" as const),
            reason: found.has(name) ? "AtProvider" : "NotAtProvider",
            message: found.has(name) ? "the provider has it" : "the provider has no vSwitch of this id",
          },
        ]
      : []),
  ];
}
