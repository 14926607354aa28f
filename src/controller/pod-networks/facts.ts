// What the controllers of PodNetworkings and PodENIs look at: copies of objects that follow the store.

import { baseConfigName, baseConfigNamespace, baseSettings } from "../../api/base-settings.ts";
import {
  type ConfigMap,
  configMapKind,
  type Namespace,
  type Node,
  namespaceKind,
  nodeKind,
  type Pod,
  podKind,
} from "../../api/kinds/core.ts";
import { type NodeConfig, nodeConfigKind } from "../../api/kinds/node-config.ts";
import { type PodENI, podEniKind } from "../../api/kinds/pod-eni.ts";
import { type PodNetworking, podNetworkingKind } from "../../api/kinds/pod-networking.ts";
import type { Logger } from "../../base/log.ts";
import { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";

interface Followed {
  readonly synced: Promise<void>;
  start(): unknown;
  stop(): Promise<void>;
}

export class NetworkFacts {
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly namespaces: Informer<Namespace>;
  readonly networks: Informer<PodNetworking>;
  readonly podEnis: Informer<PodENI>;
  readonly nodeConfigs: Informer<NodeConfig>;
  readonly #configMaps: Informer<ConfigMap>;

  constructor(store: Store, logger: Logger) {
    this.pods = new Informer(store, podKind, { logger });
    this.nodes = new Informer(store, nodeKind, { logger });
    this.namespaces = new Informer(store, namespaceKind, { logger });
    this.networks = new Informer(store, podNetworkingKind, { logger });
    this.podEnis = new Informer(store, podEniKind, { logger });
    this.nodeConfigs = new Informer(store, nodeConfigKind, { logger });
    this.#configMaps = new Informer(store, configMapKind, { logger, namespace: baseConfigNamespace });
  }

  /** Settles once everything was listed. */
  async start(): Promise<void> {
    for (const informer of this.#all()) informer.start();
    await Promise.all(this.#all().map(({ synced }) => synced));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all().map((informer) => informer.stop()));
  }

  get furtherKinds(): readonly string[] {
    return baseSettings(this.#configMaps.cache.get(`${baseConfigNamespace}/${baseConfigName}`)).furtherKinds;
  }

  #all(): readonly Followed[] {
    const { pods, nodes, namespaces, networks, podEnis, nodeConfigs } = this;
    return [pods, nodes, namespaces, networks, podEnis, nodeConfigs, this.#configMaps];
  }
}
