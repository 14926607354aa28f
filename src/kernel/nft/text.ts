// nft's grammar: how a table, or the way from one state of it to the next, is written down.

import type { NftFlowLinks, NftHeading, NftPresent, NftSetChange } from "../kernel.ts";
import { setsNamedIn } from "./names.ts";
import type { NftBase, NftChain, NftDifference, NftSet, NftSetState } from "./state.ts";

type Chains = ReadonlyMap<string, NftChain>;
type Sets = ReadonlyMap<string, NftSetState>;

/** Elements in one command: long lines make nft's parser slow, short ones make many messages. */
const elementsPerCommand = 250;

function byName<T>(entries: Iterable<[string, T]>): [string, T][] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

function definitionText(set: NftSet): string {
  const { value } = set;
  const to = value === undefined ? "" : ` : ${value === "verdict" ? "verdict" : value.join(" . ")}`;
  const flags = set.interval === true ? " flags interval;" : "";
  const room = set.size === undefined ? "" : ` size ${set.size};`;
  // In this order: the limit ends the look-up, and what comes after it would not be done.
  const each = [
    ...(set.counter === true ? ["counter"] : []),
    ...(set.limit ? [`limit rate ${set.limit.perSecond}/second burst ${set.limit.burst} packets`] : []),
  ];
  const statements = each.length === 0 ? "" : ` ${each.join(" ")};`;
  return `{ type ${set.key.join(" . ")}${to};${flags}${room}${statements} }`;
}

function kindOf(set: NftSet): "set" | "map" {
  return set.value === undefined ? "set" : "map";
}

function baseText(base: NftBase): string {
  const device = base.device === undefined ? "" : ` device "${base.device}"`;
  const policy = base.policy ?? "accept";
  return `type ${base.type} hook ${base.hook}${device} priority ${base.priority}; policy ${policy};`;
}

function chainText(chain: NftChain): string {
  return chain.base === undefined ? "" : ` { ${baseText(chain.base)} }`;
}

function elementText(key: string, value: string): string {
  return value === "" ? key : `${key} : ${value}`;
}

function elementCommands(command: string, elements: readonly string[]): string[] {
  const out: string[] = [];
  for (let at = 0; at < elements.length; at += elementsPerCommand)
    out.push(`${command} { ${elements.slice(at, at + elementsPerCommand).join(", ")} }`);
  return out;
}

/** The kernel's NFT_NETDEVICE_MAX is 256 in one message. */
const MOST_LINKS = 200;

/** Returns links in portions that the kernel takes. */
export function linkPortions(links: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(links.length / MOST_LINKS) }, (_, at) =>
    links.slice(at * MOST_LINKS, (at + 1) * MOST_LINKS),
  );
}

/** Returns the commands that make a flow table, or give it more links. */
export function flowtableCommands(
  { family, table }: NftHeading,
  { flowtable, priority, links }: NftFlowLinks,
): string[] {
  return linkPortions(links).map((portion) => {
    const names = portion.map((name) => `"${name}"`).join(", ");
    return `add flowtable ${family} ${table} ${flowtable} { hook ingress priority ${priority}; devices = { ${names} }; }`;
  });
}

/** Returns the transaction that changes elements, and adds links to a flow table, in nft's words. */
export function changeText(
  heading: NftHeading,
  changes: readonly NftSetChange[],
  links?: NftFlowLinks,
): string {
  const { family, table } = heading;
  const place = (set: string): string => `element ${family} ${table} ${set}`;
  const lines = [
    // Without values: nft finds an element by its key alone.
    ...changes.flatMap(({ set, remove }) => elementCommands(`delete ${place(set)}`, remove)),
    ...changes.flatMap(({ set, add }) =>
      elementCommands(
        `add ${place(set)}`,
        add.map(([key, value]) => elementText(key, value)),
      ),
    ),
    ...(links === undefined ? [] : flowtableCommands(heading, links)),
  ];
  return `${lines.join("\n")}\n`;
}

/** Returns the transaction that builds a whole table in place of the one that is there. */
export function replaceText(heading: string, chains: Chains, sets: Sets): string {
  // `add` before `delete`: deleting a table that is not there would be an error.
  const lines = [`add table ${heading}`, `delete table ${heading}`, `add table ${heading}`];
  return `${[...lines, ...buildLines(heading, chains, sets)].join("\n")}\n`;
}

