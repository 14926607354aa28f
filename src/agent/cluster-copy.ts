// What an agent knows of the cluster, on disk: a node whose kernel has lost its rules and routes (a restart of the machine)
// gets them back without an API server. Each change is appended before anything is done about it, so that the copy is never
// older than the kernel's rules, but for the moment in which an agent that has just begun writes its first one; a loss of
// power may take its last second.
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { deepFreeze } from "../api/equal.ts";
import { bgpConfigurationKind, bgpPeerKind } from "../api/kinds/routing/bgp.ts";
import { routingConfigurationKind } from "../api/kinds/routing/routing-configuration.ts";
import { secretKind } from "../api/kinds/secret.ts";
import { type KubeObject, keyOf } from "../api/object.ts";
import { textOf } from "../base/errors.ts";
import { JournalFile } from "../base/journal/file.ts";
import { contentOf, decodeLines, encodeLine, parseJson } from "../base/journal/lines.ts";
import type { Logger } from "../base/log.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { secretsAskedFor } from "../plan/routing/bird/settings.ts";
import type { ObjectChange } from "../store/informer.ts";

type Line =
  | { readonly format: number; readonly node: string }
  | { readonly kind: string; readonly object: KubeObject }
  | { readonly kind: string; readonly gone: string };

/** Of what is kept of objects, and how it is written. A copy in another one is none. */
const FORMAT = 1;
/** Lines of history that are kept beyond as many as there are objects. */
const SLACK = 1000;
/** Objects that are written in one turn of the event loop. */
const SLICE = 500;
const RETRY_MS = 5000;
const SYNC_MS = 1000;

export class ClusterCopy {
  readonly #file: JournalFile;
  readonly #node: string;
  readonly #logger: Logger;
  readonly #retryMs: number;
  #facts: ClusterFacts | undefined;
  #objects: () => Iterable<readonly [string, KubeObject]> = () => [];
  /** Of Secrets only those that settings name are written: which version of each the file has. */
  #secrets = new Map<string, string>();
  #lines = 0;
  #live = 0;
  /** The file is of this run: the one before may have left a line that is torn off, behind which nothing could be read. */
  #isOurs = false;
  /** What has come while the file is written anew. */
  #late: string[] | undefined;
  /** The file is, or is about to be, written anew. */
  #writing: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #sync: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param folder the agent's state folder; @param retryMs how often a disk that failed is tried again */
  constructor(folder: string, node: string, logger: Logger, retryMs: number = RETRY_MS) {
    this.#file = new JournalFile(path.join(folder, "cluster.copy"));
    this.#node = node;
    this.#logger = logger;
    this.#retryMs = retryMs;
  }

  /**
   * Returns the objects of each kind (plural). Undefined if there is no copy of this node's, or if not all of it can be read:
   * a policy that is missing would let pass what it refuses. A last line that a crash tore off is what the agent never acted upon.
   */
  read(): ReadonlyMap<string, readonly KubeObject[]> | undefined {
    const lines = this.#readLines();
    const [head, ...rest] = lines ?? [];
    if (head === undefined || !("format" in head)) return undefined;
    if (head.format !== FORMAT || head.node !== this.#node) {
      this.#logger.warn({ file: this.#file.path, ...head }, "the copy of the cluster's objects is another's");
      return undefined;
    }
    const byKind = new Map<string, Map<string, KubeObject>>();
    for (const line of rest) {
      if ("format" in line) continue;
      const objects = byKind.get(line.kind) ?? new Map<string, KubeObject>();
      byKind.set(line.kind, objects);
      if ("gone" in line) objects.delete(line.gone);
      else objects.set(keyOf(line.object), deepFreeze(line.object));
    }
    return new Map([...byKind].map(([kind, objects]) => [kind, [...objects.values()]]));
  }

