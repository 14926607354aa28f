// What `nft list …` prints, as text and as JSON (libnftables-json(5)).
import { MISSING } from "../../nft/nft.ts";
import type { FakeChain, FakeNftStore, FakeSet, FakeTable } from "./store.ts";

type Json = Record<string, unknown>;

export interface Listing {
  readonly tables: readonly FakeTable[];
  /** One chain or set only; undefined: all of the table. */
  readonly only: string | undefined;
  /** `list tables` and the like: no contents. */
  readonly kind: "whole" | "tables" | "chains" | "sets" | "maps";
}

/** Finds what a list command asks for. @returns nft's error text where it is not there */
export function find(store: FakeNftStore, command: string): Listing | string {
  const words = command.trim().split(/\s+/).slice(1);
  const what = words.shift() ?? "";
  const all = [...store.tables.values()];
  if (what === "ruleset") return { tables: all, only: undefined, kind: "whole" };
  if (what === "tables" || what === "chains" || what === "sets" || what === "maps") {
    const [family] = words;
    const tables = family === undefined ? all : all.filter((table) => table.family === family);
    return { tables, only: undefined, kind: what };
  }
  const named = what === "table" ? 1 : 2;
  const family = words.length > named ? words.shift() : "ip";
  const table = store.tables.get(`${family} ${words[0]}`);
  if (!table) return `Error: ${MISSING}\n${command}`;
  if (what === "table") return { tables: [table], only: undefined, kind: "whole" };
  const name = words[1] ?? "";
  const there = what === "chain" ? table.chains.has(name) : table.sets.get(name)?.kind === what;
  return there ? { tables: [table], only: name, kind: "whole" } : `Error: ${MISSING}\n${command}`;
}

/** Renders a listing as nft's text. */
export function listText({ tables, only, kind }: Listing): string {
  return tables.map((table) => tableText(table, only, kind)).join("");
}

function tableText(table: FakeTable, only: string | undefined, kind: Listing["kind"]): string {
  const heading = `table ${table.family} ${table.name}`;
  if (kind === "tables") return `${heading}\n`;
  const sets = [...table.sets.values()].filter((set) => wanted(set, only, kind));
  const chains = [...table.chains.values()].filter((chain) => wanted(chain, only, kind));
  const parts = [...sets.map((set) => setText(set, kind === "whole")), ...chains.map(chainText)];
  return `${heading} {\n${parts.join("\n")}}\n`;
}

function wanted(object: FakeSet | FakeChain, only: string | undefined, kind: Listing["kind"]): boolean {
  if (kind === "whole") return only === undefined || object.name === only;
  return kind === ("kind" in object ? `${object.kind}s` : "chains");
}

function setText({ kind, name, definition, elements }: FakeSet, contents: boolean): string {
  const lines = definition.split(";").map((line) => line.trim());
  if (contents && elements.size > 0) {
    lines.push(
      `elements = { ${[...elements].map(([key, value]) => (value ? `${key} : ${value}` : key)).join(", ")} }`,
    );
  }
  return block(`${kind} ${name}`, lines);
}

function chainText({ name, base, rules }: FakeChain): string {
  return block(`chain ${name}`, [base, ...rules.map((rule) => rule.text)]);
}

function block(heading: string, lines: readonly string[]): string {
  const inside = lines.filter((line) => line !== "").map((line) => `\t\t${line}\n`);
  return `\t${heading} {\n${inside.join("")}\t}\n`;
}

/** Renders a listing as the `nftables` array of nft's JSON. Rules have their text in place of expressions. */
export function listJson({ tables, only, kind }: Listing): Json[] {
  const out: Json[] = [{ metainfo: { version: "fake", release_name: "fake", json_schema_version: 1 } }];
  for (const table of tables) {
    const { family, name, handle } = table;
    if (only === undefined && (kind === "whole" || kind === "tables"))
      out.push({ table: { family, name, handle } });
    if (kind === "tables") continue;
    for (const set of table.sets.values())
      if (wanted(set, only, kind)) out.push(setJson(table, set, kind === "whole"));
    const chains = [...table.chains.values()].filter((chain) => wanted(chain, only, kind));
    for (const chain of chains) out.push(chainJson(table, chain));
    if (kind === "whole") for (const chain of chains) out.push(...rulesJson(table, chain));
  }
  return out;
}

function setJson(table: FakeTable, set: FakeSet, contents: boolean): Json {
  const type = /\btype ([^:;]+?)\s*(?::\s*([^;]+?)\s*)?(?:;|$)/.exec(set.definition);
  const flags = /\bflags ([^;]+)/
    .exec(set.definition)?.[1]
    ?.split(/\s*,\s*/)
    .map((flag) => flag.trim());
  const counted = /\bcounter\b/.test(set.definition);
  const elements = [...set.elements].map(([key, value]) => {
    const val = valueJson(key);
    const shown = counted ? { elem: { val, counter: { packets: 0, bytes: 0 } } } : val;
    return set.kind === "map" ? [shown, valueJson(value)] : shown;
  });
  return {
    [set.kind]: {
      family: table.family,
      name: set.name,
      table: table.name,
      type: typeJson(type?.[1] ?? ""),
      handle: set.handle,
      ...(set.kind === "map" && { map: typeJson(type?.[2] ?? "") }),
      ...(flags && { flags }),
      ...(contents && elements.length > 0 && { elem: elements }),
      ...(counted && { stmt: [{ counter: null }] }),
    },
  };
}

function typeJson(text: string): string | string[] {
  const parts = text.split(/\s*\.\s*/);
  return parts.length === 1 ? text : parts;
}

function valueJson(text: string): unknown {
  const jump = /^(jump|goto) (\S+)$/.exec(text);
  if (jump?.[1]) return { [jump[1]]: { target: jump[2] } };
  if (/^(accept|drop|return|continue)$/.test(text)) return { [text]: null };
  if (text.includes(" . ")) return { concat: text.split(" . ").map(valueJson) };
  const prefix = /^([0-9a-fA-F.:]+)\/(\d+)$/.exec(text);
  if (prefix) return { prefix: { addr: prefix[1], len: Number(prefix[2]) } };
  const range = /^([0-9a-fA-F.:]+)-([0-9a-fA-F.:]+)$/.exec(text);
  if (range?.[1] && range[2]) return { range: [valueJson(range[1]), valueJson(range[2])] };
  if (/^(0x[0-9a-f]+|\d+)$/.test(text)) return Number(text);
  return text.replaceAll('"', "");
}

const priorities: Record<string, number> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};

function chainJson(table: FakeTable, { name, handle, base }: FakeChain): Json {
  const common = { family: table.family, table: table.name, name, handle };
  const found = /type (\w+) hook (\w+)(?: device "?([^"\s]+)"?)? priority (\w*)\s*([+-]?\s*\d+)?/.exec(base);
  if (!found) return { chain: common };
  const [, type, hook, dev, named = "", offset = "0"] = found;
  const prio =
    (/^\d+$/.test(named) ? Number(named) : (priorities[named] ?? 0)) + Number(offset.replaceAll(" ", ""));
  const policy = /policy (\w+)/.exec(base)?.[1] ?? "accept";
  return { chain: { ...common, type, hook, prio, policy, ...(dev !== undefined && { dev }) } };
}

function rulesJson(table: FakeTable, chain: FakeChain): Json[] {
  return chain.rules.map(({ handle, text }) => {
    const comment = /comment "([^"]*)"/.exec(text)?.[1];
    const common = { family: table.family, table: table.name, chain: chain.name, handle };
    return { rule: { ...common, ...(comment !== undefined && { comment }), expr: [{ text }] } };
  });
}
