// The tables of a store's file, and its statements. One row an object, one row a change; changes are numbered without
// gaps, and the number is both the object's resourceVersion and the revision of lists and watches.
import { closeSync, fchmodSync, openSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { TrunklineError, textOf } from "../../base/errors.ts";

const layout = 1;

export interface Statements {
  readonly begin: StatementSync;
  readonly read: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  readonly get: StatementSync;
  readonly list: StatementSync;
  readonly listIn: StatementSync;
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

/**
 * Opens the file, creating it and its tables if they are missing. A commit is on disk before it returns.
 * @throws TrunklineError `store.open`
 */
export function openDatabase(path: string): DatabaseSync {
  try {
    makePrivate(path);
    const db = new DatabaseSync(path, { timeout: 5000 });
    // A write-ahead log lets readers go on during a write, and survives a kill at any instruction.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;");
    createTables(db);
    return db;
  } catch (error) {
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
          kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL,
          PRIMARY KEY (kind, namespace, name)
        ) WITHOUT ROWID;
        CREATE TABLE changes (
          revision INTEGER PRIMARY KEY, kind TEXT NOT NULL, namespace TEXT NOT NULL, type TEXT NOT NULL,
          json TEXT NOT NULL
        );
        PRAGMA user_version = ${layout};`);
  } finally {
    db.exec("COMMIT");
  }
  const found = layoutOf(db);
  if (found !== layout) throw new TrunklineError("store.layout", { found, known: layout });
}

function layoutOf(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
}

export function prepareStatements(db: DatabaseSync): Statements {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    read: db.prepare("BEGIN DEFERRED"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    get: db.prepare("SELECT json FROM objects WHERE kind = ? AND namespace = ? AND name = ?"),
    list: db.prepare("SELECT json FROM objects WHERE kind = ? ORDER BY namespace, name"),
    listIn: db.prepare("SELECT json FROM objects WHERE kind = ? AND namespace = ? ORDER BY name"),
    put: db.prepare("INSERT OR REPLACE INTO objects (kind, namespace, name, json) VALUES (?, ?, ?, ?)"),
    remove: db.prepare("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?"),
    record: db.prepare("INSERT INTO changes (revision, kind, namespace, type, json) VALUES (?, ?, ?, ?, ?)"),
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
