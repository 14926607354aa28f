// The objects by which sources are seen, followed once there is an AddressList: most clusters have none.

import { equalJson } from "../../api/equal.ts";
import { addressBlockKind } from "../../api/kinds/address-block.ts";
import { configMapKind, type Node, namespaceKind, nodeKind, podKind } from "../../api/kinds/core.ts";
import { hostKind } from "../../api/kinds/host.ts";
import { ipPoolKind } from "../../api/kinds/ip-pool.ts";
import { nodeConfigKind } from "../../api/kinds/node-config.ts";
import { podEniKind } from "../../api/kinds/pod-eni.ts";
import { podNetworkingKind } from "../../api/kinds/pod-networking.ts";
import { serviceCidrKind } from "../../api/kinds/service-cidr.ts";
import { sourceNatKind } from "../../api/kinds/source-nat.ts";
import { subnetKind } from "../../api/kinds/subnet.ts";
import type { Kind, KubeObject } from "../../api/object.ts";
import type { Logger } from "../../base/log.ts";
import { settingsNamespace } from "../../plan/collect.ts";
import { type ClusterFacts, emptyFacts, nodeIps } from "../../plan/facts.ts";
import { Informer, type ObjectChange } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";

export class ListFacts {
  readonly facts: ClusterFacts;
  readonly #informers: Informer<KubeObject>[] = [];
  #age = 0;

  /** @param changed something changed by which a list may change */
  constructor(store: Store, logger: Logger, changed: () => void) {
    const follow = <T extends KubeObject>(
      kind: Kind<T>,
      concerns: (object: T) => unknown = (object) => object,
      options: { readonly namespace?: string; readonly optional?: boolean } = {},
    ): ReadonlyMap<string, T> => {
      const informer = new Informer<T>(store, kind, { logger, ...options });
      informer.on((change) => {
        if (!differs(change, concerns)) return;
        if (kind.plural !== podKind.plural) this.#age++;
        changed();
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

  /** Changes with everything but pods. */
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
