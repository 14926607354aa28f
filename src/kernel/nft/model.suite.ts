// A small model of nftables: runs the commands that NftTable writes and refuses what the kernel would refuse, so that
// the order inside a transaction is tested without root. Test only.
import { chainsNamedIn, setsNamedIn } from "./names.ts";

interface ModelChain {
  base: string;
  rules: string[];
}

interface ModelSet {
  definition: string;
  elements: Map<string, string>;
}

interface ModelTable {
  chains: Map<string, ModelChain>;
  sets: Map<string, ModelSet>;
}

export class NftModel {
  #tables = new Map<string, ModelTable>();

  /** Runs a transaction: all or nothing. @throws a text that says which command the kernel would refuse */
  run(text: string): void {
    const saved = structuredClone(this.#tables);
    try {
      for (const line of text.split("\n")) if (line !== "") this.#command(line);
    } catch (error) {
      this.#tables = saved;
      throw error;
    }
  }

  /** Returns the table in one canonical form. */
  dump(heading: string): string {
    const table = this.#tables.get(heading);
    if (table === undefined) return "none";
    return JSON.stringify({
      sets: sorted(table.sets).map(([name, set]) => [name, set.definition, sorted(set.elements)]),
      chains: sorted(table.chains).map(([name, chain]) => [name, chain.base, chain.rules]),
    });
  }

  /** Returns what `readPresent` would. */
  present(heading: string) {
    const table = this.#tables.get(heading);
    if (table === undefined) return undefined;
    const sets = [...table.sets].map(([name, set]) => ({ name, isMap: set.definition.startsWith("map") }));
    return {
      chains: [...table.chains.keys()],
      sets: sets.filter((set) => !set.isMap).map((set) => set.name),
      maps: sets.filter((set) => set.isMap).map((set) => set.name),
    };
  }

  #command(line: string): void {
    const refuse = (why: string): never => {
      throw new TypeError(`${why}: ${line}`);
    };
    const [verb = "", what = "", family = "", tableName = "", name = "", ...rest] = line.split(" ");
    const heading = `${family} ${tableName}`;
    if (what === "table") {
      if (verb === "add") {
        if (!this.#tables.has(heading)) this.#tables.set(heading, { chains: new Map(), sets: new Map() });
      } else if (!this.#tables.delete(heading)) refuse("no such table");
      return;
    }
    const table = this.#tables.get(heading) ?? refuse("no such table");
    const tail = rest.join(" ");
    switch (`${verb} ${what}`) {
      case "add set":
      case "add map":
        if (table.sets.has(name)) {
          if (table.sets.get(name)?.definition !== `${what} ${tail}`)
            refuse("another set of this name exists");
          return;
        }
        table.sets.set(name, { definition: `${what} ${tail}`, elements: new Map() });
        return;
      case "flush set":
      case "flush map": {
        const set = table.sets.get(name) ?? refuse("no such set");
        if (!set.definition.startsWith(what.slice(0, 3))) refuse("of the other kind");
        set.elements.clear();
        return;
      }
      case "delete set":
      case "delete map":
        if (usersOf(table, name, "set").length > 0) refuse("set is in use");
        if (!table.sets.delete(name)) refuse("no such set");
        return;
      case "add chain":
        if (table.chains.has(name)) {
          if (table.chains.get(name)?.base !== tail) refuse("another chain of this name exists");
          return;
        }
        table.chains.set(name, { base: tail, rules: [] });
        return;
      case "flush chain":
        (table.chains.get(name) ?? refuse("no such chain")).rules = [];
        return;
      case "delete chain": {
        const chain = table.chains.get(name) ?? refuse("no such chain");
        if (chain.rules.length > 0 || usersOf(table, name, "chain").length > 0) refuse("chain is in use");
        table.chains.delete(name);
        return;
      }
      case "add rule": {
        for (const chain of chainsNamedIn(tail)) if (!table.chains.has(chain)) refuse("jump to no chain");
        for (const set of setsNamedIn(tail)) if (!table.sets.has(set)) refuse("no such set");
        (table.chains.get(name) ?? refuse("no such chain")).rules.push(tail);
        return;
      }
      case "add element":
      case "delete element": {
        const set = table.sets.get(name) ?? refuse("no such set");
        for (const element of tail.slice(2, -2).split(", ")) {
          const at = element.indexOf(" : ");
          const key = at < 0 ? element : element.slice(0, at);
          const value = at < 0 ? "" : element.slice(at + 3);
          if (verb === "delete") {
            if (!set.elements.delete(key)) refuse("no such element");
            continue;
          }
          for (const chain of chainsNamedIn(value)) if (!table.chains.has(chain)) refuse("jump to no chain");
          if (set.elements.has(key)) refuse("element exists");
          set.elements.set(key, value);
        }
        return;
      }
      default:
        refuse("unknown command");
    }
  }
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function usersOf(table: ModelTable, name: string, what: "set" | "chain"): string[] {
  const names = what === "set" ? setsNamedIn : chainsNamedIn;
  const texts = [...table.chains.values()].flatMap((chain) => chain.rules);
  if (what === "chain") texts.push(...[...table.sets.values()].flatMap((set) => [...set.elements.values()]));
  return texts.filter((text) => names(text).includes(name));
}
