// An nftables table as a packet meets it: chains of rules as texts, sets of elements as texts, with counters where the
// kernel has been asked. Either what we want of it (NftTable) or what `nft list table` prints of it.
import type { NftTable } from "../../kernel/nft/document.ts";

export interface Counter {
  readonly packets: number;
  readonly bytes: number;
}

export interface TraceRule {
  readonly text: string;
  readonly counter?: Counter;
}

export interface TraceChain {
  readonly name: string;
  readonly base?: {
    readonly type: string;
    readonly hook: string;
    readonly priority: number;
    readonly policy: string;
  };
  readonly rules: readonly TraceRule[];
}

export interface TraceElement {
  /** Parts are joined by " . ". */
  readonly key: string;
  /** "" in plain sets. */
  readonly value: string;
  readonly counter?: Counter;
}

export interface TraceTable {
  readonly chains: ReadonlyMap<string, TraceChain>;
  readonly sets: ReadonlyMap<string, readonly TraceElement[]>;
}

/** Returns the wanted state of a table as packets will meet it. */
export function tableOf(table: Pick<NftTable, "chainNames" | "chain" | "setNames" | "elements">): TraceTable {
  const chains = table.chainNames().map((name): [string, TraceChain] => {
    const chain = table.chain(name);
    const base = chain?.base && { ...chain.base, policy: chain.base.policy ?? "accept" };
    const rules = (chain?.rules ?? []).map((text) => ({ text }));
    return [name, { name, ...(base && { base }), rules }];
  });
  const sets = table
    .setNames()
    .map((name) => [name, [...table.elements(name)].map(([key, value]) => ({ key, value }))] as const);
  return { chains: new Map(chains), sets: new Map(sets) };
}

/** linux/netfilter_ipv4.h, as nft names them. */
const namedPriorities: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};

/** Reads what `nft list table` prints. @throws TypeError where it has another form */
export function readListing(text: string): TraceTable {
  const chains = new Map<string, TraceChain>();
  const sets = new Map<string, TraceElement[]>();
  // One block for each object: its heading, its lines, a brace.
  for (const [, kind, name = "", body = ""] of text.matchAll(
    /^\t(set|map|chain) (\S+) \{\n([\s\S]*?)^\t\}$/gm,
  )) {
    if (kind === "chain") chains.set(name, readChain(name, body));
    else sets.set(name, readElements(body));
  }
  if (chains.size === 0 && sets.size === 0 && !/^table \S+ \S+ \{/m.test(text))
    throw new TypeError("this is no listing of an nftables table");
  return { chains, sets };
}

function readChain(name: string, body: string): TraceChain {
  const lines = body
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const found = /^type (\S+) hook (\S+)(?: device \S+)? priority ([^;]+); policy (\S+);$/.exec(
    lines[0] ?? "",
  );
  if (!found) return { name, rules: lines.map((line) => readRule(line)) };
  const [, type = "", hook = "", priority = "", policy = ""] = found;
  return {
    name,
    base: { type, hook, priority: readPriority(priority), policy },
    rules: lines.slice(1).map((line) => readRule(line)),
  };
}

function readRule(line: string): TraceRule {
  const counter = readCounter(line);
  return { text: line.replace(/counter packets \d+ bytes \d+/, "counter"), ...(counter && { counter }) };
}

function readCounter(text: string): Counter | undefined {
  const found = /counter packets (\d+) bytes (\d+)/.exec(text);
  return found ? { packets: Number(found[1]), bytes: Number(found[2]) } : undefined;
}

/** `-20`, `filter`, `srcnat - 10`. */
function readPriority(text: string): number {
  const [, name = "", sign = "+", number = "0"] = /^([a-z]+)?(?: ?([+-]) ?)?(\d+)?$/.exec(text.trim()) ?? [];
  return (namedPriorities[name] ?? 0) + (sign === "-" ? -1 : 1) * Number(number);
}

function readElements(body: string): TraceElement[] {
  const found = /elements = \{([\s\S]*)\}/.exec(body)?.[1];
  if (found === undefined) return [];
  return found.split(",").map((part) => {
    const counter = readCounter(part);
    const plain = part
      .replace(/ counter packets \d+ bytes \d+/, "")
      .replace(/ limit rate \S+ burst \d+ packets/, "")
      .trim();
    const [key = "", value = ""] = plain.split(" : ");
    return { key: key.trim(), value: value.trim(), ...(counter && { counter }) };
  });
}
