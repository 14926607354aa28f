// The way from one state of a table to the next in nft's commands, in the order that the kernel accepts.
import type { NftSetChange } from "../kernel.ts";
import { setsNamedIn } from "./names.ts";
import type { NftDifference, NftSetState } from "./state.ts";
import { byName, chainText, definitionText, elementCommands, elementText, kindOf } from "./words.ts";

/** One transaction: nft's commands, or where only elements change, these. */
export type NftStep = { readonly text: string } | { readonly changes: readonly NftSetChange[] };

/**
 * Returns the transactions for a difference. Inside the last one the order is the one that the kernel accepts: what is
 * named comes before what names it, and goes after it.
 */
export function transactions(
  heading: string,
  difference: NftDifference,
  limit: number,
  batch: number,
): NftStep[] {
  const writer = new DifferenceWriter(heading, difference);
  if (difference.exists && difference.chainsBefore.size === 0 && difference.setsBefore.size === 0)
    return [{ changes: writer.changes() }];
  const ahead = writer.fillAhead(limit, batch);
  const last = [
    ...(difference.exists || ahead.length > 0 ? [] : [`add table ${heading}`]),
    ...writer.flushedChains(),
    ...writer.replacedChains(),
    ...writer.staleElements(),
    ...writer.goneSets(),
    ...writer.newChains(),
    ...writer.newSets(),
    ...writer.freshElements(),
    ...writer.rules(),
    ...writer.goneChains(),
  ];
  return [...ahead, ...(last.length > 0 ? [{ text: `${last.join("\n")}\n` }] : [])];
}

/** Returns the transactions that fill new sets, each with `limit` elements at most, of one or more sets. */
function filling(sets: readonly (readonly [string, NftSetState])[], limit: number): NftStep[] {
  const out: { changes: NftSetChange[] }[] = [];
  let room = 0;
  for (const [set, { definition, elements }] of sets) {
    // In any order: all of them are there before anything uses the set.
    const all = [...elements];
    for (let at = 0; at < all.length; ) {
      if (room === 0) {
        out.push({ changes: [] });
        room = limit;
      }
      const add = all.slice(at, at + room);
      out.at(-1)?.changes.push({ set, definition, remove: [], add });
      at += add.length;
      room -= add.length;
    }
  }
  return out;
}

class DifferenceWriter {
  readonly #heading: string;
  readonly #difference: NftDifference;
  /** Sets of another definition under the same name. */
  readonly #redefined: ReadonlySet<string>;
  /** New sets whose definition and elements went ahead. */
  readonly #ahead = new Set<string>();
  /** Chains that went ahead empty, as targets for those elements. */
  readonly #chainsAhead = new Set<string>();
  /** Chains whose rules are written anew. */
  readonly #rewritten: ReadonlySet<string>;

