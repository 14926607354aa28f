// The objects by which sources are seen, followed once there is an AddressList: most clusters have none.

import { equalJson } from "../../api/equal.ts";
import { addressBlockKind } from "../../api/kinds/address-block.ts";
import {
  configMapKind,
  type Node,
  namespaceKind,
  nodeKind,
  type Pod,
  podIps,
  podKind,
} from "../../api/kinds/core.ts";
import { hostKind } from "../../api/kinds/host.ts";
import { ipPoolKind } from "../../api/kinds/ip-pool.ts";
import { nodeConfigKind } from "../../api/kinds/node-config.ts";
import { type PodENI, podEniKind } from "../../api/kinds/pod-eni.ts";
import { podNetworkingKind } from "../../api/kinds/pod-networking.ts";
import { serviceCidrKind } from "../../api/kinds/service-cidr.ts";
import { sourceNatKind } from "../../api/kinds/source-nat.ts";
import { subnetKind } from "../../api/kinds/subnet.ts";
import { type Kind, type KubeObject, keyOf } from "../../api/object.ts";
import type { Logger } from "../../base/log.ts";
import { settingsNamespace } from "../../plan/collect.ts";
import { type ClusterFacts, emptyFacts, nodeIps } from "../../plan/facts.ts";
import { Informer, type ObjectChange } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";

export class ListFacts {
  readonly facts: ClusterFacts;
  readonly #informers: Informer<KubeObject>[] = [];
  /** Keys of pods, by each address that they have. */
  readonly #holders = new Map<string, Set<string>>();
  #age = 0;

  /** @param changed something changed by which a list may change; with the keys of pods: only what is seen of those */
  constructor(store: Store, logger: Logger, changed: (pods?: Iterable<string>) => void) {
    const follow = <T extends KubeObject>(
      kind: Kind<T>,
      concerns: (object: T) => unknown = (object) => object,
      options: { readonly namespace?: string; readonly optional?: boolean } = {},
    ): ReadonlyMap<string, T> => {
      const informer = new Informer<T>(store, kind, { logger, ...options });
      informer.on((change) => {
        if (kind.plural === podKind.plural) this.#move(change as unknown as ObjectChange<Pod>);
        if (!differs(change, concerns)) return;
        const pods = this.#podsOf(kind, change);
        if (!pods) this.#age++;
        changed(pods);
      });
      this.#informers.push(informer as unknown as Informer<KubeObject>);
      return informer.cache;
    };
    const spec = (object: KubeObject & { readonly spec?: unknown }) => object.spec;
    this.facts = {
      ...emptyFacts(),
      pods: follow(podKind),
      // Blocks count what is used of them, and nodes say often that they live.
      blocks: follow(addressBlockKind, spec),
      nodes: follow(nodeKind, ofNode),
      subnets: follow(subnetKind, spec),
      pools: follow(ipPoolKind),
      namespaces: follow(namespaceKind),
      sourceNats: follow(sourceNatKind),
      hosts: follow(hostKind),
      nodeConfigs: follow(nodeConfigKind),
      podNetworkings: follow(podNetworkingKind),
      podEnis: follow(podEniKind),
      configMaps: follow(configMapKind, undefined, { namespace: settingsNamespace }),
      serviceCidrs: follow(serviceCidrKind, undefined, { optional: true }),
    };
  }

  /** Returns the keys of the pods that have an address. */
  readonly holders = (address: string): Iterable<string> => this.#holders.get(address) ?? [];

  #move({ type, object, previous }: ObjectChange<Pod>): void {
    const key = keyOf(object);
    const after = type === "deleted" ? [] : podIps(object);
    const before = type === "deleted" ? podIps(object) : previous ? podIps(previous) : [];
    for (const ip of before) {
      if (after.includes(ip)) continue;
      const keys = this.#holders.get(ip);
      keys?.delete(key);
      if (keys?.size === 0) this.#holders.delete(ip);
    }
    for (const ip of after) {
      const keys = this.#holders.get(ip);
      if (keys) keys.add(key);
      else this.#holders.set(ip, new Set([key]));
    }
  }

  /** Returns whose sources alone may have changed; undefined: everybody's. */
  #podsOf<T extends KubeObject>(
    { plural }: Kind<T>,
    { object, previous }: ObjectChange<T>,
  ): Iterable<string> | undefined {
    if (plural !== podKind.plural && plural !== podEniKind.plural) return undefined;
    const addresses = [object, previous].flatMap((one) =>
      one === undefined
        ? []
        : plural === podKind.plural
          ? podIps(one as unknown as Pod)
          : ((one as unknown as PodENI).spec.allocations ?? []).flatMap(({ ipv4, ipv6 }) =>
              [ipv4 ?? [], ipv6 ?? []].flat(),
            ),
    );
    // Two objects may say that they have one address.
    return new Set([keyOf(object), ...addresses.flatMap((address) => [...this.holders(address)])]);
  }

  /** Changes with everything but pods and what they have alone. */
  get age(): number {
    return this.#age;
  }

  /** Settles once all are known. */
  async start(): Promise<void> {
    for (const informer of this.#informers) informer.start();
    await Promise.all(this.#informers.map((informer) => informer.synced));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.stop()));
  }
}

function differs<T extends KubeObject>(change: ObjectChange<T>, concerns: (object: T) => unknown): boolean {
  return change.type !== "modified" || !equalJson(concerns(change.previous), concerns(change.object));
}

function ofNode(node: Node): unknown {
  const { labels, annotations, name } = node.metadata;
  return { name, labels, annotations, spec: node.spec, addresses: nodeIps(node) };
}
