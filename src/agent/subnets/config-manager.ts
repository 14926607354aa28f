// The node's network configuration: knows the one that is in force, and publishes it where its owner will look: an object
// NodeConfig named as the node, a condition and events on the node.

import { equalJson } from "../../api/equal.ts";
import type { Condition } from "../../api/kinds/core.ts";
import { type NodeConfig, nodeConfigKind } from "../../api/kinds/node-config.ts";
import { isError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { stampOf } from "../../base/stamp.ts";
import { Turns } from "../../base/turns.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { type NodeConfigResult, planNodeConfig } from "../../plan/subnets/node-config.ts";
import type { EventRecorder } from "../../store/event-recorder.ts";
import type { Store } from "../../store/store.ts";
import type { Changes, Manager } from "../managers/manager.ts";
import { setNodeCondition } from "../node-condition.ts";

export interface ConfigManagerOptions {
  readonly node: string;
  readonly store: Store;
  readonly events: Pick<EventRecorder, "record">;
  readonly logger: Logger;
  /** Milliseconds since 1970, for stamps. */
  readonly now: () => number;
}

const concernedKinds = ["configmaps", "nodes", "subnets"] as const;
const RETRY_MS = 1000;
/** For how long stop() waits for a write that is under way, ms. */
const PATIENCE_MS = 5000;
const ATTEMPTS = 5;

export class ConfigManager implements Manager {
  readonly name = "node-config";
  readonly concerns = [] as const;
  readonly kinds = concernedKinds;
  readonly #options: ConfigManagerOptions;
  readonly #listeners = new Set<() => void>();
  #current: NodeConfigResult | undefined;
  #written = "";
  readonly #turns = new Turns();
  #isWriting = false;
  #retry: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: ConfigManagerOptions) {
    this.#options = options;
  }

  /** What is in force now, or what is wrong; undefined until the cluster's objects were read. */
  get current(): NodeConfigResult | undefined {
    return this.#current;
  }

  /** Calls `listener` after every change of what is in force. */
  on(listener: () => void): void {
    this.#listeners.add(listener);
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    if (this.#current && !concernedKinds.some((kind) => changes.has(kind))) return;
    await this.resync(facts, node);
  }

  async resync(facts: ClusterFacts, { node }: NodeFacts): Promise<void> {
    const object = facts.nodes.get(node);
    if (!object) return;
    const made = planNodeConfig(facts, object);
    const same = this.#current !== undefined && equalJson(made, this.#current);
    this.#current = made;
    if (!same) for (const listener of this.#listeners) listener();
    this.#publish();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    await this.#turns.settled(PATIENCE_MS);
  }

  problems() {
    const { node } = this.#options;
    if (this.#current?.state !== "error") return [];
    const { reason, message } = this.#current;
    return [{ code: `node-config.${reason}`, message, object: `Node/${node}` }];
  }

  /** In the background: pods do not wait for what is only told. */
  #publish(): void {
    const told = JSON.stringify(this.#current);
    if (this.#stopped || this.#isWriting || told === this.#written || !this.#current) return;
    const current = this.#current;
    this.#isWriting = true;
    void this.#turns.run(async () => {
      try {
        await this.#write(current);
        this.#written = told;
      } catch (error) {
        this.#options.logger.warn(
          { error: textOf(error) },
          "the node's configuration could not be published",
        );
        if (!this.#stopped) this.#retry = setTimeout(() => this.#publish(), RETRY_MS).unref();
      }
      this.#isWriting = false;
      // What came in the meantime.
      if (told === this.#written) this.#publish();
    });
  }

  async #write(result: NodeConfigResult): Promise<void> {
    const { node, store, logger, events } = this.#options;
    if (result.state === "none") return await this.#withdraw();
    if (result.state === "error") {
      logger.error({ reason: result.reason, why: result.message }, "the node's configuration is unusable");
      await this.#put((before) =>
        before && typeof before.hash === "string" ? before : neverConfigured(result, before),
      );
      await setNodeCondition(store, node, conditionOf(result.reason, result.message));
      const object = { apiVersion: "v1", kind: "Node", name: node };
      events.record({
        object,
        reason: "ConfigError",
        message: `${result.reason}: ${result.message}`,
        type: "Warning",
      });
      return;
    }
    const { hash, sources, config, zone, vSwitchIDs, securityGroupIDs, findings } = result;
    const facts = {
      sources,
      hash,
      config,
      ...(zone !== undefined && { zone }),
      vSwitchIDs,
      securityGroupIDs,
      findings,
    };
    await this.#put((before) => ({
      ...(before?.interfaces && { interfaces: before.interfaces }),
      ...facts,
      since: before?.hash === hash && typeof before.since === "string" ? before.since : this.#stamp(),
    }));
    const where =
      vSwitchIDs.length > 0 ? `vSwitches ${vSwitchIDs.join(", ")}` : "no vSwitch: addresses are of pools";
    await setNodeCondition(
      store,
      node,
      conditionOf("Applied", `${sources.map(nameOf).join(" and ")}; ${where}`),
    );
    logger.info({ hash, vSwitchIDs, findings: findings.length }, "the node's configuration is in force");
  }

  /** Nobody configures the node: nothing is said of it, unless something was said before. */
  async #withdraw(): Promise<void> {
    const { node, store } = this.#options;
    const before = await store.get(nodeConfigKind, node);
    if (!before) return;
    await store.delete(nodeConfigKind, node);
    await setNodeCondition(store, node, conditionOf("Applied", "no eni-config: addresses are of pools"));
  }

  async #put(change: (before: NodeConfig["status"]) => NonNullable<NodeConfig["status"]>): Promise<void> {
    await changeNodeConfig(this.#options.store, this.#options.node, change);
  }

  #stamp(): string {
    return stampOf(this.#options.now());
  }
}

/** Returns what is said of a node that was never configured: what was read, and that nothing is in force. */
function neverConfigured(
  { sources, zone }: Extract<NodeConfigResult, { state: "error" }>,
  before: NodeConfig["status"],
): NonNullable<NodeConfig["status"]> {
  const nothing = {
    hash: null,
    since: null,
    config: null,
    vSwitchIDs: [],
    securityGroupIDs: [],
    findings: [],
  };
  return {
    ...(before?.interfaces && { interfaces: before.interfaces }),
    sources,
    zone: zone ?? null,
    ...nothing,
  };
}

/** Writes the status of a node's NodeConfig; makes the object where there is none. @throws `store.…` */
export async function changeNodeConfig(
  store: Store,
  node: string,
  change: (before: NodeConfig["status"]) => NonNullable<NodeConfig["status"]> | undefined,
): Promise<void> {
  for (let left = ATTEMPTS; ; left--) {
    try {
      const before = await store.get(nodeConfigKind, node);
      const status = change(before?.status);
      if (!status || (before && equalJson(status, before.status))) return;
      const { apiVersion, kind } = nodeConfigKind;
      if (before) await store.update(nodeConfigKind, { ...before, status });
      else await store.create(nodeConfigKind, { apiVersion, kind, metadata: { name: node }, status });
      return;
    } catch (error) {
      const raced = isError(error, "store.conflict") || isError(error, "store.exists");
      if (!raced || left === 0) throw error;
    }
  }
}

function conditionOf(
  reason: string,
  message: string,
): Pick<Condition, "type" | "status" | "reason" | "message"> {
  return { type: "NetworkConfigReady", status: reason === "Applied" ? "True" : "False", reason, message };
}

function nameOf({ configMap, resourceVersion }: { configMap: string; resourceVersion: string }): string {
  return `ConfigMap ${configMap} (version ${resourceVersion})`;
}
