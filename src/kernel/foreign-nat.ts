// Reading NAT rules that others keep in a namespace, and changing them through their own tools. Reading changes nothing:
// a kernel module that is not loaded stays so.

import { readFileSync } from "node:fs";
import { isMissingCommand, run } from "./exec/index.ts";
import type { Kernel, NetnsRef } from "./kernel.ts";
import { inNetns, withNetnsFd } from "./netns/enter.ts";
import { OWN_TABLES } from "./own-tables.ts";
import { processesInNetns } from "./process.ts";

/** What the tools printed. */
export interface ForeignNatTexts {
  readonly iptables: readonly {
    readonly store: "iptables-nft" | "iptables-legacy";
    readonly family: 4 | 6;
    readonly text: string;
  }[];
  readonly nft: readonly NftText[];
  readonly unreadable: readonly string[];
}

export interface NftText {
  /** Family and name. */
  readonly table: string;
  readonly json: readonly Record<string, unknown>[];
  /** As `nft -a list table` prints it. */
  readonly text: string;
}

const families = [4, 6] as const;

/**
 * Reads all NAT rules of a namespace but our own.
 * @throws `kernel.nft`, `kernel.command`
 */
export async function readForeignNat(kernel: Kernel, netns: NetnsRef): Promise<ForeignNatTexts> {
  const tables = await natTables(kernel);
  const legacy = legacyFamilies(netns);
  const compat = await Promise.all(
    families
      .filter((family) => tables.has(compatTable(family)))
      .map(async (family) => ({ family, text: await save("nft", family, netns) })),
  );
  // It refuses tables that hold rules which it did not write itself, and leaves out chains that are not its own; nft can read
  // both.
  const readable = compat.filter(({ text = "" }) => /^\*nat$/m.test(text) && !/is incompatible/.test(text));
  const unreadable: string[] = [];
  const iptables: ForeignNatTexts["iptables"][number][] = readable.map(({ family, text = "" }) => ({
    store: "iptables-nft",
    family,
    text,
  }));
  for (const family of legacy) {
    const text = await save("legacy", family, netns);
    if (text === undefined)
      unreadable.push("legacy rules are loaded, but iptables-legacy-save is not installed");
    else iptables.push({ store: "iptables-legacy", family, text });
  }
  const printed = new Map(readable.map(({ family, text }) => [compatTable(family), chainsIn(text ?? "")]));
  const native = await Promise.all(
    [...tables].map(async ([table, bases]) => {
      const known = printed.get(table) ?? new Set();
      if (OWN_TABLES.includes(table) || bases.every((name) => known.has(name))) return undefined;
      const read = await readNftTable(kernel, netns, table);
      return read && { ...read, json: besidePrinted(read.json, known) };
    }),
  );
  return { iptables, nft: native.flatMap((table) => table ?? []), unreadable };
}

/** iptables' own table, where the nft variant keeps its rules. */
function compatTable(family: 4 | 6): string {
  return family === 4 ? "ip nat" : "ip6 nat";
}

/** Returns a table, named by family and name; undefined if it is gone. @throws `kernel.nft`, `kernel.command` */
export async function readNftTable(
  kernel: Kernel,
  netns: NetnsRef,
  table: string,
): Promise<NftText | undefined> {
  const json = await kernel.nft.list(`list table ${table}`);
  if (json === undefined) return undefined;
  const { stdout } = await run("nft", ["-a", "-s", "list", "table", ...table.split(" ")], { netns });
  return { table, json, text: stdout };
}

/** The chains of a table as iptables' save command declares them. */
function chainsIn(text: string): Set<string> {
  return new Set([...text.matchAll(/^:(\S+) /gm)].flatMap(([, name]) => name ?? []));
}

/**
 * Returns of a table what iptables has not printed: base chains of other names, and what they lead to, with their rules.
 * @param json nft's JSON of the table
 * @param printed names of the chains that iptables has printed
 */