  #readLines(): readonly Line[] | undefined {
    const facts = { file: this.#file.path };
    try {
      const { values, bad, torn } = decodeLines(this.#file.read(), lineOf);
      if (bad.length === 0 || torn) return values;
      this.#logger.error(
        { ...facts, lines: bad.slice(0, 10) },
        "the copy of the cluster's objects is damaged",
      );
    } catch (error) {
      this.#logger.error(
        { ...facts, error: textOf(error) },
        "the copy of the cluster's objects cannot be read",
      );
    }
    return undefined;
  }

  /** Everything is known: writes the copy anew, and from now on what is noted. `objects` is called again for each new file. */
  begin(facts: ClusterFacts, objects: () => Iterable<readonly [kind: string, object: KubeObject]>): void {
    this.#facts = facts;
    this.#objects = objects;
    this.#writeAnew();
  }

  /** Appends a change. */
  note(kind: string, { type, object }: ObjectChange<KubeObject>): void {
    if (this.#facts === undefined || this.#stopped) return;
    if (kind === secretKind.plural) {
      this.#noteSecrets();
      return;
    }
    if (type === "added") this.#live++;
    if (type === "deleted") this.#live--;
    this.#append([type === "deleted" ? { kind, gone: keyOf(object) } : { kind, object }]);
    if (kindsThatName.has(kind)) this.#noteSecrets();
  }

  /** Settles when nothing is written any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#sync);
    await this.#writing;
    this.#file.close();
  }

  #noteSecrets(): void {
    const asked = this.#askedSecrets();
    const lines: Line[] = [];
    const kind = secretKind.plural;
    for (const key of this.#secrets.keys()) if (!asked.has(key)) lines.push({ kind, gone: key });
    for (const [key, object] of asked)
      if (this.#secrets.get(key) !== object.metadata.resourceVersion) lines.push({ kind, object });
    this.#secrets = versionsOf(asked);
    if (lines.length > 0) this.#append(lines);
  }

  #askedSecrets(): ReadonlyMap<string, KubeObject> {
    const facts = this.#facts;
    const out = new Map<string, KubeObject>();
    for (const key of facts === undefined ? [] : secretsAskedFor(facts)) {
      const secret = facts?.secrets.get(key);
      if (secret !== undefined) out.set(key, secret);
    }
    return out;
  }

  #append(lines: readonly Line[]): void {
    const text = lines.map(encodeLine).join("");
    this.#late?.push(text);
    // Until a disk that failed has all again, single changes would tell of what is not there.
    if (this.#retry !== undefined || !this.#isOurs) return;
    try {
      this.#file.append(text);
      this.#lines += lines.length;
      this.#syncSoon();
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (this.#writing === undefined && this.#lines > 2 * this.#live + SLACK) this.#writeAnew();
  }

  #syncSoon(): void {
    this.#sync ??= setTimeout(() => {
      this.#sync = undefined;
      // A file that was replaced meanwhile is on the disk already.
      this.#file.sync().catch((error: unknown) => {
        this.#logger.debug(
          { error: textOf(error) },
          "the copy of the cluster's objects was not forced to disk",
        );
      });
    }, SYNC_MS).unref();
  }

  #writeAnew(): void {
    if (this.#writing !== undefined) return;
    this.#late = [];
    this.#writing = this.#file
      .replaceFrom(this.#pieces(), { durable: true, last: () => this.#takeLate() })
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#writing = undefined;
        this.#late = undefined;
      });
  }

  /** In slices: other work goes on, and all of a large cluster in one text would take as much memory again. */
  async *#pieces(): AsyncGenerator<string> {
    this.#lines = 1;
    this.#live = 0;
    let piece = encodeLine({ format: FORMAT, node: this.#node } satisfies Line);
    const asked = this.#askedSecrets();
    this.#secrets = versionsOf(asked);
    for (const object of asked.values())
      piece += encodeLine({ kind: secretKind.plural, object } satisfies Line);
    for (const [kind, object] of this.#objects()) {
      if (kind === secretKind.plural) continue;
      piece += encodeLine({ kind, object } satisfies Line);
      this.#live++;
      if (this.#live % SLICE > 0) continue;
      yield piece;
      piece = "";
      await nextTurn();
      if (this.#stopped) throw new Error("the agent stops");
    }
    this.#lines += this.#live;
    yield piece;
  }

  #takeLate(): string {
    const late = this.#late ?? [];
    this.#late = [];
    this.#isOurs = true;
    return late.join("");
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    const facts = { file: this.#file.path, error: textOf(error), againMs: this.#retryMs };
    this.#logger.warn(facts, "the copy of the cluster's objects cannot be written, and is as it was");
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#writeAnew();
    }, this.#retryMs).unref();
  }
}

/** Whose objects name Secrets. */
const kindsThatName: ReadonlySet<string> = new Set(
  [bgpConfigurationKind, bgpPeerKind, routingConfigurationKind].map(({ plural }) => plural),
);

function versionsOf(objects: ReadonlyMap<string, KubeObject>): Map<string, string> {
  return new Map([...objects].map(([key, { metadata }]) => [key, metadata.resourceVersion]));
}

function lineOf(text: string): Line | undefined {
  const json = contentOf(text);
  const value = json === undefined ? undefined : parseJson(json);
  if (typeof value !== "object" || value === null) return undefined;
  const { format, node, kind, object, gone } = value as Record<string, unknown>;
  if (typeof format === "number" && typeof node === "string") return { format, node };
  if (typeof kind !== "string") return undefined;
  if (typeof gone === "string") return { kind, gone };
  return isObject(object) ? { kind, object } : undefined;
}

function isObject(value: unknown): value is KubeObject {
  if (typeof value !== "object" || value === null) return false;
  const metadata: unknown = Reflect.get(value, "metadata");
  return (
    typeof metadata === "object" && metadata !== null && typeof Reflect.get(metadata, "name") === "string"
  );
}
