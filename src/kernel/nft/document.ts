// The desired state of one nftables table, and the commands that bring the kernel from the last committed state to it.
// Pure: no clock, no I/O. The owner changes what it wants, runs what `pending` says, and then calls `committed`.
//
// What is visible changes atomically: all of it is in one transaction. Only what no rule can reach yet (the contents of
// sets that are new) is sent ahead, in transactions of limited size, because nft slows down with very large ones.
import { TrunklineError } from "../../base/errors.ts";
import type { NftPresent } from "../kernel.ts";
import { type NftStep, transactions } from "./difference.ts";
import { isIntact, type NftContents } from "./intact.ts";
import { checkName, checkRule, isValue, isVerdict } from "./names.ts";
import type { NftBase, NftChain, NftDifference, NftSet, NftSetState } from "./state.ts";
import { changeText, rebuildText, refillText, renderTable, replaceText } from "./text.ts";

export type { NftType } from "./names.ts";
export type { NftBase, NftChain, NftSet } from "./state.ts";

export class NftTable {
  readonly family: "inet" | "ip" | "ip6" | "netdev" | "bridge";
  readonly name: string;
  #exists = false;
  readonly #chains = new Map<string, NftChain>();
  readonly #sets = new Map<string, NftSetState>();
  readonly #chainsBefore = new Map<string, NftChain | undefined>();
  readonly #setsBefore = new Map<string, NftSetState | undefined>();
  readonly #touched = new Set<string>();

  /** @throws TrunklineError `kernel.nft-name` */
  constructor(family: NftTable["family"], name: string) {
    this.family = family;
    this.name = checkName(name);
  }

  /** Adds a chain or gives it other rules. @throws TrunklineError `kernel.nft-name`, `kernel.nft-rule` */
  setChain(name: string, chain: NftChain): void {
    checkName(name);
    for (const rule of chain.rules) checkRule(rule);
    const now = this.#chains.get(name);
    if (now !== undefined && sameChain(now, chain)) return;
    this.#rememberChain(name);
    this.#chains.set(name, { ...chain, rules: [...chain.rules] });
    const before = this.#chainsBefore.get(name);
    if (before !== undefined && sameChain(before, chain)) this.#chainsBefore.delete(name);
  }

