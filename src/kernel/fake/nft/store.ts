// nftables in memory: transactions of whole commands, and the references that the kernel guards.
import { chainsNamedIn, setsNamedIn } from "../../nft/names.ts";
import { commandsOf, elementsOf, type NftCommand } from "./parse.ts";

export interface FakeRule {
  readonly handle: number;
  readonly text: string;
}

export interface FakeChain {
  readonly name: string;
  readonly handle: number;
  /** `type filter hook input priority 0; policy accept;`, or "". */
  readonly base: string;
  rules: FakeRule[];
}

export interface FakeSet {
  readonly name: string;
  readonly handle: number;
  readonly kind: "set" | "map";
  readonly definition: string;
  readonly elements: Map<string, string>;
}

export interface FakeTable {
  readonly family: string;
  readonly name: string;
  readonly handle: number;
  readonly chains: Map<string, FakeChain>;
  readonly sets: Map<string, FakeSet>;
}

const missing = "No such file or directory";
const busy = "Device or resource busy";
const exists = "File exists";

/** Why a command is refused, in the kernel's words. */
class Refused {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

export class FakeNftStore {
  readonly tables = new Map<string, FakeTable>();
  #lastHandle = 0;
  /** How to take back what the transaction under way has done, in order. */
  #undo: (() => void)[] = [];

  /** Runs a transaction: all or nothing. @returns the tables that it touched, or nft's error text */
  run(text: string): { touched: ReadonlySet<string> } | { error: string } {
    const commands = commandsOf(text);
    if (typeof commands === "string") return { error: `Error: ${commands}` };
    const touched = new Set<string>();
    this.#undo = [];
    for (const command of commands) {
      const why = this.#try(command);
      if (why !== undefined) {
        for (const undo of this.#undo.toReversed()) undo();
        return { error: `Error: Could not process rule: ${why}\n${command.text}` };
      }
      if (command.verb !== "list") touched.add(command.table);
    }
    return { touched };
  }

  #try(command: NftCommand): string | undefined {
    try {
      this.#apply(command);
      return undefined;
    } catch (error) {
      if (error instanceof Refused) return error.why;
      throw error;
    }
  }

  #apply(command: NftCommand): void {
    switch (command.kind) {
      case "ruleset":
        if (command.verb === "flush") for (const key of this.tables.keys()) this.#forget(this.tables, key);
        return;
      case "table":
        this.#table(command);
        return;
      case "chain":
        this.#chain(command);
        return;
      case "rule":
        this.#rule(command);
        return;
      case "set":
      case "map":
        this.#set(command);
        return;
      case "element":
        this.#elements(command);
        return;
    }
  }

  #table({ verb, family, table }: NftCommand): void {
    const key = `${family} ${table}`;
    const found = this.tables.get(key);
    if (verb === "add" || verb === "create") {
      if (found && verb === "create") throw new Refused(exists);
      if (found) return;
      const made = { family, name: table, handle: ++this.#lastHandle, chains: new Map(), sets: new Map() };
      this.#put(this.tables, key, made);
    } else if (!found) {
      throw new Refused(missing);
    } else if (verb === "delete") {
      this.#forget(this.tables, key);
    } else {
      for (const chain of found.chains.values()) this.#setRules(chain, []);
    }
  }

