// The cluster as policies see it, kept up to date change by change: which pods exist, which policies select a pod, and
// which pods each peer selector in use matches. A change costs what it touches. What the model holds depends on the
// objects alone, never on the order in which they came.
import type { Namespace, Pod } from "../../../api/kinds/core.ts";
import { isStaged, type NetworkPolicy } from "../../../api/kinds/network-policy.ts";
import { isPolicyPod, namespaceLabels, owner } from "../pods.ts";
import { type Selector, selectEverything, selects } from "../selector.ts";
import type { CompiledPolicy } from "../types.ts";
import { Atom, Atoms, type NamespaceEntry, type NamespaceScope, PodEntry, PolicyEntry } from "./entries.ts";
import { LabelIndex } from "./label-index.ts";
import { getOrMake, SelectorIndex } from "./selector-index.ts";
import { SmallSet } from "./small-set.ts";

/** What changed since it was last asked; nothing where it is asked for the first time. */
export interface ModelChanges {
  /** Keys of pods, also of those that are gone. */
  readonly pods: ReadonlySet<string>;
  /** Entries of pods that are gone, or that others have replaced. */
  readonly gone: readonly PodEntry[];
  /** Addresses that a pod won or lost. */
  readonly ips: ReadonlySet<string>;
  /** Old and new versions of policies. */
  readonly policies: readonly CompiledPolicy[];
}

function noChanges() {
  return {
    pods: new Set<string>(),
    gone: [] as PodEntry[],
    ips: new Set<string>(),
    policies: [] as CompiledPolicy[],
  };
}

