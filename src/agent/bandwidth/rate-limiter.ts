// Keeps pods to the bandwidth that their annotations allow: a token bucket at the host's end for what goes to the pod,
// and one at the pod's end for what comes from it. Set before ADD is answered; changed while the pod runs when its
// annotations change; what the kernel lost is put back.
import { bandwidthOf, type Direction, directions, type PodBandwidth } from "../../api/bandwidth.ts";
import type { Pod } from "../../api/kinds/core.ts";
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Kernel, Link, Machine, RateLimitState } from "../../kernel/kernel.ts";
import { bucketOf } from "../../plan/bandwidth/bucket.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import type { EventRecorder } from "../../store/event-recorder.ts";
import { type Changes, concerns, type Manager } from "../managers/manager.ts";
import { type Endpoint, endpointKey, factsOf, podKey } from "../pods/endpoint.ts";

export interface RateLimiterOptions {
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly logger: Logger;
  readonly pods: ReadonlyMap<string, Pod>;
  readonly endpoints: () => ReadonlyMap<string, Endpoint>;
  readonly events: Pick<EventRecorder, "record">;
}

type Limits = PodBandwidth["limits"];

export class RateLimiter implements Manager {
  readonly name = "rate-limits";
  readonly concerns = [] as const;
  readonly kinds = ["pods", "endpoints"] as const;
  readonly #options: RateLimiterOptions;
  /** What was put last, as text, by endpoint. */
  readonly #done = new Map<string, string>();
  /** What is wrong with annotations of pods that run, by pod. */
  readonly #faults = new Map<string, string>();

  constructor(options: RateLimiterOptions) {
    this.#options = options;
  }

  /**
   * Sets the limits of a pod whose wire has just been made. A pod that this node has not heard of yet has none until it
   * hears of it: ADD waits for nobody.
   * @throws `agent.bandwidth`: nobody starts at full speed whose limit cannot be read; `agent.no-limit`
   */
  async begin(endpoint: Endpoint): Promise<void> {
    const pod = this.#podOf(endpoint);
    if (!pod) return;
    const { limits, faults } = bandwidthOf(pod.metadata.annotations);
    const [fault] = faults;
    if (fault) throw new TrunklineError("agent.bandwidth", { ...fault, pod: podKey(endpoint.pod) });
    if (directions.every((direction) => limits[direction] === undefined)) {
      this.#done.set(endpointKey(endpoint), textOfLimits(limits));
      return;
    }
    try {
      await this.#put(endpoint, limits, "new");
    } catch (error) {
      if (isError(error, "kernel.missing") || isError(error, "kernel.refused"))
        throw new TrunklineError(
          "agent.no-limit",
          { pod: podKey(endpoint.pod), why: textOf(error) },
          { cause: error },
        );
      throw error;
    }
  }