export function besidePrinted(json: NftText["json"], printed: ReadonlySet<string>): NftText["json"] {
  if (printed.size === 0) return json;
  const part = (object: Record<string, unknown>, kind: "chain" | "rule") =>
    object[kind] as Record<string, unknown> | undefined;
  const isOther = (chain: Record<string, unknown>) =>
    chain["hook"] !== undefined && !printed.has(String(chain["name"]));
  const kept = new Set(
    json.flatMap((object) => {
      const chain = part(object, "chain");
      return chain && isOther(chain) ? [String(chain["name"])] : [];
    }),
  );
  // Iterating over a set comes to what is added meanwhile.
  for (const name of kept) {
    for (const object of json) {
      const rule = part(object, "rule");
      if (rule?.["chain"] === name) for (const target of targetsIn(rule["expr"])) kept.add(target);
    }
  }
  return json.filter((object) => {
    const name = part(object, "chain")?.["name"] ?? part(object, "rule")?.["chain"];
    return name === undefined || kept.has(String(name));
  });
}

/** The chains that a rule's expressions jump or go to, in verdict maps, too. */
function targetsIn(expression: unknown): string[] {
  if (typeof expression !== "object" || expression === null) return [];
  return Object.entries(expression).flatMap(([key, value]: [string, unknown]) => {
    const target = (value as { target?: unknown } | null)?.target;
    const isJump = (key === "jump" || key === "goto") && typeof target === "string";
    return isJump ? [target] : targetsIn(value);
  });
}

/** Returns, by `family name`, the base chains of type nat of each table that has one. */
async function natTables(kernel: Kernel): Promise<ReadonlyMap<string, readonly string[]>> {
  const objects = (await kernel.nft.list("list chains")) ?? [];
  const found = objects.flatMap((object) => {
    const chain = object["chain"] as Record<string, unknown> | undefined;
    if (chain?.["type"] !== "nat") return [];
    const table = `${String(chain["family"])} ${String(chain["table"])}`;
    return /^(ip|ip6|inet) [a-zA-Z0-9_.-]+$/.test(table) ? [{ table, name: String(chain["name"]) }] : [];
  });
  const byTable = Map.groupBy(
    found.toSorted((a, b) => (a.table < b.table ? -1 : 1)),
    ({ table }) => table,
  );
  return new Map([...byTable].map(([table, chains]) => [table, chains.map(({ name }) => name)]));
}

/** Returns what the tool printed, or undefined where it is not installed. */
async function save(variant: "nft" | "legacy", family: 4 | 6, netns: NetnsRef): Promise<string | undefined> {
  try {
    const tool = `${family === 4 ? "iptables" : "ip6tables"}-${variant}-save`;
    return (await run(tool, ["-t", "nat"], { netns })).stdout;
  } catch (error) {
    if (isMissingCommand(error)) return undefined;
    throw error;
  }
}

function legacyFamilies(netns: NetnsRef): (4 | 6)[] {
  return families.filter((family) => legacyTables(netns, family).includes("nat"));
}

/**
 * Returns the tables that iptables' legacy variant has: asking its tool for one would load the module; the kernel says by
 * itself which ones are there.
 */
export function legacyTables(netns: NetnsRef, family: 4 | 6): string[] {
  const read = (file: string) => {
    try {
      return readFileSync(file, "utf8").split("\n");
    } catch (error) {
      // The module is not loaded.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  };
  return withNetnsFd(netns, (fd) =>
    // Of this thread, which is in the namespace; /proc/net would be the main thread's.
    inNetns(fd, () => read(`/proc/thread-self/net/${family === 4 ? "ip" : "ip6"}_tables_names`)),
  );
}

/**
 * Runs one tool's input as one transaction.
 * @throws `kernel.command` with what the tool said; then nothing has changed
 */
export async function runForeignNat(
  step: {
    readonly store: "iptables-nft" | "iptables-legacy" | "nft";
    readonly family: 4 | 6;
    readonly input: string;
  },
  netns: NetnsRef,
): Promise<void> {
  if (step.store === "nft") {
    await run("nft", ["-f", "-"], { netns, input: step.input });
    return;
  }
  const tool = `${step.family === 4 ? "iptables" : "ip6tables"}-${step.store === "iptables-nft" ? "nft" : "legacy"}-restore`;
  const wait = step.store === "iptables-legacy" ? ["--wait", "5"] : [];
  await run(tool, ["--noflush", ...wait], { netns, input: step.input });
}

/** Returns the command lines of programs of that name that run in a namespace. */
export function commandLinesOf(program: string, netnsPath: string): string[][] {
  return processesInNetns([netnsPath]).flatMap(({ pid }) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
      const name = words[0]?.split("/").at(-1);
      return name === program || readFileSync(`/proc/${pid}/comm`, "utf8").trim() === program ? [words] : [];
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // It ended while we looked, or it is another user's.
      if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM") return [];
      throw error;
    }
  });
}
