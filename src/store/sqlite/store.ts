// Objects in one SQLite file that several processes of a machine share.
import type { DatabaseSync } from "node:sqlite";
import { deepFreeze } from "../../api/equal.ts";
import type { Draft, Kind, KubeObject } from "../../api/object.ts";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { type DriverOptions, driverOptions, freshObject, watchKind } from "../driver.ts";
import type { DeleteOptions, Listing, Store, WatchEvent } from "../store.ts";
import { checkNamespace, deleted, kindKey, type Transition, updated, withVersion } from "../transition.ts";
import { type Change, WatchHub } from "../watch-hub.ts";
import { Bell } from "./bell.ts";
import { LargeObjects } from "./large-objects.ts";
import {
  checksum,
  noObjects,
  type Outlives,
  openDatabase,
  type Statements,
  type Sum,
  withObject,
} from "./tables.ts";

export interface SqliteOptions extends DriverOptions {
  /** Default: the machine. A lab is gone with its machine, and need not wait for the disk. */
  readonly outlives?: Outlives;
}

/**
 * Opens the store in that file, creating it if it is missing. Several processes may have it open: what one writes, the
 * others' watches tell within milliseconds.
 * @throws TrunklineError `store.open`
 */
export function openSqliteStore(path: string, options: SqliteOptions = {}): Store {
  return new SqliteStore(path, options);
}

class SqliteStore implements Store {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #sql: Statements;
  readonly #bell: Bell;
  readonly #hub: WatchHub;
  readonly #large = new LargeObjects();
  readonly #history: number;
  readonly #now: () => Date;
  /** The last change that the watchers were told. */
  #told = 0;
  /** SQLite's mark of other connections' commits when we last looked. */
  #mark = -1;
  #closed = false;

  constructor(path: string, options: SqliteOptions) {
    const { history, now } = driverOptions(options);
    this.#history = history;
    this.#now = now;
    this.#path = path;
    const { db, sql } = openDatabase(path, options.outlives ?? "machine");
    this.#db = db;
    this.#sql = sql;
    this.#bell = new Bell(path, () => this.#lookForOthers());
    this.#hub = new WatchHub((count) => !this.#closed && this.#bell.listen(count > 0));
  }