export class ClusterModel {
  readonly #withStaged: boolean;
  readonly #namespaces = new Map<string, NamespaceEntry>();
  readonly #knownNamespaces = new LabelIndex<NamespaceEntry>();
  readonly #scopes = new Map<string, NamespaceScope>();
  readonly #scopeIndex = new SelectorIndex<NamespaceScope>();
  /** All namespaces, also those whose object is not known, which no selector matches. */
  readonly #everywhere: NamespaceScope = {
    key: "*",
    selector: selectEverything,
    members: new Set(),
    atoms: new Atoms(),
  };
  /** Of most namespaces. */
  readonly #noScopes: readonly NamespaceScope[] = [this.#everywhere];
  readonly #pods = new Map<string, PodEntry>();
  readonly #policies = new Map<string, PolicyEntry>();
  readonly #claims = new Map<string, PodEntry | PodEntry[]>();
  /** Undefined until somebody begins to look: to whom everything is new nothing has changed. */
  #changed: ReturnType<typeof noChanges> | undefined;

  /** @param withStaged whether policies that are only tried count like all others; default: they are as if absent */
  constructor(withStaged = false) {
    this.#withStaged = withStaged;
  }

  /** Adds, changes or (undefined) removes a pod. `ips` are those of its interface here; default: its status. */
  setPod(key: string, pod: Pod | undefined, ips?: readonly string[]): void {
    const before = this.#pods.get(key);
    const wanted = pod !== undefined && isPolicyPod(pod) ? pod : undefined;
    if (before === undefined && wanted === undefined) return;
    if (before?.pod === wanted && wanted !== undefined && (before?.local ?? false) === (ips !== undefined)) {
      if (ips === undefined || ips.join() === before?.ips.join()) return;
    }
    if (before !== undefined) this.#dropPod(before);
    if (wanted !== undefined) this.#addPod(key, wanted, ips);
    this.#changed?.pods.add(key);
  }

  setNamespace(name: string, object: Namespace | undefined): void {
    const entry = object === undefined ? this.#namespaces.get(name) : this.#namespace(name);
    if (entry === undefined || entry.object === object) return;
    this.#knownNamespaces.remove(entry);
    for (const scope of entry.scopes) scope.members.delete(entry);
    entry.object = object;
    entry.labels = object === undefined ? undefined : namespaceLabels(object);
    const selecting = object === undefined ? [] : this.#scopeIndex.match(entry.labels);
    entry.scopes = selecting.length === 0 ? this.#noScopes : [this.#everywhere, ...selecting];
    if (object !== undefined) this.#knownNamespaces.add(entry);
    for (const scope of entry.scopes) scope.members.add(entry);
    for (const pod of entry.pods) this.#refreshAtoms(pod);
    this.#forgetIfEmpty(entry);
  }

  setPolicy(key: string, stored: NetworkPolicy | undefined): void {
    const policy = stored && (this.#withStaged || !isStaged(stored)) ? stored : undefined;
    const before = this.#policies.get(key);
    if (before?.source === policy) return;
    if (before !== undefined) {
      const namespace = this.#namespace(before.compiled.namespace);
      namespace.policies.remove(before);
      this.#changed?.policies.push(before.compiled);
      this.#forgetIfEmpty(namespace);
    }
    if (policy === undefined) {
      this.#policies.delete(key);
      return;
    }
    const entry = new PolicyEntry(policy);
    this.#policies.set(key, entry);
    this.#namespace(entry.compiled.namespace).policies.add(entry);
    this.#changed?.policies.push(entry.compiled);
  }

  pod(key: string): PodEntry | undefined {
    return this.#pods.get(key);
  }

  podKeys(): Iterable<string> {
    return this.#pods.keys();
  }

  /** Returns a policy's rules. */
  policy(key: string): CompiledPolicy | undefined {
    return this.#policies.get(key)?.compiled;
  }

  policyKeys(): Iterable<string> {
    return this.#policies.keys();
  }

  namespaceNames(): Iterable<string> {
    return this.#namespaces.keys();
  }

  /** Returns the policies that select the pod, by key. */
  policiesOf(entry: PodEntry): CompiledPolicy[] {
    return entry.namespace.policies
      .match(entry.labels)
      .map((one) => one.compiled)
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Returns the pods that a policy speaks of. */
  subjectsOf(policy: CompiledPolicy): PodEntry[] {
    return this.#namespaces.get(policy.namespace)?.pods.match(policy.subject) ?? [];
  }

  /** Returns the pod that has the address. */
  ownerOf(ip: string): PodEntry | undefined {
    const claim = this.#claims.get(ip);
    if (!Array.isArray(claim)) return claim;
    return claim.reduce((a, b) => {
      if (a.local !== b.local) return a.local ? a : b;
      return owner(a.pod, b.pod) === a.pod ? a : b;
    });
  }

  /**
   * Begins to keep the pods that a selector matches in one namespace, in those that a selector matches, or (undefined) in
   * all, known or not; equal ones are shared. Each call needs one `release`.
   */
  acquire(namespaces: string | Selector | undefined, selector: Selector): Atom {
    const scope = this.#within(namespaces);
    const known = scope.atoms.find(selector);
    if (known !== undefined) {
      known.users++;
      return known;
    }
    const atom = new Atom(scope, selector);
    scope.atoms.add(atom);
    const within = "members" in scope ? scope.members : [scope];
    for (const namespace of within)
      namespace.pods.each(selector, (entry) => {
        atom.members.add(entry);
        join(entry, atom);
      });
    return atom;
  }

  release(atom: Atom): void {
    if (--atom.users > 0) return;
    const { scope } = atom;
    scope.atoms.remove(atom);
    for (const entry of atom.members) leave(entry, atom);
    if (!("members" in scope)) {
      this.#forgetIfEmpty(scope);
      return;
    }
    if (scope.atoms.size > 0 || scope === this.#everywhere) return;
    this.#scopes.delete(scope.key);
    this.#scopeIndex.remove(scope);
    for (const namespace of scope.members) namespace.scopes = namespace.scopes.filter((one) => one !== scope);
  }

  /** Returns what changed since the last call. */
  takeChanges(): ModelChanges {
    const changes = this.#changed ?? noChanges();
    this.#changed = noChanges();
    return changes;
  }

  #addPod(key: string, pod: Pod, ips: readonly string[] | undefined): void {
    const namespace = this.#namespace(pod.metadata.namespace ?? "default");
    const entry = new PodEntry(key, pod, namespace, ips);
    this.#pods.set(key, entry);
    namespace.pods.add(entry);
    for (const ip of entry.ips) this.#claim(ip, entry);
    this.#refreshAtoms(entry);
  }

  #dropPod(entry: PodEntry): void {
    this.#pods.delete(entry.key);
    entry.namespace.pods.remove(entry);
    for (const ip of entry.ips) this.#unclaim(ip, entry);
    for (const atom of entry.atoms ?? []) atom.members.delete(entry);
    entry.atoms = undefined;
    this.#changed?.gone.push(entry);
    this.#forgetIfEmpty(entry.namespace);
  }

  #claim(ip: string, entry: PodEntry): void {
    const claim = this.#claims.get(ip);
    if (claim === undefined) this.#claims.set(ip, entry);
    else this.#claims.set(ip, Array.isArray(claim) ? [...claim, entry] : [claim, entry]);
    this.#changed?.ips.add(ip);
  }

  #unclaim(ip: string, entry: PodEntry): void {
    const claim = this.#claims.get(ip);
    const rest = Array.isArray(claim) ? claim.filter((one) => one !== entry) : [];
    const [only] = rest;
    if (only === undefined) this.#claims.delete(ip);
    else this.#claims.set(ip, rest.length === 1 ? only : rest);
    this.#changed?.ips.add(ip);
  }

  #refreshAtoms(entry: PodEntry): void {
    const { namespace } = entry;
    const now = namespace.atoms.match(entry.labels);
    for (const scope of namespace.scopes)
      if (scope.atoms.size > 0) now.push(...scope.atoms.match(entry.labels));
    // Before any rule is in use, which is when a cluster's pods come.
    if (now.length === 0 && entry.atoms === undefined) return;
    const kept = new Set(now);
    const before = [...(entry.atoms ?? [])];
    for (const atom of before) {
      if (kept.has(atom)) continue;
      leave(entry, atom);
      atom.members.delete(entry);
      this.#changed?.pods.add(entry.key);
    }
    for (const atom of kept) {
      if (entry.atoms?.has(atom) === true) continue;
      join(entry, atom);
      atom.members.add(entry);
      this.#changed?.pods.add(entry.key);
    }
  }

  #within(namespaces: string | Selector | undefined): NamespaceEntry | NamespaceScope {
    if (namespaces === undefined) return this.#everywhere;
    return typeof namespaces === "string" ? this.#namespace(namespaces) : this.#scope(namespaces);
  }

  #namespace(name: string): NamespaceEntry {
    const known = this.#namespaces.get(name);
    if (known !== undefined) return known;
    const entry: NamespaceEntry = {
      name,
      labels: undefined,
      object: undefined,
      pods: new LabelIndex<PodEntry>(),
      policies: new SelectorIndex<PolicyEntry>(),
      atoms: new Atoms(),
      scopes: this.#noScopes,
    };
    this.#namespaces.set(name, entry);
    this.#everywhere.members.add(entry);
    return entry;
  }

  #forgetIfEmpty(entry: NamespaceEntry): void {
    const inUse = entry.object !== undefined || entry.pods.size > 0;
    if (inUse || entry.policies.size > 0 || entry.atoms.size > 0) return;
    this.#namespaces.delete(entry.name);
    this.#everywhere.members.delete(entry);
  }

  #scope(selector: Selector): NamespaceScope {
    return getOrMake(this.#scopes, selector.key, () => {
      const scope: NamespaceScope = {
        key: selector.key,
        selector,
        members: new Set(),
        atoms: new Atoms(),
      };
      this.#scopeIndex.add(scope);
      for (const namespace of this.#knownNamespaces.match(selector)) {
        scope.members.add(namespace);
        namespace.scopes = [...namespace.scopes, scope];
      }
      return scope;
    });
  }
}

function join(entry: PodEntry, atom: Atom): void {
  entry.atoms ??= new SmallSet();
  entry.atoms.add(atom);
}

function leave(entry: PodEntry, atom: Atom): void {
  entry.atoms?.delete(atom);
  if (entry.atoms?.size === 0) entry.atoms = undefined;
}

/** Returns whether a policy speaks of the pod. */
export function speaksOf(policy: CompiledPolicy, entry: PodEntry): boolean {
  return policy.namespace === entry.namespace.name && selects(policy.subject, entry.labels);
}