  /** Removes a chain if it is there. Nothing may lead to it when the next transaction runs. */
  removeChain(name: string): void {
    if (!this.#chains.has(name)) return;
    this.#rememberChain(name);
    this.#chains.delete(name);
    if (this.#chainsBefore.get(name) === undefined) this.#chainsBefore.delete(name);
  }

  hasChain(name: string): boolean {
    return this.#chains.has(name);
  }

  /** Returns the wanted chain, or undefined. */
  chain(name: string): NftChain | undefined {
    return this.#chains.get(name);
  }

  chainNames(): string[] {
    return [...this.#chains.keys()];
  }

  /** Adds a set or map. One with another definition is replaced by an empty one. @throws `kernel.nft-name` */
  setSet(name: string, definition: NftSet): void {
    checkName(name);
    const now = this.#sets.get(name);
    if (now !== undefined && sameSet(now.definition, definition)) return;
    if (now !== undefined) this.removeSet(name);
    const before = this.#setsBefore.get(name);
    if (before !== undefined && sameSet(before.definition, definition)) {
      // Removed and wanted again: the same set, emptied.
      this.#setsBefore.delete(name);
      this.#sets.set(name, before);
      for (const key of before.elements.keys()) this.removeElement(name, key);
      return;
    }
    if (!this.#setsBefore.has(name)) this.#setsBefore.set(name, undefined);
    this.#sets.set(name, { definition, elements: new Map(), before: new Map() });
  }

  /** Removes a set or map, with its elements, if it is there. No rule may use it when the next transaction runs. */
  removeSet(name: string): void {
    const now = this.#sets.get(name);
    if (now === undefined) return;
    this.#touched.delete(name);
    this.#sets.delete(name);
    if (this.#setsBefore.has(name)) {
      if (this.#setsBefore.get(name) === undefined) this.#setsBefore.delete(name);
      return;
    }
    for (const [key, value] of now.before) {
      if (value === undefined) now.elements.delete(key);
      else now.elements.set(key, value);
    }
    now.before.clear();
    this.#setsBefore.set(name, now);
  }

  hasSet(name: string): boolean {
    return this.#sets.has(name);
  }

  /** Returns a set's definition, or undefined. */
  set(name: string): NftSet | undefined {
    return this.#sets.get(name)?.definition;
  }

  setNames(): string[] {
    return [...this.#sets.keys()];
  }

  /**
   * Adds an element or gives it another value. Parts of a key are joined by " . "; `value` only in maps.
   * @throws TrunklineError `kernel.nft-missing`, `kernel.nft-element`
   */
  setElement(set: string, key: string, value = ""): void {
    const state = this.#set(set);
    const now = state.elements.get(key);
    if (now === value) return;
    const { definition } = state;
    if (now === undefined && !isValue(key, definition.key, definition.interval === true))
      throw new TrunklineError("kernel.nft-element", { set, element: key });
    const fits =
      definition.value === undefined
        ? value === ""
        : definition.value === "verdict"
          ? isVerdict(value)
          : isValue(value, definition.value, false);
    if (!fits) throw new TrunklineError("kernel.nft-element", { set, element: `${key} : ${value}` });
    this.#change(set, state, key, value);
  }

  /** Removes an element if it is there. @throws TrunklineError `kernel.nft-missing` */
  removeElement(set: string, key: string): void {
    const state = this.#set(set);
    if (state.elements.has(key)) this.#change(set, state, key, undefined);
  }

  /** Returns an element's value ("" in plain sets), or undefined. */
  element(set: string, key: string): string | undefined {
    return this.#sets.get(set)?.elements.get(key);
  }

  /** Returns a set's elements, key to value. */
  elements(set: string): ReadonlyMap<string, string> {
    return this.#sets.get(set)?.elements ?? new Map<string, string>();
  }

  /** Makes a set's elements exactly these. @throws TrunklineError `kernel.nft-missing`, `kernel.nft-element` */
  setElements(set: string, wanted: ReadonlyMap<string, string>): void {
    for (const key of this.#set(set).elements.keys()) if (!wanted.has(key)) this.removeElement(set, key);
    for (const [key, value] of wanted) this.setElement(set, key, value);
  }

  /** Whether `pending` has anything to run. */
  get dirty(): boolean {
    return (
      !this.#exists || this.#chainsBefore.size > 0 || this.#setsBefore.size > 0 || this.#touched.size > 0
    );
  }

  /**
   * Returns the transactions, to be run in this order, that bring the kernel from the committed state to the wanted one;
   * none where nothing differs. All but the last only fill what is not in use yet.
   * @param limit most elements in words of nft, which slows down with many
   * @param batch most elements of one filling: as many as the kernel takes within some milliseconds, so that others'
   * transactions need not wait for long, and yet few transactions, for each of which it waits for all its processors
   */
  steps(limit = 1000, batch = 4 * limit): NftStep[] {
    return this.dirty ? transactions(this.#heading(), this.#difference(), limit, batch) : [];
  }

  /** Returns the same in nft's words. */
  pending(limit = 1000, batch = limit): string[] {
    const { family, name } = this;
    return this.steps(limit, batch).map((step) =>
      "text" in step ? step.text : changeText({ family, table: name }, step.changes),
    );
  }

  /** Returns whether nothing has been committed yet. */
  get isNew(): boolean {
    return !this.#exists;
  }

  /** Says that what `pending` or `replaceAll` returned has run. Call it before any further change. */
  committed(): void {
    this.#exists = true;
    this.#chainsBefore.clear();
    this.#setsBefore.clear();
    for (const name of this.#touched) this.#sets.get(name)?.before.clear();
    this.#touched.clear();
  }

  /**
   * Returns one transaction that deletes whatever table of this name is there and builds the wanted one. For a moment
   * after it the kernel (6.18 and before) still runs the deleted base chains, with sets that are empty already.
   */
  replaceAll(): string {
    return replaceText(this.#heading(), this.#chains, this.#sets);
  }

  /**
   * Returns one transaction that brings the table to the wanted state whatever its objects hold, without a moment in
   * which packets meet emptied sets. It is refused where an object of ours has another definition: then `replaceAll`.
   * Of the sets whose `contents` were read, those that are right are left as they are: sets with ranges find nothing for
   * a moment after they are written anew (the kernel keeps them in a copy until the transaction's end).
   */
  refill(present: NftPresent, contents: NftContents): string {
    const isRight = ([name, set]: [string, NftSetState]): boolean => {
      const found = contents.get(name);
      return found !== undefined && isIntact(found, set);
    };
    const intact = new Set([...this.#sets].filter(isRight).map(([name]) => name));
    return refillText(this.#heading(), this.#chains, this.#sets, present, intact);
  }

  /** Returns one transaction that does the same with objects of whatever definitions, but with such a moment. */
  rebuild(present: NftPresent): string {
    return rebuildText(this.#heading(), this.#chains, this.#sets, present);
  }

  /** Returns the names of the wanted sets and maps with ranges. */
  rangeSets(): ReadonlySet<string> {
    return new Set(
      [...this.#sets].filter(([, set]) => set.definition.interval === true).map(([name]) => name),
    );
  }

  /** Returns the wanted table as text in one fixed order, whatever the order of the changes was. */
  render(): string {
    return renderTable(this.#heading(), this.#chains, this.#sets);
  }

  #heading(): string {
    return `${this.family} ${this.name}`;
  }

  #difference(): NftDifference {
    return {
      exists: this.#exists,
      chains: this.#chains,
      sets: this.#sets,
      chainsBefore: this.#chainsBefore,
      setsBefore: this.#setsBefore,
      touched: this.#touched,
    };
  }

  #set(name: string): NftSetState {
    const state = this.#sets.get(name);
    if (state === undefined) throw new TrunklineError("kernel.nft-missing", { name });
    return state;
  }

  #rememberChain(name: string): void {
    if (!this.#chainsBefore.has(name)) this.#chainsBefore.set(name, this.#chains.get(name));
  }

  #change(name: string, state: NftSetState, key: string, value: string | undefined): void {
    const now = state.elements.get(key);
    if (!state.before.has(key)) state.before.set(key, now);
    if (value === undefined) state.elements.delete(key);
    else state.elements.set(key, value);
    if (state.before.get(key) === value) state.before.delete(key);
    if (state.before.size > 0) this.#touched.add(name);
    else this.#touched.delete(name);
  }
}

function sameChain(a: NftChain, b: NftChain): boolean {
  return (
    sameBase(a.base, b.base) &&
    a.rules.length === b.rules.length &&
    a.rules.every((rule, at) => rule === b.rules[at])
  );
}

/** Returns whether two chains hang on the same hook in the same way. */
function sameBase(a: NftBase | undefined, b: NftBase | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.type === b.type &&
    a.hook === b.hook &&
    a.priority === b.priority &&
    (a.policy ?? "accept") === (b.policy ?? "accept") &&
    a.device === b.device
  );
}

function sameSet(a: NftSet, b: NftSet): boolean {
  return (
    a.key.join() === b.key.join() &&
    String(a.value) === String(b.value) &&
    (a.interval === true) === (b.interval === true) &&
    a.size === b.size &&
    (a.counter === true) === (b.counter === true) &&
    a.limit?.perSecond === b.limit?.perSecond &&
    a.limit?.burst === b.limit?.burst
  );
}