  async get<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): Promise<T | undefined> {
    const found = this.#stored(kind, name, namespace);
    if (found === undefined) this.#guarded(() => this.#assertAbsent(kindKey(kind), namespace ?? "", name));
    return found;
  }

  async list<T extends KubeObject>(kind: Kind<T>, namespace?: string): Promise<Listing<T>> {
    this.#checkOpen();
    const key = kindKey(kind);
    return this.#guarded(() => {
      // One transaction, one picture: a watch from this revision must not tell what is older than the objects listed.
      this.#sql.read.run();
      try {
        const revision = String(this.#newest());
        const all = namespace === undefined;
        const rows = all ? this.#sql.list.all(key) : this.#sql.listIn.all(key, namespace);
        const sums = all ? this.#sql.sums.all(key) : this.#sql.sum.all(key, namespace);
        return { items: this.#whole<T>(key, rows, sums), revision };
      } finally {
        this.#end();
      }
    });
  }

  async create<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>): Promise<T> {
    return this.#write(kind, "added", () => {
      const isTaken = ({ metadata: { name, namespace } }: T) =>
        this.#stored(kind, name, namespace) !== undefined;
      return { type: "write", object: freshObject(kind, draft, this.#now(), isTaken) };
    });
  }

  async update<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T> {
    const { name, namespace } = object.metadata;
    return this.#write(kind, "modified", () => updated(kind, this.#stored(kind, name, namespace), object));
  }

  async delete<T extends KubeObject>(
    kind: Kind<T>,
    name: string,
    namespace?: string,
    options: DeleteOptions = {},
  ): Promise<void> {
    this.#write<T, T | undefined>(kind, "modified", () => {
      const stored = this.#stored(kind, name, namespace);
      return stored ? deleted(kind, stored, options, this.#now()) : { type: "none", object: undefined };
    });
  }

  watch<T extends KubeObject>(
    kind: Kind<T>,
    options: { readonly from: string; readonly namespace?: string; readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    this.#checkOpen();
    return watchKind(this.#hub, kind, options, (key) => this.#since(key, options.from));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#hub.end("done");
    this.#bell.close();
    this.#db.close();
  }

  #write<T extends KubeObject, R extends T | undefined>(
    kind: Kind<T>,
    write: "added" | "modified",
    decide: () => Transition<R>,
  ): R {
    this.#checkOpen();
    const { result, entry } = this.#guarded(() => this.#transact(kind, write, decide));
    if (entry) this.#announce(entry);
    return result;
  }

  #transact<T extends KubeObject, R extends T | undefined>(
    kind: Kind<T>,
    write: "added" | "modified",
    decide: () => Transition<R>,
  ): { readonly result: R; readonly entry: Change | undefined } {
    this.#sql.begin.run();
    let entry: Change | undefined;
    let result: R;
    try {
      const transition = decide();
      result = transition.object;
      if (transition.type !== "none" && result !== undefined) {
        const revision = this.#newest() + 1;
        const object = deepFreeze(withVersion<T>(result, revision));
        result = object as R;
        entry = {
          revision,
          kind: kindKey(kind),
          namespace: object.metadata.namespace ?? "",
          type: transition.type === "remove" ? "deleted" : write,
          object,
        };
        this.#record(entry);
      }
      this.#sql.commit.run();
    } catch (error) {
      // A commit that failed may have ended the transaction already.
      if (this.#db.isTransaction) this.#sql.rollback.run();
      throw error;
    }
    return { result, entry };
  }

  /** Ends a transaction that only read; a disk that failed has ended it already. */
  #end(): void {
    if (this.#db.isTransaction) this.#sql.commit.run();
  }

  /** @throws what `work` throws, and of SQLite's errors `store.damaged` or `store.unreachable` */
  #guarded<R>(work: () => R): R {
    try {
      return work();
    } catch (error) {
      const { code, errcode = 0 } = error as { readonly code?: unknown; readonly errcode?: number };
      if (code !== "ERR_SQLITE_ERROR") throw error;
      const facts = { place: this.#path, why: textOf(error) };
      // The lowest byte is the primary code; what is above it says more.
      throw new TrunklineError(
        damageCodes.has(errcode & 0xff) ? "store.damaged" : "store.unreachable",
        facts,
        {
          cause: error,
        },
      );
    }
  }

  #damaged(why: string): TrunklineError {
    return new TrunklineError("store.damaged", { place: this.#path, why });
  }

  /** Returns the objects of a listing, which has to be whole: to miss one would mean that it was deleted. */
  #whole<T>(kind: string, rows: readonly Row[], sums: readonly Row[]): T[] {
    const expected = sums.reduce<Sum>(
      (sum, row) => withObject(sum, Number(row["count"]), Number(row["crc"])),
      noObjects,
    );
    let found = noObjects;
    const items = rows.map((row) => {
      found = withObject(found, 1, Number(row["crc"]));
      return this.#parsed<T>(kind, String(row["namespace"]), String(row["name"]), row);
    });
    if (found.count !== expected.count || found.crc !== expected.crc)
      throw this.#damaged(
        `there should be ${expected.count} objects of ${kind}, and ${found.count} are found`,
      );
    return items;
  }

  /** That an object is not found must mean that there is none: a damaged tree leads past it. @throws `store.damaged` */
  #assertAbsent(kind: string, namespace: string, name: string): void {
    this.#sql.read.run();
    try {
      const rows = this.#sql.listIn.all(kind, namespace);
      this.#whole(kind, rows, this.#sql.sum.all(kind, namespace));
      if (rows.some((row) => row["name"] === name))
        throw this.#damaged(`${kind} ${name} is not where it belongs`);
    } finally {
      this.#end();
    }
  }

  #parsed<T>(kind: string, namespace: string, name: string, row: Row): T {
    const json = String(row["json"]);
    const crc = Number(row["crc"]);
    const key = placeOf(kind, namespace, name);
    const known = this.#large.find(key, json, crc);
    if (known) return known as T;
    if (crc !== checksum(kind, namespace, name, json))
      throw this.#damaged(
        `${kind} ${namespace === "" ? name : `${namespace}/${name}`} is not as it was written`,
      );
    const object = JSON.parse(json) as T & object;
    this.#large.keep(key, json, crc, object);
    return object;
  }

  #record(entry: Change): void {
    const { kind, namespace, type, object, revision } = entry;
    const { name } = object.metadata;
    const json = JSON.stringify(object);
    const before = this.#sql.crcOf.get(kind, namespace, name);
    const old = before === undefined ? [] : [Number(before["crc"])];
    const sum = sumOf(this.#sql.sum.get(kind, namespace));
    let next: Sum;
    if (type === "deleted") {
      this.#sql.remove.run(kind, namespace, name);
      next = withObject(sum, -old.length, ...old);
    } else {
      const crc = checksum(kind, namespace, name, json);
      this.#sql.put.run(kind, namespace, name, json, crc);
      // Should this not be committed, the file has another text.
      this.#large.keep(placeOf(kind, namespace, name), json, crc, object);
      next = withObject(sum, 1 - old.length, crc, ...old);
    }
    this.#sql.setSum.run(kind, namespace, next.count, next.crc);
    const crc = checksum(String(revision), kind, namespace, type, json);
    this.#sql.record.run(revision, kind, namespace, type, json, crc);
    this.#sql.setSum.run("", "", revision, 0);
    // Old history goes in bulk: once in a while is cheaper than with every write.
    if (revision % 256 === 0) this.#sql.forget.run(revision - this.#history);
  }

  #announce(entry: Change): void {
    this.#bell.ring();
    if (this.#hub.size === 0) return;
    // Others' changes that came before ours are told before ours.
    if (entry.revision !== this.#told + 1) {
      // What is written is written: a disk that cannot be read now is looked at again with the next poll.
      this.#mark = -1;
      this.#lookForOthers();
    } else {
      this.#told = entry.revision;
      this.#hub.publish(entry);
    }
  }

  #lookForOthers(): void {
    if (this.#closed) return;
    try {
      const mark = Number(this.#sql.dataVersion.get()?.["data_version"]);
      if (mark === this.#mark) return;
      this.#tell();
      this.#mark = mark;
    } catch {
      // A disk that fails, or is busy for too long: nobody waits for this look, and the next one is soon.
    }
  }

  #tell(): void {
    for (const row of this.#sql.since.all(this.#told)) {
      const change = changeOf(row);
      if (change?.revision !== this.#told + 1) {
        // Others wrote more than the history holds while this process stood still, or it is damaged.
        const from = String(this.#told);
        this.#told = this.#newest();
        this.#hub.end(new TrunklineError("store.gone", { from }));
        return;
      }
      this.#told = change.revision;
      this.#hub.publish(change);
    }
  }

  #since(kind: string, from: string): Iterable<Change> {
    this.#checkOpen();
    return this.#guarded(() => this.#changesSince(kind, from));
  }

  #changesSince(kind: string, from: string): Iterable<Change> {
    if (this.#hub.size === 0) this.#told = this.#newest();
    else this.#tell();
    const revision = Number(from);
    const oldest = Number(this.#sql.oldest.get()?.["revision"] ?? 1);
    if (!Number.isInteger(revision) || revision > this.#told || revision < oldest - 1)
      throw new TrunklineError("store.gone", { from });
    const changes = this.#sql.sinceOfKind.all(revision, this.#told, kind).map(changeOf);
    const count = Number(this.#sql.countSince.get(revision, this.#told)?.["count"]);
    // What is damaged of the history cannot be told; the objects themselves can be listed.
    if (count !== this.#told - revision || changes.includes(undefined))
      throw new TrunklineError("store.gone", { from });
    return changes as Change[];
  }

  #stored<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): T | undefined {
    this.#checkOpen();
    checkNamespace(kind, namespace);
    return this.#guarded(() => {
      const row = this.#sql.get.get(kindKey(kind), namespace ?? "", name);
      return row && this.#parsed<T>(kindKey(kind), namespace ?? "", name, row);
    });
  }

  /** @throws `store.damaged` where changes are missing: their numbers must never be given a second time */
  #newest(): number {
    const newest = Number(this.#sql.newest.get()?.["revision"] ?? 0);
    const counted = sumOf(this.#sql.sum.get("", "")).count;
    if (newest !== counted) throw this.#damaged(`its last change should be ${counted}, and is ${newest}`);
    return newest;
  }

  #checkOpen(): void {
    if (this.#closed) throw new TrunklineError("store.closed", { place: this.#path });
  }
}

/** What tells an object from all others. */
function placeOf(kind: string, namespace: string, name: string): string {
  return `${kind} ${namespace}/${name}`;
}

type Row = Readonly<Record<string, unknown>>;

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const damageCodes: ReadonlySet<number> = new Set([11, 26]);

function sumOf(row: Row | undefined): Sum {
  return row === undefined ? noObjects : { count: Number(row["count"]), crc: Number(row["crc"]) };
}

/** Returns undefined where the row is not as it was written. */
function changeOf(row: Row): Change | undefined {
  const { revision, kind, namespace, type, json } = row;
  const fields = [revision, kind, namespace, type, json].map(String);
  if (Number(row["crc"]) !== checksum(...fields)) return undefined;
  return {
    revision: Number(revision),
    kind: String(kind),
    namespace: String(namespace),
    type: type as Change["type"],
    object: deepFreeze(JSON.parse(String(json)) as KubeObject),
  };
}
