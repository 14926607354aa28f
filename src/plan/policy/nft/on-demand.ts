// Chains, maps and sets that are made when something first leads to them, and go with the last that does. They are
// called by a digest of what is in them, so that all who need the same share one.
import { createHash } from "node:crypto";
import type { NftTable } from "../../../kernel/nft/document.ts";

/** Part of every name made from contents: to be raised when equal contents are written in another way. */
const writing = "5";

/** Returns a digest of contents for a name. */
export function hash(text: string): string {
  return createHash("sha256").update(`${writing}\n${text}`).digest("hex").slice(0, 16);
}

/** Counts what leads to each of them. */
export class OnDemand {
  readonly #table: NftTable;
  /** How many elements and rules lead to a chain or use a map that is made on demand. */
  readonly #uses = new Map<string, number>();
  readonly #unused = new Set<string>();

  constructor(table: NftTable) {
    this.#table = table;
  }

  /** One was made, and nothing leads to it yet. */
  made(name: string): void {
    this.#unused.add(name);
  }

  /** Sets or removes an element and keeps count of what its verdict leads to. */
  lead(set: string, key: string, value: string | undefined): void {
    if (!this.#table.hasSet(set)) return;
    const before = this.#table.element(set, key);
    if (before === value) return;
    if (value === undefined) this.#table.removeElement(set, key);
    else {
      this.#table.setElement(set, key, value);
      this.use(targetOf(value), 1);
    }
    if (before !== undefined) this.use(targetOf(before), -1);
  }

  /** One more, or one less, leads to it. */
  use(name: string | undefined, change: 1 | -1): void {
    if (name === undefined) return;
    const uses = (this.#uses.get(name) ?? 0) + change;
    this.#uses.set(name, uses);
    if (uses <= 0) this.#unused.add(name);
  }

  /** Removes what nothing leads to any more. Returns the sets and maps that went. */
  sweep(): readonly string[] {
    const gone: string[] = [];
    // A chain of blocks that goes may take its map and its chains of ports with it.
    while (this.#unused.size > 0) {
      const names = [...this.#unused];
      this.#unused.clear();
      for (const name of names)
        if ((this.#uses.get(name) ?? 0) <= 0) {
          if (this.#table.hasSet(name)) gone.push(name);
          this.#remove(name);
        }
    }
    return gone;
  }

  /** The table was emptied. */
  clear(): void {
    this.#uses.clear();
    this.#unused.clear();
  }

  #remove(name: string): void {
    this.#uses.delete(name);
    if (this.#table.hasSet(name)) {
      for (const [key] of this.#table.elements(name)) this.lead(name, key, undefined);
      this.#table.removeSet(name);
      return;
    }
    if (fixedChains.has(name)) return;
    const rules = this.#table.chain(name)?.rules ?? [];
    this.#table.removeChain(name);
    for (const rule of rules) for (const used of usedBy(rule)) this.use(used, -1);
  }
}

const fixedChains: ReadonlySet<string> = new Set(["policy-in-open", "policy-out-open", "policy-ingress"]);

function targetOf(verdict: string): string | undefined {
  return /^(?:jump|goto) (\S+)$/.exec(verdict)?.[1];
}

/** Returns the maps and chains made on demand that a rule of ours uses. */
function usedBy(rule: string): string[] {
  const found =
    /^(?:jump (policy-(?:in|out)-ports-\S+)$|ip6? [sd]addr vmap @(policy-(?:in|out)-block\S+)$|(?:tcp|udp|sctp) dport @(policy-portset-\S+))/.exec(
      rule,
    );
  return [found?.[1], found?.[2], found?.[3]].filter((name) => name !== undefined);
}
