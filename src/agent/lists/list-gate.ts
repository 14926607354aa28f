// A pod's ADD waits until the AddressLists that speak of the pod have what is seen of it, and their sinks have taken that: its first
// connection is admitted. With a limit: an address that cannot be brought somewhere holds up a pod, but not for good.
import { setTimeout as pause } from "node:timers/promises";
import {
  type AddressList,
  type AskedAddress,
  addressListKind,
  type ListEntry,
} from "../../api/kinds/address-list.ts";
import type { Pod } from "../../api/kinds/core.ts";
import { textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { stampOf } from "../../base/stamp.ts";
import type { PodIdentity } from "../../cni/args.ts";
import { covers } from "../../explain/allowlist/allowlist.ts";
import { askerOf } from "../../explain/allowlist/asker.ts";
import { destinationOf } from "../../explain/allowlist/destination.ts";
import { isListed, waitOf, withIps } from "../../explain/allowlist/listed.ts";
import { sourceJudgeOf } from "../../explain/judges/plans.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { ClusterParts } from "../../plan/snat/index.ts";
import { change } from "../../store/change.ts";
import type { EventRecorder } from "../../store/event-recorder.ts";
import { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";

export interface ListGateOptions {
  readonly node: string;
  readonly store: Store;
  readonly facts: ClusterFacts;
  readonly events: Pick<EventRecorder, "record">;
  readonly logger: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The runtime may be quicker than our copy of the pods. */
const POD_MS = 2000;
const POD_LOOK_MS = 10;
/** Who waits for longer says so. */
const PATIENCE_MS = 1000;
/** A list that could not be written is written again while pods wait for it. */
const RETRY_MS = 500;

export class ListGate {
  /** Followed from start() to stop(); sinks of this process go by it, too. */
  readonly lists: Informer<AddressList>;
  readonly #options: ListGateOptions;
  readonly #waiters = new Set<() => void>();
  /** What is to be asked, by list; a write takes all there is. */
  readonly #asking = new Map<string, Map<string, AskedAddress>>();
  readonly #writing = new Map<string, Promise<void>>();
  readonly #parts = new ClusterParts();
  /** By the list's object. */
  readonly #entries = new WeakMap<AddressList, Entries>();
  readonly #ending = new AbortController();

  constructor(options: ListGateOptions) {
    this.#options = options;
    this.lists = new Informer(options.store, addressListKind, { logger: options.logger, optional: true });
  }

  start(): void {
    this.lists.on(() => {
      for (const look of this.#waiters) look();
    });
    this.lists.start();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    for (const look of this.#waiters) look();
    await this.lists.stop();
    await Promise.all(this.#writing.values());
  }

  /** Settles when the lists have the pod's addresses, or nobody waits for them any longer; never rejects. */
  async passed(pod: PodIdentity, ips: readonly string[]): Promise<void> {
    try {
      if (![...this.lists.cache.values()].some(isWaitedFor)) return;
      const object = await this.#objectOf(pod);
      if (!object) return;
      const lists = [...this.lists.cache.values()].filter(
        (list) => isWaitedFor(list) && isListed(list, object, this.#options.facts.namespaces),
      );
      await Promise.all(lists.map((list) => this.#listed(list, object, ips)));
    } catch (error) {
      this.#options.logger.error(
        { pod: `${pod.namespace}/${pod.name}`, error: textOf(error) },
        "whether lists have a pod's addresses cannot be told",
      );
    }
  }

  async #objectOf({ namespace, name, uid }: PodIdentity): Promise<Pod | undefined> {
    const { facts } = this.#options;
    for (let left = POD_MS / POD_LOOK_MS; left > 0 && !this.#ending.signal.aborted; left--) {
      const pod = facts.pods.get(`${namespace}/${name}`);
      if (pod && (uid === "" || pod.metadata.uid === uid)) return pod;
      await new Promise((resolve) => setTimeout(resolve, POD_LOOK_MS));
    }
    return undefined;
  }

  async #listed(list: AddressList, pod: Pod, ips: readonly string[]): Promise<void> {
    const { name } = list.metadata;
    const key = `${pod.metadata.namespace}/${pod.metadata.name}`;
    const ranges = this.#rangesOf(list, key, withIps(pod, ips));
    if (typeof ranges === "string") {
      this.#tell(
        pod,
        "AddressListUnknown",
        `what AddressList ${name} must have of it cannot be told: ${ranges}`,
      );
      return;
    }
    const limit = waitOf(list);
    const missing = () => this.#missing(name, ranges);
    if (missing() === undefined) return;
    const { node, now, logger } = this.#options;
    this.#ask(name, { pod: key, uid: pod.metadata.uid, node, addresses: [...ips], at: stampOf(now()) });
    const what = `${ranges.join(", ")} in AddressList ${name}`;
    const patience = setTimeout(() => {
      this.#tell(pod, "AddressListWaits", `it waits for ${what}: ${missing() ?? "now"}`);
    }, PATIENCE_MS);
    // A sink that has failed for longer than pods wait holds up none.
    await this.#until(() => this.#missing(name, ranges, limit) === undefined, limit);
    clearTimeout(patience);
    const still = missing();
    if (still === undefined || this.#ending.signal.aborted) return;
    const message = `it starts without ${what}: ${still}; pods wait for ${limit / 1000} s at most`;
    this.#tell(pod, "AddressListNotReady", message);
    logger.warn({ pod: key, list: name }, message);
  }

  #rangesOf(list: AddressList, key: string, pod: Pod): readonly string[] | string {
    const { facts } = this.#options;
    try {
      // Of other pods only the destination's count: the address has just been given to this one.
      const alone = { ...facts, pods: new Map([[key, pod]]) };
      const judge = () => sourceJudgeOf(alone, this.#parts);
      return askerOf(alone, judge, list, destinationOf(facts, list.spec.to))(pod);
    } catch (error) {
      return textOf(error);
    }
  }

  /**
   * Returns what is not yet as it must be; undefined: nothing.
   * @param patienceMs sinks that have failed for longer do not count; default: all count
   */
  #missing(name: string, ranges: readonly string[], patienceMs?: number): string | undefined {
    const list = this.lists.cache.get(name);
    if (!list) return undefined;
    const entries = this.#entries.get(list) ?? entriesOf(list);
    this.#entries.set(list, entries);
    for (const range of ranges) {
      const entry = bestOf(entries, range);
      if (!entry) return "the controller has not put it into the list";
      const late = lateSinks(list, entry.revision, this.#options.now(), patienceMs);
      if (late !== undefined) return late;
    }
    return undefined;
  }

  /** Settles once it holds, or after that time. */
  async #until(holds: () => boolean, limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (holds() || this.#ending.signal.aborted) resolve();
    };
    const timer = setTimeout(resolve, limitMs);
    this.#waiters.add(look);
    look();
    await promise;
    this.#waiters.delete(look);
    clearTimeout(timer);
  }

  /** Pods come in swarms: what comes while one is written goes together. */
  #ask(name: string, asked: AskedAddress): void {
    const all = this.#asking.get(name) ?? new Map<string, AskedAddress>();
    this.#asking.set(name, all.set(asked.pod, asked));
    if (this.#writing.has(name)) return;
    const writing = this.#write(name).finally(() => this.#writing.delete(name));
    this.#writing.set(name, writing);
  }

  /** Until all is written, or nobody waits any longer; never rejects. */
  async #write(name: string): Promise<void> {
    for (let all = this.#asking.get(name); all && all.size > 0; all = this.#asking.get(name)) {
      this.#asking.delete(name);
      const news = all;
      try {
        await change(this.#options.store, addressListKind, { name }, (list) => {
          const rest = (list.status?.asked ?? []).filter(({ pod }) => !news.has(pod));
          return { ...list, status: { ...list.status, asked: [...rest, ...news.values()] } };
        });
      } catch (error) {
        const facts = { list: name, error: textOf(error) };
        this.#options.logger.warn(facts, "a list cannot be asked for addresses");
        // Aborted by stop().
        await pause(RETRY_MS, undefined, { signal: this.#ending.signal }).catch(() => {});
        if (this.#ending.signal.aborted || this.#waiters.size === 0) return;
        // What was asked for since then counts for more.
        this.#asking.set(name, new Map([...news, ...(this.#asking.get(name) ?? [])]));
      }
    }
  }

  #tell({ metadata }: Pod, reason: string, message: string): void {
    const { namespace = "default", name, uid } = metadata;
    const object = { apiVersion: "v1", kind: "Pod", namespace, name, uid };
    this.#options.events.record({ object, reason, message, type: "Warning" });
  }
}

function isWaitedFor(list: AddressList): boolean {
  return (list.spec.sinks ?? []).length > 0 && waitOf(list) > 0;
}

/** A list's entries as they are looked for. */
interface Entries {
  readonly byRange: ReadonlyMap<string, ListEntry>;
  /** Those that are more than one address. */
  readonly wide: readonly ListEntry[];
}

function entriesOf({ status }: AddressList): Entries {
  const entries = status?.entries ?? [];
  const isOne = ({ range }: ListEntry) => range.endsWith(range.includes(":") ? "/128" : "/32");
  return {
    byRange: new Map(entries.map((entry) => [entry.range, entry])),
    wide: entries.filter((entry) => !isOne(entry)),
  };
}

/** The one that is in the list for the longest. */
function bestOf({ byRange, wide }: Entries, range: string): ListEntry | undefined {
  const found = wide.filter((entry) => covers(entry.range, range));
  const exact = byRange.get(range);
  if (exact) found.push(exact);
  return found.toSorted((a, b) => a.revision - b.revision).at(0);
}

/** Returns which sinks have not taken that revision. @param patienceMs those that have failed for longer do not count */
function lateSinks(
  list: AddressList,
  revision: number,
  now: number,
  patienceMs = Number.POSITIVE_INFINITY,
): string | undefined {
  const states = list.status?.sinks ?? [];
  const late = states.filter(({ revision: taken, error, errorSince }) => {
    const isLost = error !== undefined && now - Date.parse(errorSince ?? "") > patienceMs;
    return taken < revision && !isLost;
  });
  const why = (error: string | undefined) => (error === undefined ? "" : `: ${error}`);
  if (late.length > 0)
    return `not taken yet by ${late.map(({ name, at, error }) => `${name} (${at}${why(error)})`).join(", ")}`;
  // The controller names all of them when it writes the list for the first time.
  const unnamed = (list.spec.sinks ?? []).find(
    ({ name, nodes }) => !nodes && !states.some((one) => one.name === name),
  );
  return unnamed && `nobody has spoken of sink ${unnamed.name}`;
}
