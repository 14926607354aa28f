// The tables of a store's file, and its statements. One row an object, one row a change; changes are numbered without
// gaps, and the number is both the object's resourceVersion and the revision of lists and watches. Every row has a checksum:
// what a disk or a hand has changed is an error, and never another truth.
import { closeSync, fchmodSync, openSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { TrunklineError, textOf } from "../../base/errors.ts";

const layout = 2;

export interface Statements {
  readonly begin: StatementSync;
  readonly read: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  readonly get: StatementSync;
  readonly list: StatementSync;
  readonly listIn: StatementSync;
  readonly crcOf: StatementSync;
  readonly sums: StatementSync;
  readonly sum: StatementSync;
  readonly countSince: StatementSync;
  readonly setSum: StatementSync;
  readonly put: StatementSync;
  readonly remove: StatementSync;
  readonly record: StatementSync;
  readonly forget: StatementSync;
  readonly newest: StatementSync;
  readonly oldest: StatementSync;
  readonly since: StatementSync;
  readonly sinceOfKind: StatementSync;
  readonly dataVersion: StatementSync;
}

/** What a commit outlives once it has returned: the machine's sudden end, or that of processes only. */
export type Outlives = "machine" | "processes";

/**
 * Opens the file, creating it and its tables if they are missing. Where commits outlive the machine, each is on disk before
 * it returns; else none waits for the disk, and the machine's end may take the last ones with it, but damages nothing.
 * @throws TrunklineError `store.open`
 */
export function openDatabase(
  path: string,
  outlives: Outlives,
): { readonly db: DatabaseSync; readonly sql: Statements } {
  let db: DatabaseSync | undefined;
  try {
    makePrivate(path);
    db = new DatabaseSync(path, { timeout: 5000 });
    // A write-ahead log lets readers go on during a write, and survives a kill at any instruction.
    const synchronous = outlives === "machine" ? "FULL" : "NORMAL";
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA foreign_keys = OFF;`);
    createTables(db);
    return { db, sql: prepareStatements(db) };
  } catch (error) {
    db?.close();
    throw new TrunklineError("store.open", { path, why: textOf(error) }, { cause: error });
  }
}

/** Makes the file if it is missing: SQLite would make it as the umask has it. The files beside it get the mode of this one. */
function makePrivate(path: string): void {
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw error;
  }
  fchmodSync(file, 0o600);
  closeSync(file);
}

function createTables(db: DatabaseSync): void {
  if (layoutOf(db) === layout) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    if (layoutOf(db) === 0)
      db.exec(`
        CREATE TABLE objects (
          kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL, crc INTEGER,
          PRIMARY KEY (kind, namespace, name)
        ) WITHOUT ROWID;
        CREATE TABLE changes (
          revision INTEGER PRIMARY KEY, kind TEXT NOT NULL, namespace TEXT NOT NULL, type TEXT NOT NULL,
          json TEXT NOT NULL, crc INTEGER
        );
        ${tableOfSums}
        PRAGMA user_version = ${layout};`);
    if (layoutOf(db) === 1) upgrade(db);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
  const found = layoutOf(db);
  if (found !== layout) throw new TrunklineError("store.layout", { found, known: layout });
}

/**
 * How many objects of a kind a namespace has, and all their checksums together: SQLite itself loses rows of a damaged page
 * silently. The row without a kind counts the changes.
 */
const tableOfSums = `CREATE TABLE sums (
  kind TEXT NOT NULL, namespace TEXT NOT NULL, count INTEGER NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY (kind, namespace)
) WITHOUT ROWID;`;

/** Layout 1 had no checksums. */
function upgrade(db: DatabaseSync): void {
  db.exec("ALTER TABLE objects ADD COLUMN crc INTEGER; ALTER TABLE changes ADD COLUMN crc INTEGER;");
  db.exec(tableOfSums);
  const setObject = db.prepare("UPDATE objects SET crc = ? WHERE kind = ? AND namespace = ? AND name = ?");
  const sums = new Map<string, { readonly kind: string; readonly namespace: string; readonly sum: Sum }>();
  for (const row of db.prepare("SELECT kind, namespace, name, json FROM objects").all()) {
    const [kind = "", namespace = "", name = "", json = ""] = Object.values(row).map(String);
    const crc = checksum(kind, namespace, name, json);
    setObject.run(crc, kind, namespace, name);
    const key = JSON.stringify([kind, namespace]);
    sums.set(key, { kind, namespace, sum: withObject(sums.get(key)?.sum ?? noObjects, 1, crc) });
  }
  const setChange = db.prepare("UPDATE changes SET crc = ? WHERE revision = ?");
  let newest = 0;
  for (const row of db.prepare("SELECT revision, kind, namespace, type, json FROM changes").all()) {
    newest = Math.max(newest, Number(row["revision"]));
    setChange.run(checksum(...Object.values(row).map(String)), Number(row["revision"]));
  }
  const setSum = db.prepare("INSERT INTO sums (kind, namespace, count, crc) VALUES (?, ?, ?, ?)");
  for (const { kind, namespace, sum } of sums.values()) setSum.run(kind, namespace, sum.count, sum.crc);
  setSum.run("", "", newest, 0);
  db.exec(`PRAGMA user_version = ${layout};`);
}

export interface Sum {
  readonly count: number;
  readonly crc: number;
}

export const noObjects: Sum = { count: 0, crc: 0 };

/** Returns a sum with so many objects more (or fewer) and their checksums; to put a checksum in and to take it out are the same. */
export function withObject(sum: Sum, count: number, ...checksums: readonly number[]): Sum {
  return { count: sum.count + count, crc: checksums.reduce((all, one) => (all ^ one) >>> 0, sum.crc) };
}

/** Returns the checksum of a row by all of its fields. */
export function checksum(...fields: readonly string[]): number {
  return crc32(fields.join("\0"));
}

function layoutOf(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
}

function prepareStatements(db: DatabaseSync): Statements {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    read: db.prepare("BEGIN DEFERRED"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    get: db.prepare("SELECT json, crc FROM objects WHERE kind = ? AND namespace = ? AND name = ?"),
    list: db.prepare(
      "SELECT namespace, name, json, crc FROM objects WHERE kind = ? ORDER BY namespace, name",
    ),
    put: db.prepare(
      "INSERT OR REPLACE INTO objects (kind, namespace, name, json, crc) VALUES (?, ?, ?, ?, ?)",
    ),
    listIn: db.prepare(
      "SELECT namespace, name, json, crc FROM objects WHERE kind = ? AND namespace = ? ORDER BY name",
    ),
    crcOf: db.prepare("SELECT crc FROM objects WHERE kind = ? AND namespace = ? AND name = ?"),
    sums: db.prepare("SELECT count, crc FROM sums WHERE kind = ?"),
    sum: db.prepare("SELECT count, crc FROM sums WHERE kind = ? AND namespace = ?"),
    setSum: db.prepare("INSERT OR REPLACE INTO sums (kind, namespace, count, crc) VALUES (?, ?, ?, ?)"),
    countSince: db.prepare("SELECT count(*) AS count FROM changes WHERE revision > ? AND revision <= ?"),
    remove: db.prepare("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?"),
    record: db.prepare(
      "INSERT INTO changes (revision, kind, namespace, type, json, crc) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    forget: db.prepare("DELETE FROM changes WHERE revision <= ?"),
    newest: db.prepare("SELECT max(revision) AS revision FROM changes"),
    oldest: db.prepare("SELECT min(revision) AS revision FROM changes"),
    since: db.prepare("SELECT * FROM changes WHERE revision > ? ORDER BY revision"),
    sinceOfKind: db.prepare(
      "SELECT * FROM changes WHERE revision > ? AND revision <= ? AND kind = ? ORDER BY revision",
    ),
    dataVersion: db.prepare("PRAGMA data_version"),
  };
}
