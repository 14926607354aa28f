// The cluster's objects, kept up to date: one informer a kind, whose caches are the facts that plans are made from.
// Several agents of one process (the lab's nodes) may share one. An agent that is alone on its node keeps a copy on disk,
// from which it begins where the store does not answer.
import { addressBlockKind } from "../api/kinds/address-block.ts";
import { configMapKind, namespaceKind, nodeKind, podKind } from "../api/kinds/core.ts";
import { hostKind } from "../api/kinds/host.ts";
import { ipPoolKind } from "../api/kinds/ip-pool.ts";
import { networkPolicyKind } from "../api/kinds/network-policy.ts";
import { nodeConfigKind } from "../api/kinds/node-config.ts";
import { podEniKind } from "../api/kinds/pod-eni.ts";
import { podNetworkingKind } from "../api/kinds/pod-networking.ts";
import { bgpConfigurationKind, bgpFilterKind, bgpPeerKind } from "../api/kinds/routing/bgp.ts";
import { routingConfigurationKind } from "../api/kinds/routing/routing-configuration.ts";
import { secretKind } from "../api/kinds/secret.ts";
import { securityGroupKind } from "../api/kinds/security-group.ts";
import { serviceCidrKind } from "../api/kinds/service-cidr.ts";
import { sourceNatKind } from "../api/kinds/source-nat.ts";
import { subnetKind } from "../api/kinds/subnet.ts";
import { type Kind, type KubeObject, keyOf } from "../api/object.ts";
import type { Logger } from "../base/log.ts";
import { settingsNamespace } from "../plan/collect.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { Informer, type ObjectChange } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import type { ClusterCopy } from "./cluster-copy.ts";
import { isIdleChange } from "./idle-change.ts";

/** Told after the facts have it: the plural name of the kind, the object's key, and whether no plan is made from what changed. */
export type ChangeListener = (
  kind: string,
  key: string,
  change: ObjectChange<KubeObject>,
  isIdle: boolean,
) => void;

/** A store of which nothing is heard for so long is taken as one that is away, ms. */
const SILENCE_MS = 20_000;
/** And so is one whose first lists are not there after so long, though they may be coming, ms: pods may wait for their rules. */
const LONGEST_MS = 120_000;

export class ClusterWatch {
  /** Live: the maps change as objects do. */
  readonly facts: ClusterFacts;
  readonly #informers: readonly Informer<KubeObject>[];
  readonly #listeners = new Set<ChangeListener>();
  readonly #copy: ClusterCopy | undefined;
  #silence: NodeJS.Timeout | undefined;
  #synced = false;
  /** How to begin from the copy, until that has been done or is not needed any more. */
  #fromCopy: (() => void) | undefined;

  /** @param copy written while the store is followed, and read where it does not answer */
  constructor(store: Store, logger: Logger, copy?: ClusterCopy) {
    this.#copy = copy;
    const informers: Informer<KubeObject>[] = [];
    const follow = <T extends KubeObject>(
      kind: Kind<T>,
      namespace?: string,
      optional = false,
    ): ReadonlyMap<string, T> => {
      const informer = new Informer<T>(store, kind, {
        logger,
        optional,
        onFailure: () => this.#begin(),
        onHeard: () => this.#silence?.refresh(),
        ...(namespace !== undefined && { namespace }),
      });
      informer.on((change) => this.#tell(kind.plural, change));
      informers.push(informer as unknown as Informer<KubeObject>);
      return informer.cache;
    };
    this.facts = {
      nodes: follow(nodeKind),
      namespaces: follow(namespaceKind),
      pools: follow(ipPoolKind),
      blocks: follow(addressBlockKind),
      sourceNats: follow(sourceNatKind),
      hosts: follow(hostKind),
      subnets: follow(subnetKind),
      securityGroups: follow(securityGroupKind),
      nodeConfigs: follow(nodeConfigKind),
      podNetworkings: follow(podNetworkingKind),
      pods: follow(podKind),
      podEnis: follow(podEniKind),
      policies: follow(networkPolicyKind),
      configMaps: follow(configMapKind, settingsNamespace),
      bgpConfigurations: follow(bgpConfigurationKind),
      bgpPeers: follow(bgpPeerKind),
      bgpFilters: follow(bgpFilterKind),
      routingConfigurations: follow(routingConfigurationKind),
      // An agent may read passwords only where somebody allows it to.
      secrets: follow(secretKind, settingsNamespace, true),
      serviceCidrs: follow(serviceCidrKind, undefined, true),
    };
    this.#informers = informers;
  }

  /** True once every kind was listed. */
  get synced(): boolean {
    return this.#synced;
  }

  /**
   * Begins to follow the store; settles once every kind was listed, however long the store is away. If it is away, and the
   * node has a copy, the facts are filled with that, and `fromCopy` is called, once.
   */
  async start(fromCopy: () => void = () => {}): Promise<void> {
    this.#fromCopy = fromCopy;
    const timers = [SILENCE_MS, LONGEST_MS].map((ms) => setTimeout(() => this.#begin(), ms).unref());
    [this.#silence] = timers;
    for (const informer of this.#informers) informer.start();
    await Promise.all(this.#informers.map((informer) => informer.synced));
    this.#silence = undefined;
    for (const timer of timers) clearTimeout(timer);
    this.#fromCopy = undefined;
    this.#synced = true;
    this.#copy?.begin(this.facts, () => this.#objects());
  }

  async stop(): Promise<void> {
    this.#fromCopy = undefined;
    this.#silence = undefined;
    await Promise.all(this.#informers.map((informer) => informer.stop()));
    await this.#copy?.stop();
  }

  #begin(): void {
    const begin = this.#fromCopy;
    if (begin === undefined || this.#copy === undefined) return;
    this.#fromCopy = undefined;
    const copy = this.#copy.read();
    if (copy === undefined) return;
    for (const informer of this.#informers) informer.preload(copy.get(informer.kind.plural) ?? []);
    begin();
  }

  /** What there is, kind by kind. */
  *#objects(): Generator<readonly [kind: string, object: KubeObject]> {
    for (const { kind, cache } of this.#informers)
      for (const object of cache.values()) yield [kind.plural, object];
  }

  /** Calls `listener` for every change from now on; returns how to stop that. */
  on(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(kind: string, change: ObjectChange<KubeObject>): void {
    // On disk before anything is done about it: what an agent begins with must not be older than the kernel's rules.
    const isIdle = isIdleChange(kind, change);
    if (!isIdle) this.#copy?.note(kind, change);
    for (const listener of this.#listeners) listener(kind, keyOf(change.object), change, isIdle);
  }
}
