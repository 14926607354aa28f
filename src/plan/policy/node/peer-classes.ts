// Peers in classes: pods that are alike in the eyes of every rule in force on this node, in one direction. A peer's
// address leads to its class, and a class and a local pod lead to the ports that are allowed: two look-ups, however many
// policies and selectors there are. Nothing here depends on the order of events: a class is named by what it is.
import { hash } from "node:crypto";
import { resolvePort } from "../pods.ts";
import type { Selector } from "../selector.ts";
import type { Direction, NamedPort } from "../types.ts";
import type { ClusterModel } from "./cluster-model.ts";
import type { Atom, PodEntry } from "./entries.ts";
import { getOrMake } from "./selector-index.ts";
import type { Group, PeerClass, Term } from "./types.ts";

/** Pods by labels in one namespace, in those that a selector matches, or (undefined) in all, known or not. */
export interface PodsPeer {
  readonly namespaces: string | Selector | undefined;
  readonly pods: Selector;
}

/** Classes that came and went, and addresses whose class may be another. */
export interface ClassChanges {
  readonly made: ReadonlySet<PeerClass>;
  readonly gone: ReadonlySet<PeerClass>;
  readonly moved: readonly PodEntry[];
  /** Where all classes were numbered anew: the numbers that they had. */
  readonly renumbered: ReadonlyMap<PeerClass, number> | undefined;
}

export class PeerClasses {
  readonly #model: ClusterModel;
  readonly #direction: Direction;
  readonly #idMask: number;
  readonly #termsOf = new Map<Atom, Term[]>();
  readonly #classes = new Map<string, PeerClass>();
  readonly #classOf = new Map<PodEntry, PeerClass>();
  readonly #byId = new Map<number, PeerClass>();
  readonly #dirty = new Set<PodEntry>();
  #salt = 0;

  /** `idBits`: fewer than 32 only in tests, where numbers shall collide. */
  constructor(model: ClusterModel, direction: Direction, idBits = 32) {
    this.#model = model;
    this.#direction = direction;
    this.#idMask = idBits === 32 ? 0xffffffff : (1 << idBits) - 1;
  }

  /** Returns the term of a rule's peer, for one more group. */
  use(peer: PodsPeer, named: NamedPort | undefined, group: Group): Term {
    const atom = this.#model.acquire(peer.namespaces, peer.pods);
    const terms = getOrMake(this.#termsOf, atom, () => []);
    const known = terms.find((one) => sameName(one.named, named));
    if (known !== undefined) {
      this.#model.release(atom);
      known.groups.add(group);
      return known;
    }
    const key = named === undefined ? atom.key : `${atom.key}:${named.protocol}/${named.name}`;
    const term: Term = { key, atom, named, groups: new Set([group]), classes: new Set() };
    terms.push(term);
    for (const entry of atom.members) this.#dirty.add(entry);
    return term;
  }

  /** The group no longer uses the term. */
  leave(term: Term, group: Group): void {
    term.groups.delete(group);
    if (term.groups.size > 0) return;
    const rest = (this.#termsOf.get(term.atom) ?? []).filter((one) => one !== term);
    if (rest.length > 0) this.#termsOf.set(term.atom, rest);
    else this.#termsOf.delete(term.atom);
    for (const entry of term.atom.members) this.#dirty.add(entry);
    this.#model.release(term.atom);
  }

  /** The pod is new, gone, or matched by other selectors than before. */
  touch(entry: PodEntry): void {
    if (this.#termsOf.size > 0 || this.#classOf.has(entry)) this.#dirty.add(entry);
  }

  classOf(entry: PodEntry): PeerClass | undefined {
    return this.#classOf.get(entry);
  }

  all(): Iterable<PeerClass> {
    return this.#classes.values();
  }

  members(): Iterable<PodEntry> {
    return this.#classOf.keys();
  }

  /** Puts every touched pod into its class. */
  settle(): ClassChanges {
    const made = new Set<PeerClass>();
    const emptied = new Set<PeerClass>();
    const moved: PodEntry[] = [];
    for (const entry of this.#dirty) {
      const before = this.#classOf.get(entry);
      const now = this.#classFor(entry, made);
      if (before === now) continue;
      before?.members.delete(entry);
      if (before?.members.size === 0) emptied.add(before);
      now?.members.add(entry);
      if (now === undefined) this.#classOf.delete(entry);
      else this.#classOf.set(entry, now);
      moved.push(entry);
    }
    this.#dirty.clear();
    const gone = new Set<PeerClass>();
    for (const one of emptied) {
      if (one.members.size > 0) continue;
      this.#classes.delete(one.key);
      for (const { term } of one.terms) term.classes.delete(one);
      if (this.#byId.get(one.id) === one) this.#byId.delete(one.id);
      if (!made.delete(one)) gone.add(one);
    }
    const renumbered = made.size > 0 || gone.size > 0 ? this.#number(made) : undefined;
    return { made, gone, moved, renumbered };
  }

  #classFor(entry: PodEntry, made: Set<PeerClass>): PeerClass | undefined {
    if (this.#model.pod(entry.key) !== entry) return undefined;
    const found: { term: Term; numbers: readonly number[]; key: string }[] = [];
    for (const atom of entry.atoms ?? [])
      for (const term of this.#termsOf.get(atom) ?? []) {
        const numbers = term.named === undefined ? [] : resolvePort(entry.pod, term.named);
        if (term.named !== undefined && numbers.length === 0) continue;
        found.push({ term, numbers, key: numbers.length === 0 ? term.key : `${term.key}=${numbers.join()}` });
      }
    if (found.length === 0) return undefined;
    found.sort((a, b) => (a.key < b.key ? -1 : 1));
    const key = found.map((one) => one.key).join("\n");
    const known = this.#classes.get(key);
    if (known !== undefined) return known;
    const fresh: PeerClass = { key, id: 0, terms: found, members: new Set() };
    this.#classes.set(key, fresh);
    for (const { term } of found) term.classes.add(fresh);
    made.add(fresh);
    return fresh;
  }

  /**
   * Gives numbers to new classes. Should two keys have the same number, all are numbered anew with the smallest salt
   * that keeps them apart, so that the numbers depend on the classes alone. Then the old numbers are returned.
   */
  #number(made: ReadonlySet<PeerClass>): Map<PeerClass, number> | undefined {
    let clash = this.#salt > 0;
    for (const one of made) {
      one.id = this.#idOf(one.key, this.#salt);
      if (this.#byId.has(one.id)) clash = true;
      else this.#byId.set(one.id, one);
    }
    if (!clash) return undefined;
    for (let salt = 0; ; salt++) {
      const ids = new Map<number, PeerClass>();
      for (const one of this.#classes.values()) ids.set(this.#idOf(one.key, salt), one);
      if (ids.size < this.#classes.size) continue;
      if (salt === this.#salt) return undefined;
      this.#salt = salt;
      const before = new Map([...this.#classes.values()].map((one) => [one, one.id]));
      this.#byId.clear();
      for (const [id, one] of ids) {
        one.id = id;
        this.#byId.set(id, one);
      }
      return before;
    }
  }

  #idOf(key: string, salt: number): number {
    const digest = hash("sha256", `${salt}\n${this.#direction}\n${key}`, "buffer");
    const id = (digest.readUInt32BE(0) & this.#idMask) >>> 0;
    return id === 0 || id === 0xffffffff ? 1 : id;
  }
}

function sameName(a: NamedPort | undefined, b: NamedPort | undefined): boolean {
  return a?.name === b?.name && a?.protocol === b?.protocol;
}
