// Says what a node's interfaces are where people look: in its NodeConfig, as a condition and as annotations of the node.

import { equalJson } from "../../../api/equal.ts";
import { textOf } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import type { ClusterFacts } from "../../../plan/facts.ts";
import type { Store } from "../../../store/store.ts";
import { setNodeAnnotations } from "../../node-annotations.ts";
import { setNodeCondition } from "../../node-condition.ts";
import { type ConfigManager, changeNodeConfig } from "../config-manager.ts";
import type { SubnetPool } from "./pool.ts";

export interface PoolReporterOptions {
  readonly node: string;
  readonly store: Store;
  readonly logger: Logger;
  readonly facts: ClusterFacts;
  readonly pool: SubnetPool;
  readonly config: ConfigManager;
}

/** Pods come in swarms; nobody decides anything by these figures in less time. */
const GATHER_MS = 300;
/** Where pods come all the time: writing holds up those that come. */
const LEAST_MS = 1000;
const RETRY_MS = 2000;

export class PoolReporter {
  readonly #options: PoolReporterOptions;
  #timer: NodeJS.Timeout | undefined;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> | undefined;
  #stopped = false;

  constructor(options: PoolReporterOptions) {
    this.#options = options;
    options.config.on(() => this.note());
  }

  /** Something has changed. */
  note(afterMs = GATHER_MS): void {
    if (this.#stopped || this.#timer) return;
    const rest = this.#writtenAt + LEAST_MS - performance.now();
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#writtenAt = performance.now();
        this.#writing = this.#write().catch((error: unknown) => {
          this.#options.logger.warn({ error: textOf(error) }, "the node's interfaces could not be published");
          this.note(RETRY_MS);
        });
      },
      Math.max(afterMs, rest),
    );
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { node, store, pool, config } = this.#options;
    if (config.current?.state !== "applied") return;
    const interfaces = pool.status();
    await changeNodeConfig(store, node, (before) => {
      // The one who publishes the configuration makes the object.
      if (!before) return undefined;
      const usedBefore = before.interfaces ?? [];
      return equalJson(usedBefore, interfaces) ? before : { ...before, interfaces };
    });
    await this.#tellStale();
    await this.#annotate();
  }

  async #tellStale(): Promise<void> {
    const { node, store, pool, facts } = this.#options;
    const stale = [...pool.book.interfaces.values()].filter((one) => pool.isStale(one));
    const type = "NetworkInterfacesStale";
    const before = facts.nodes.get(node)?.status?.conditions?.find((one) => one.type === type);
    if (stale.length === 0) {
      if (before?.status !== "True") return;
      const message = "every interface is of the configuration that is in force";
      await setNodeCondition(store, node, { type, status: "False", reason: "InterfacesOfConfig", message });
      return;
    }
    const list = stale.map(({ id, vSwitchID }) => `${id} (${vSwitchID})`).join(", ");
    const message =
      `made by an older configuration: ${list}. Pods that have addresses of them keep these. To renew: 1. kubectl drain ${node} ` +
      "--ignore-daemonsets; 2. wait until status.interfaces of the NodeConfig no longer has them; 3. kubectl uncordon " +
      `${node}. New pods get addresses by the new configuration at once`;
    await setNodeCondition(store, node, { type, status: "True", reason: "InterfacesPredateConfig", message });
  }

  /** Terway's own annotations of what a node can take. */
  async #annotate(): Promise<void> {
    const { node, store, pool } = this.#options;
    const { limits } = pool;
    if (!limits) return;
    await setNodeAnnotations(store, node, {
      "k8s.aliyun.com/max-available-ip": `${(limits.adapters - 1) * limits.ipv4PerAdapter}`,
      "k8s.aliyun.com/max-member-eni-ip": `${limits.memberAdapterLimit}`,
    });
  }
}