function buildLines(heading: string, chains: Chains, sets: Sets): string[] {
  const lines: string[] = [];
  const sortedSets = byName(sets);
  const sortedChains = byName(chains);
  // Chains first: nft 1.0.6 sends the elements of an interval map right after the map, whatever stands between them.
  for (const [name, chain] of sortedChains) lines.push(`add chain ${heading} ${name}${chainText(chain)}`);
  for (const [name, set] of sortedSets)
    lines.push(`add ${kindOf(set.definition)} ${heading} ${name} ${definitionText(set.definition)}`);
  for (const [name, set] of sortedSets) {
    const elements = byName(set.elements).map(([key, value]) => elementText(key, value));
    lines.push(...elementCommands(`add element ${heading} ${name}`, elements));
  }
  for (const [name, chain] of sortedChains)
    for (const rule of chain.rules) lines.push(`add rule ${heading} ${name} ${rule}`);
  return lines;
}

/**
 * Returns the transaction that gives the objects that are there their wanted contents, adds what is missing, and deletes
 * the rest; the sets called `intact` are left as they are. Unlike a deleted table's, whose base chains go on for a moment
 * with sets that are empty already, the rules of these are the old ones until they are the new ones.
 */
export function refillText(
  heading: string,
  chains: Chains,
  sets: Sets,
  present: NftPresent,
  intact: ReadonlySet<string>,
): string {
  // A table may be there and asleep (dormant); added once more without that flag, it wakes up.
  const lines = [`add table ${heading}`, ...present.chains.map((name) => `flush chain ${heading} ${name}`)];
  for (const name of present.sets) if (!intact.has(name)) lines.push(`flush set ${heading} ${name}`);
  for (const name of present.maps) if (!intact.has(name)) lines.push(`flush map ${heading} ${name}`);
  for (const name of present.sets) if (!sets.has(name)) lines.push(`delete set ${heading} ${name}`);
  for (const name of present.maps) if (!sets.has(name)) lines.push(`delete map ${heading} ${name}`);
  for (const name of present.chains) if (!chains.has(name)) lines.push(`delete chain ${heading} ${name}`);
  // Adding what is there with the same definition changes nothing; with another one it fails.
  const rest = new Map([...sets].filter(([name]) => !intact.has(name)));
  return `${[...lines, ...buildLines(heading, chains, rest)].join("\n")}\n`;
}

/**
 * Returns the transaction that takes away what is there and builds the wanted objects, beside others of the table that it
 * leaves as they are. As with a deleted table, the kernel runs deleted base chains for a moment with sets that are empty.
 */
export function rebuildText(heading: string, chains: Chains, sets: Sets, present: NftPresent): string {
  const lines = [
    `add table ${heading}`,
    ...present.chains.map((name) => `flush chain ${heading} ${name}`),
    ...present.sets.map((name) => `flush set ${heading} ${name}`),
    ...present.maps.map((name) => `flush map ${heading} ${name}`),
    ...present.sets.map((name) => `delete set ${heading} ${name}`),
    ...present.maps.map((name) => `delete map ${heading} ${name}`),
    ...present.chains.map((name) => `delete chain ${heading} ${name}`),
  ];
  return `${[...lines, ...buildLines(heading, chains, sets)].join("\n")}\n`;
}

/** Returns the table in nft's block form, sorted, for people and golden texts. */
export function renderTable(heading: string, chains: Chains, sets: Sets): string {
  const lines = [`table ${heading} {`];
  for (const [name, { definition, elements }] of byName(sets)) {
    lines.push(`  ${kindOf(definition)} ${name} ${definitionText(definition)}`);
    for (const [key, value] of byName(elements)) lines.push(`    ${elementText(key, value)}`);
  }
  for (const [name, chain] of byName(chains)) {
    lines.push(`  chain ${name}${chain.base === undefined ? "" : ` { ${baseText(chain.base)} }`}`);
    for (const rule of chain.rules) lines.push(`    ${rule}`);
  }
  lines.push("}");
  return `${lines.join("\n")}\n`;
}

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