  constructor(heading: string, difference: NftDifference) {
    this.#heading = heading;
    this.#difference = difference;
    const { chains, chainsBefore, sets, setsBefore } = difference;
    this.#redefined = new Set(
      [...setsBefore]
        .filter(([name, before]) => before !== undefined && sets.has(name))
        .map(([name]) => name),
    );
    const rewritten = new Set([...chainsBefore.keys()].filter((name) => chains.has(name)));
    // A set can only be deleted while no rule uses it.
    if (this.#redefined.size > 0) {
      for (const [name, chain] of chains)
        if (chain.rules.some((rule) => setsNamedIn(rule).some((set) => this.#redefined.has(set))))
          rewritten.add(name);
    }
    this.#rewritten = rewritten;
  }

  /** Large new sets, and new sets with ranges, are filled before anything uses them. */
  fillAhead(limit: number, batch: number): NftStep[] {
    const { sets, setsBefore, chains, chainsBefore, exists } = this.#difference;
    const total = [...this.#difference.touched].reduce(
      (sum, name) => sum + (sets.get(name)?.before.size ?? 0),
      0,
    );
    const fresh = byName(
      [...setsBefore.keys()].flatMap((name): [string, NftSetState][] => {
        const set = this.#redefined.has(name) ? undefined : sets.get(name);
        return set === undefined ? [] : [[name, set]];
      }),
    );
    // Ranges are found only some time after the transaction that adds them: they must be there before they are used.
    const ranges =
      exists && fresh.some(([, set]) => set.definition.interval === true && set.elements.size > 0);
    if (fresh.length === 0 || (total <= limit && !ranges)) return [];
    const first = exists ? [] : [`add table ${this.#heading}`];
    for (const [name, set] of fresh) {
      this.#ahead.add(name);
      first.push(this.#addSet(name, set));
    }
    for (const [name, before] of byName(chainsBefore)) {
      const chain = chains.get(name);
      // Base chains stay out: without their rules they would be seen.
      if (before !== undefined || chain === undefined || chain.base !== undefined) continue;
      this.#chainsAhead.add(name);
      first.push(`add chain ${this.#heading} ${name}`);
    }
    return [{ text: `${first.join("\n")}\n` }, ...filling(fresh, batch)];
  }

  /** What differs of elements. */
  changes(): NftSetChange[] {
    return this.#changedSets().map(([set, { definition, elements, before }]) => {
      const changed = byName(before);
      return {
        set,
        definition,
        remove: changed.flatMap(([key, old]) => (old === undefined ? [] : [key])),
        add: changed.flatMap(([key]): [string, string][] => {
          const value = elements.get(key);
          return value === undefined ? [] : [[key, value]];
        }),
      };
    });
  }

  /** Chains that change or go lose their rules first, and with them their hold on sets and other chains. */
  flushedChains(): string[] {
    const { chains, chainsBefore } = this.#difference;
    const old = [...chainsBefore].filter(([, before]) => before !== undefined).map(([name]) => name);
    const kept = [...this.#rewritten].filter((name) => chains.has(name) && !chainsBefore.has(name));
    return [...old, ...kept].toSorted().map((name) => `flush chain ${this.#heading} ${name}`);
  }

  /** A chain's hook cannot be changed: such a chain goes and comes again. Nothing can jump to a base chain. */
  replacedChains(): string[] {
    const { chains, chainsBefore } = this.#difference;
    const out: string[] = [];
    for (const [name, before] of byName(chainsBefore)) {
      const chain = chains.get(name);
      if (before === undefined || chain === undefined || chainText(before) === chainText(chain)) continue;
      out.push(
        `delete chain ${this.#heading} ${name}`,
        `add chain ${this.#heading} ${name}${chainText(chain)}`,
      );
    }
    return out;
  }

  staleElements(): string[] {
    const out: string[] = [];
    for (const [name, set] of this.#changedSets()) {
      const gone = byName(set.before).filter(([, before]) => before !== undefined);
      out.push(
        ...elementCommands(
          `delete element ${this.#heading} ${name}`,
          // Without its value: nft finds an element by its key alone.
          gone.map(([key]) => key),
        ),
      );
    }
    return out;
  }

  goneSets(): string[] {
    const { setsBefore } = this.#difference;
    return byName(setsBefore).flatMap(([name, before]) =>
      before === undefined ? [] : [`delete ${kindOf(before.definition)} ${this.#heading} ${name}`],
    );
  }

  newSets(): string[] {
    const { sets, setsBefore } = this.#difference;
    return byName(setsBefore).flatMap(([name]) => {
      const set = sets.get(name);
      return set === undefined || this.#ahead.has(name) ? [] : [this.#addSet(name, set)];
    });
  }

  newChains(): string[] {
    const { chains, chainsBefore } = this.#difference;
    return byName(chainsBefore).flatMap(([name, before]) => {
      const chain = chains.get(name);
      if (before !== undefined || chain === undefined || this.#chainsAhead.has(name)) return [];
      return [`add chain ${this.#heading} ${name}${chainText(chain)}`];
    });
  }

  freshElements(): string[] {
    const out: string[] = [];
    for (const [name, set] of this.#changedSets()) {
      if (this.#ahead.has(name)) continue;
      const fresh: string[] = [];
      for (const [key] of byName(set.before)) {
        const value = set.elements.get(key);
        if (value !== undefined) fresh.push(elementText(key, value));
      }
      out.push(...elementCommands(`add element ${this.#heading} ${name}`, fresh));
    }
    return out;
  }

  rules(): string[] {
    const { chains } = this.#difference;
    return [...this.#rewritten]
      .toSorted()
      .flatMap((name) =>
        (chains.get(name)?.rules ?? []).map((rule) => `add rule ${this.#heading} ${name} ${rule}`),
      );
  }

  goneChains(): string[] {
    const { chains, chainsBefore } = this.#difference;
    return byName(chainsBefore).flatMap(([name, before]) =>
      before !== undefined && !chains.has(name) ? [`delete chain ${this.#heading} ${name}`] : [],
    );
  }

  #changedSets(): [string, NftSetState][] {
    const { sets, touched } = this.#difference;
    return byName(
      [...touched].flatMap((name): [string, NftSetState][] => {
        const set = sets.get(name);
        return set === undefined ? [] : [[name, set]];
      }),
    );
  }

  #addSet(name: string, set: NftSetState): string {
    return `add ${kindOf(set.definition)} ${this.#heading} ${name} ${definitionText(set.definition)}`;
  }
}
