// Objects in one SQLite file that several processes of a machine share.
import type { DatabaseSync } from "node:sqlite";
import { deepFreeze } from "../../api/equal.ts";
import type { Draft, Kind, KubeObject } from "../../api/object.ts";
import { TrunklineError } from "../../base/errors.ts";
import { type DriverOptions, driverOptions, freshObject, watchKind } from "../driver.ts";
import type { DeleteOptions, Listing, Store, WatchEvent } from "../store.ts";
import { checkNamespace, deleted, kindKey, type Transition, updated, withVersion } from "../transition.ts";
import { type Change, WatchHub } from "../watch-hub.ts";
import { Bell } from "./bell.ts";
import { openDatabase, prepareStatements, type Statements } from "./tables.ts";

/**
 * Opens the store in that file, creating it if it is missing. Several processes may have it open: what one writes, the
 * others' watches tell within milliseconds.
 * @throws TrunklineError `store.open`
 */
export function openSqliteStore(path: string, options: DriverOptions = {}): Store {
  return new SqliteStore(path, options);
}

class SqliteStore implements Store {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #sql: Statements;
  readonly #bell: Bell;
  readonly #hub: WatchHub;
  readonly #history: number;
  readonly #now: () => Date;
  /** The last change that the watchers were told. */
  #told = 0;
  /** SQLite's mark of other connections' commits when we last looked. */
  #mark = -1;
  #closed = false;

  constructor(path: string, options: DriverOptions) {
    const { history, now } = driverOptions(options);
    this.#history = history;
    this.#now = now;
    this.#path = path;
    this.#db = openDatabase(path);
    this.#sql = prepareStatements(this.#db);
    this.#bell = new Bell(path, () => this.#lookForOthers());
    this.#hub = new WatchHub((count) => !this.#closed && this.#bell.listen(count > 0));
  }

  async get<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): Promise<T | undefined> {
    return this.#stored(kind, name, namespace);
  }

  async list<T extends KubeObject>(kind: Kind<T>, namespace?: string): Promise<Listing<T>> {
    this.#checkOpen();
    const key = kindKey(kind);
    // One transaction, one picture: a watch from this revision must not tell what is older than the objects listed.
    this.#sql.read.run();
    try {
      const revision = String(this.#newest());
      const rows = namespace === undefined ? this.#sql.list.all(key) : this.#sql.listIn.all(key, namespace);
      return { items: rows.map((row) => parse<T>(row["json"])), revision };
    } finally {
      this.#sql.commit.run();
    }
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
    if (entry) this.#announce(entry);
    return result;
  }

  #record(entry: Change): void {
    const { kind, namespace, type, object, revision } = entry;
    const json = JSON.stringify(object);
    if (type === "deleted") this.#sql.remove.run(kind, namespace, object.metadata.name);
    else this.#sql.put.run(kind, namespace, object.metadata.name, json);
    this.#sql.record.run(revision, kind, namespace, type, json);
    // Old history goes in bulk: once in a while is cheaper than with every write.
    if (revision % 256 === 0) this.#sql.forget.run(revision - this.#history);
  }

  #announce(entry: Change): void {
    this.#bell.ring();
    if (this.#hub.size === 0) return;
    // Others' changes that came before ours are told before ours.
    if (entry.revision !== this.#told + 1) {
      this.#tell();
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
    const rows = this.#sql.since.all(this.#told);
    const first = rows[0];
    if (first && Number(first["revision"]) !== this.#told + 1) {
      // Others wrote more than the history holds while this process stood still.
      const from = String(this.#told);
      this.#told = this.#newest();
      this.#hub.end(new TrunklineError("store.gone", { from }));
      return;
    }
    for (const row of rows) {
      const change = changeOf(row);
      this.#told = change.revision;
      this.#hub.publish(change);
    }
  }

  #since(kind: string, from: string): Iterable<Change> {
    this.#checkOpen();
    if (this.#hub.size === 0) this.#told = this.#newest();
    else this.#tell();
    const revision = Number(from);
    const oldest = Number(this.#sql.oldest.get()?.["revision"] ?? 1);
    if (!Number.isInteger(revision) || revision > this.#told || revision < oldest - 1)
      throw new TrunklineError("store.gone", { from });
    return this.#sql.sinceOfKind.all(revision, this.#told, kind).map(changeOf);
  }

  #stored<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): T | undefined {
    this.#checkOpen();
    checkNamespace(kind, namespace);
    const row = this.#sql.get.get(kindKey(kind), namespace ?? "", name);
    return row && parse<T>(row["json"]);
  }

  #newest(): number {
    return Number(this.#sql.newest.get()?.["revision"] ?? 0);
  }

  #checkOpen(): void {
    if (this.#closed) throw new TrunklineError("store.closed", { place: this.#path });
  }
}

// What stands in the file was written by this class.
function parse<T>(json: unknown): T {
  return JSON.parse(String(json)) as T;
}

function changeOf(row: Record<string, unknown>): Change {
  return {
    revision: Number(row["revision"]),
    kind: String(row["kind"]),
    namespace: String(row["namespace"]),
    type: row["type"] as Change["type"],
    object: deepFreeze(parse<KubeObject>(row["json"])),
  };
}
