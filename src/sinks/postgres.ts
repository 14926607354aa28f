// PostgreSQL: a marked block of pg_hba.conf. The server itself is asked about the file (pg_hba_file_rules) before it is told to
// read it; it is asked as the file's owner, whom it knows by the unix socket (peer). A file in which it finds errors is left
// alone, and one that our block breaks is put back.
import { stat } from "node:fs/promises";
import type { AddressListSink } from "../api/kinds/address-list.ts";
import { TrunklineError, textOf } from "../base/errors.ts";
import { run } from "../kernel/exec/index.ts";
import { allowedPath, putBack, replaceFile, textIn } from "./files.ts";
import type { Sink, SinkList, SinkPlace } from "./sink.ts";

type Spec = NonNullable<AddressListSink["postgres"]>;

const usualFolder = "/var/run/postgresql";
const TIMEOUT_MS = 10_000;
const errors =
  "select string_agg(line_number || ': ' || error, '; ') from pg_hba_file_rules where error is not null";
/** A volatile function in a CASE is called only where its branch is taken. */
const reload = `select coalesce((${errors}), case when pg_reload_conf() then '' else 'it cannot be reloaded' end)`;

export function postgresSink(spec: Spec): Sink {
  /** The text that the server was last told to read. */
  let inForce: string | undefined;
  return async (list, place) => {
    const file = await allowedPath(spec.path, place.folders);
    const before = await textIn(file);
    if (before === undefined)
      throw new TrunklineError("sinks.path", { path: spec.path, why: "there is no such file" });
    const text = withBlock(before, list, spec);
    if (text === before && text === inForce) return;
    if (text !== before && before !== inForce) {
      const found = await asked(spec, file, `select coalesce((${errors}), '')`, place);
      if (found !== "") throw new TrunklineError("sinks.broken", { path: spec.path, errors: found });
    }
    if (text !== before) await replaceFile(file, text);
    let said: string;
    try {
      said = await asked(spec, file, reload, place);
    } catch (error) {
      // The block is sound, and a server that starts later reads it.
      inForce = undefined;
      throw error;
    }
    if (said !== "") {
      inForce = undefined;
      if (text !== before) await putBack(file, before);
      throw new TrunklineError("sinks.refused", { what: "PostgreSQL", why: said });
    }
    inForce = text;
  };
}

/** Returns the file's text with the list's block in the place of the one before, or at the end. @throws `sinks.markers` */
export function withBlock(text: string, list: SinkList, spec: Spec): string {
  const [begin, end] = [`# >>> AddressList ${list.name}`, `# <<< AddressList ${list.name}`];
  const { databases = ["all"], users = ["all"], method = "scram-sha-256", connection = "host" } = spec;
  const rules = list.ranges.map(
    (range) =>
      `${connection} ${databases.map(named).join(",")} ${users.map(named).join(",")} ${range} ${method}`,
  );
  const block = [begin, "# written anew whenever the list changes", ...rules, end];
  const lines = text.split("\n");
  const at = (line: string) => lines.flatMap((one, index) => (one.trimEnd() === line ? [index] : []));
  const [begins, ends] = [at(begin), at(end)];
  if (begins.length === 0 && ends.length === 0) {
    const whole = text === "" || text.endsWith("\n") ? text : `${text}\n`;
    return `${whole}${block.join("\n")}\n`;
  }
  const [first = 0] = begins;
  const [last = 0] = ends;
  if (begins.length !== 1 || ends.length !== 1 || last < first)
    throw new TrunklineError("sinks.markers", { path: spec.path, begin, end });
  return [...lines.slice(0, first), ...block, ...lines.slice(last + 1)].join("\n");
}

/** Words that mean more than a name do so without quotes only. */
const special = new Set(["all", "sameuser", "samerole", "samegroup", "replication"]);

function named(word: string): string {
  return special.has(word) ? word : `"${word}"`;
}

/** Returns the one value that a statement has. @throws `sinks.not-running` */
async function asked(
  { socketFolder = usualFolder, port = 5432, path }: Spec,
  file: string,
  statement: string,
  { netns }: SinkPlace,
): Promise<string> {
  const { uid, gid } = await stat(file);
  const psql = ["psql", "-XAtqw", "-h", socketFolder, "-p", String(port), "-d", "postgres", "-c", statement];
  const isSelf = process.getuid?.() === uid;
  const whole = isSelf
    ? psql
    : ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--", ...psql];
  const [command = "", ...args] = whole;
  try {
    const env = { PGCONNECT_TIMEOUT: "3", PGUSER: undefined, USER: undefined, LOGNAME: undefined };
    const { stdout } = await run(command, args, { netns, timeoutMs: TIMEOUT_MS, env, cwd: "/" });
    return stdout.trim();
  } catch (error) {
    throw new TrunklineError("sinks.not-running", {
      what: `PostgreSQL of ${path}`,
      why: textOf(error).replaceAll(/\s+/g, " ").slice(-300),
    });
  }
}