  #chain({ verb, name, body, ...command }: NftCommand): void {
    const table = this.#tableOf(command);
    const found = table.chains.get(name);
    if (verb === "add" || verb === "create") {
      if (found && verb === "create") throw new Refused(exists);
      if (!found) this.#put(table.chains, name, { name, handle: ++this.#lastHandle, base: body, rules: [] });
      return;
    }
    if (!found) throw new Refused(missing);
    if (verb === "flush") {
      this.#setRules(found, []);
      return;
    }
    if (found.rules.length > 0 || namedBy(table, name, chainsNamedIn)) throw new Refused(busy);
    this.#forget(table.chains, name);
  }

  #rule({ verb, name, body, ...command }: NftCommand): void {
    const table = this.#tableOf(command);
    const chain = table.chains.get(name);
    if (!chain) throw new Refused(missing);
    const [, word, handle, rest = ""] = /^(handle|position) (\d+)\s*([\s\S]*)$/.exec(body) ?? [];
    const at = handle === undefined ? -1 : chain.rules.findIndex((rule) => rule.handle === Number(handle));
    if (word !== undefined && at < 0) throw new Refused(missing);
    if (verb === "delete") {
      this.#setRules(chain, chain.rules.toSpliced(at, 1));
      return;
    }
    const text = word === undefined ? body : rest;
    checkReferences(table, text);
    const rule = { handle: ++this.#lastHandle, text };
    if (verb === "replace") this.#setRules(chain, chain.rules.toSpliced(at, 1, rule));
    else if (verb === "insert") this.#setRules(chain, chain.rules.toSpliced(Math.max(at, 0), 0, rule));
    else this.#setRules(chain, at < 0 ? [...chain.rules, rule] : chain.rules.toSpliced(at + 1, 0, rule));
  }

  #set({ verb, kind, name, body, ...command }: NftCommand): void {
    const table = this.#tableOf(command);
    const found = table.sets.get(name);
    if (verb === "add" || verb === "create") {
      if (found && (verb === "create" || found.definition !== body)) throw new Refused(exists);
      if (found) return;
      const handle = ++this.#lastHandle;
      const definition = { name, handle, kind: kind === "map" ? "map" : "set", definition: body } as const;
      this.#put(table.sets, name, { ...definition, elements: new Map() });
      return;
    }
    if (!found || found.kind !== kind) throw new Refused(missing);
    if (verb === "flush") {
      for (const key of found.elements.keys()) this.#forget(found.elements, key);
    } else if (namedBy(table, name, setsNamedIn)) {
      throw new Refused(busy);
    } else {
      this.#forget(table.sets, name);
    }
  }

  #elements({ verb, name, body, ...command }: NftCommand): void {
    const table = this.#tableOf(command);
    const set = table.sets.get(name);
    if (!set) throw new Refused(missing);
    for (const { key, value } of elementsOf(body)) {
      const now = set.elements.get(key);
      if (verb === "delete") {
        if (now === undefined) throw new Refused(missing);
        this.#forget(set.elements, key);
        continue;
      }
      checkReferences(table, value);
      // Adding what is there already is fine, unless a map would then hold two values for a key.
      if (now !== undefined && (verb === "create" || now !== value)) throw new Refused(exists);
      if (now === undefined) this.#put(set.elements, key, value);
    }
  }

  #tableOf({ family, table }: { family: string; table: string }): FakeTable {
    const found = this.tables.get(`${family} ${table}`);
    if (!found) throw new Refused(missing);
    return found;
  }

  #put<V>(map: Map<string, V>, key: string, value: V): void {
    map.set(key, value);
    this.#undo.push(() => map.delete(key));
  }

  #forget<V>(map: Map<string, V>, key: string): void {
    const value = map.get(key);
    if (value === undefined) return;
    map.delete(key);
    this.#undo.push(() => map.set(key, value));
  }

  #setRules(chain: FakeChain, rules: FakeRule[]): void {
    const before = chain.rules;
    chain.rules = rules;
    this.#undo.push(() => {
      chain.rules = before;
    });
  }
}

function checkReferences(table: FakeTable, text: string): void {
  const gone =
    chainsNamedIn(text).some((name) => !table.chains.has(name)) ||
    setsNamedIn(text).some((name) => !table.sets.has(name));
  if (gone) throw new Refused(missing);
}

function namedBy(table: FakeTable, name: string, names: (text: string) => string[]): boolean {
  const inRules = [...table.chains.values()].some((chain) =>
    chain.rules.some((rule) => names(rule.text).includes(name)),
  );
  if (inRules) return true;
  return [...table.sets.values()].some((set) =>
    [...set.elements.values()].some((value) => names(value).includes(name)),
  );
}