  async apply(_facts: ClusterFacts, _node: NodeFacts, changes: Changes): Promise<void> {
    const endpoints = this.#options.endpoints();
    for (const [key, endpoint] of endpoints)
      if (concerns(changes, "pods", podKey(endpoint.pod)) || concerns(changes, "endpoints", key))
        await this.#follow(endpoint, "known");
    for (const key of this.#done.keys()) if (!endpoints.has(key)) this.#done.delete(key);
    const present = new Set([...endpoints.values()].map(({ pod }) => podKey(pod)));
    for (const pod of this.#faults.keys()) if (!present.has(pod)) this.#faults.delete(pod);
  }

  async resync(): Promise<void> {
    for (const endpoint of this.#options.endpoints().values())
      await this.#follow(endpoint, "as the kernel has it");
  }

  problems() {
    return [...this.#faults].map(([pod, message]) => ({
      code: "bandwidth.invalid",
      message,
      object: `Pod/${pod}`,
    }));
  }

  async #follow(endpoint: Endpoint, trust: "known" | "as the kernel has it"): Promise<void> {
    const pod = endpoint.phase === "ready" ? this.#podOf(endpoint) : undefined;
    if (!pod) return;
    const { limits, faults } = bandwidthOf(pod.metadata.annotations);
    this.#tell(pod, endpoint, faults);
    // What was in force stays until somebody says something that can be read.
    if (faults.length > 0) return;
    const key = endpointKey(endpoint);
    const text = textOfLimits(limits);
    const before = this.#done.get(key);
    if (trust === "known" && before === text) return;
    // Nothing was ever asked for, and nothing was put.
    if (before === text && text === textOfLimits({})) return;
    try {
      await this.#put(endpoint, limits, "old");
    } catch (error) {
      // Gone in the meantime, most likely; else the next look tries again.
      this.#done.delete(key);
      this.#options.logger.warn(
        { ...factsOf(endpoint), error: textOf(error) },
        "a pod's bandwidth could not be limited",
      );
    }
  }

  /** @param wire old: it may have limits */
  async #put(endpoint: Endpoint, limits: Limits, wire: "new" | "old"): Promise<void> {
    const { machine, kernel, logger } = this.#options;
    const changed: string[] = [];
    const host = kernel.links.get(endpoint.hostInterface);
    if (host && (await putOne(kernel, host, limits, "ingress", wire))) changed.push("ingress");
    if (wire === "old" || limits.egress) {
      const pod = machine.open({ path: endpoint.netns });
      try {
        const link = pod.links.get(endpoint.ifName);
        if (link && (await putOne(pod, link, limits, "egress", wire))) changed.push("egress");
      } finally {
        pod.close();
      }
    }
    this.#done.set(endpointKey(endpoint), textOfLimits(limits));
    if (changed.length > 0)
      logger.info(
        { ...factsOf(endpoint), limits: textOfLimits(limits), changed },
        "a pod's bandwidth is limited",
      );
  }

  #podOf({ pod }: Endpoint): Pod | undefined {
    if (!pod) return undefined;
    const known = this.#options.pods.get(podKey(pod));
    return known && (pod.uid === "" || known.metadata.uid === pod.uid) ? known : undefined;
  }

  #tell({ metadata }: Pod, { pod }: Endpoint, faults: PodBandwidth["faults"]): void {
    const key = podKey(pod);
    const [fault] = faults;
    if (!fault) {
      this.#faults.delete(key);
      return;
    }
    const message = `${textOf(new TrunklineError("agent.bandwidth", { ...fault, pod: key }))}; what was in force before stays`;
    if (this.#faults.get(key) === message) return;
    this.#faults.set(key, message);
    const { name, namespace = "default", uid } = metadata;
    const object = { apiVersion: "v1", kind: "Pod", name, namespace, uid };
    this.#options.events.record({ object, reason: "BandwidthInvalid", message, type: "Warning" });
  }
}

/** Makes one end as it is wanted; returns whether anything was changed. */
async function putOne(
  kernel: Kernel,
  link: Link,
  limits: Limits,
  direction: Direction,
  wire: "new" | "old",
): Promise<boolean> {
  const limit = limits[direction];
  const before = wire === "new" ? undefined : presentLimit(kernel, link);
  if (!limit) {
    if (before) kernel.rateLimits.remove(link.index);
    return before !== undefined;
  }
  const wanted = bucketOf(link.index, limit.bytesPerSecond, link.mtu);
  if (before?.bytesPerSecond === wanted.bytesPerSecond && before.queue === wanted.queue) return false;
  await kernel.apply([{ kind: "rate-limit", limit: wanted }]);
  return true;
}

function presentLimit(kernel: Kernel, { index }: Link): RateLimitState | undefined {
  return kernel.rateLimits.list().find(({ linkIndex }) => linkIndex === index);
}

function textOfLimits(limits: Limits): string {
  return directions.map((direction) => limits[direction]?.bytesPerSecond ?? "-").join("/");
}
