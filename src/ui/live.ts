// Objects that are followed, and pictures of them: what decides flows is made once for a state of the objects, and shared by
// all questions about it.

import { ClusterWatch } from "../agent/cluster-watch.ts";
import { equalJson } from "../api/equal.ts";
import { nodeKind } from "../api/kinds/core.ts";
import type { KubeObject } from "../api/object.ts";
import type { Logger } from "../base/log.ts";
import type { Ground } from "../explain/ground/ground.ts";
import { judgesOf, type Knowledge } from "../explain/judges/plans.ts";
import type { ObjectChange } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import type { ChangeEvent } from "./api.ts";
import type { Picture } from "./sources.ts";

/** Changes are told together: a rollout is hundreds of them, ms. */
const TOGETHER_MS = 250;

/** What is known beyond the objects. */
export interface Look {
  readonly known: Knowledge;
  readonly ground?: Ground;
}

export class LiveCluster {
  readonly #watch: ClusterWatch;
  readonly #look: () => Promise<Look>;
  readonly #listeners = new Set<(event: ChangeEvent) => void>();
  readonly #kinds = new Set<string>();
  #revision = 0;
  #telling: NodeJS.Timeout | undefined;
  #picture: { readonly revision: number; readonly look: Look; readonly picture: Picture } | undefined;

  /** @param look tells what the objects do not; asked for every picture, so it should remember for a while */
  constructor(store: Store, logger: Logger, look: () => Promise<Look>) {
    this.#watch = new ClusterWatch(store, logger);
    this.#look = look;
  }

  /** Counts changes. */
  get revision(): number {
    return this.#revision;
  }

  /** The objects as they are now. */
  get facts(): ClusterWatch["facts"] {
    return this.#watch.facts;
  }

  /** Settles once all objects are known. */
  async start(): Promise<void> {
    await this.#watch.start();
    this.#watch.on((kind, _key, change) => this.#changed(kind, change));
  }

  async stop(): Promise<void> {
    clearTimeout(this.#telling);
    await this.#watch.stop();
  }

  /** Returns what decides flows now. */
  async picture(): Promise<Picture> {
    const look = await this.#look();
    const before = this.#picture;
    const revision = this.#revision;
    if (before?.revision === revision && before.look === look) return before.picture;
    // Plans are made when they are first asked for: from maps that stay as they are.
    const facts = copyOf(this.facts);
    const judges = judgesOf(facts, look.known, look.ground);
    const picture = { facts, judges, isWhole: look.ground !== undefined };
    this.#picture = { revision, look, picture };
    return picture;
  }

  onChange(listener: (event: ChangeEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(kind: string, change: ObjectChange<KubeObject>): void {
    // That a node lives is told every few seconds, and changes no answer.
    if (kind === nodeKind.plural && change.type === "modified" && isHeartbeat(change.previous, change.object))
      return;
    this.#revision++;
    this.#kinds.add(kind);
    this.#telling ??= setTimeout(() => this.#tell(), TOGETHER_MS);
  }

  #tell(): void {
    this.#telling = undefined;
    const event = { revision: this.#revision, kinds: [...this.#kinds].toSorted() };
    this.#kinds.clear();
    for (const listener of this.#listeners) listener(event);
  }
}

function copyOf(facts: ClusterWatch["facts"]): ClusterWatch["facts"] {
  return Object.fromEntries(
    Object.entries(facts).map(([name, map]) => [name, new Map(map as ReadonlyMap<string, unknown>)]),
  ) as unknown as ClusterWatch["facts"];
}

interface WithConditions extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly addresses?: unknown;
  };
}

/** Two nodes that differ in times only. */
function isHeartbeat(before: WithConditions, after: WithConditions): boolean {
  return equalJson(withoutTimes(before), withoutTimes(after));
}

function withoutTimes({ metadata, status, ...rest }: WithConditions): unknown {
  const { resourceVersion: _version, ...kept } = metadata;
  const conditions = (status?.conditions ?? []).map(({ type, status: is }) => ({ type, is }));
  return { ...rest, metadata: kept, conditions, addresses: status?.addresses };
}

/** Returns what remembers an answer for that long, ms, and asks once for all who ask meanwhile. */
export function remembered<T>(ms: number, ask: () => Promise<T>): () => Promise<T> {
  let last: { readonly until: number; readonly answer: Promise<T> } | undefined;
  return () => {
    if (last && performance.now() < last.until) return last.answer;
    const answer = ask();
    const mine = { until: performance.now() + ms, answer };
    last = mine;
    // An error is nobody's answer but theirs who have asked.
    answer.catch(() => {
      if (last === mine) last = undefined;
    });
    return answer;
  };
}
