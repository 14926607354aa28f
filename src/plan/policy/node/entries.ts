// What a cluster's model is made of: pods, namespaces, policies, and the selectors of peers in use. They refer to each other,
// so they stand together.
import { type Namespace, type Pod, podIps } from "../../../api/kinds/core.ts";
import type { NetworkPolicy } from "../../../api/kinds/network-policy.ts";
import type { Labels } from "../../../api/selectors/selectors.ts";
import { compilePolicy } from "../compile.ts";
import { canonical } from "../pods.ts";
import type { Selector } from "../selector.ts";
import type { CompiledPolicy } from "../types.ts";
import type { LabelIndex } from "./label-index.ts";
import { SelectorIndex } from "./selector-index.ts";
import { SmallSet } from "./small-set.ts";

/** A pod as the model knows it, until it changes. A cluster has a hundred thousand: what the pod says itself is not kept again. */
export class PodEntry {
  readonly key: string;
  readonly pod: Pod;
  readonly namespace: NamespaceEntry;
  /** Most pods of a large cluster are in none, and have no set of their own. */
  atoms: SmallSet<Atom> | undefined;
  /** Of its interface on this node. */
  readonly #own: readonly string[] | undefined;

  constructor(key: string, pod: Pod, namespace: NamespaceEntry, own: readonly string[] | undefined) {
    this.key = key;
    this.pod = pod;
    this.namespace = namespace;
    this.atoms = undefined;
    this.#own = own;
  }

  get labels(): Labels | undefined {
    return this.pod.metadata.labels;
  }

  /** Canonical texts. */
  get ips(): readonly string[] {
    return this.#own ?? canonical(podIps(this.pod));
  }

  /** Has its interface on this node: nobody else's claim to its addresses counts. */
  get local(): boolean {
    return this.#own !== undefined;
  }
}

export class PolicyEntry {
  readonly source: NetworkPolicy;
  readonly compiled: CompiledPolicy;

  constructor(source: NetworkPolicy) {
    this.source = source;
    this.compiled = compilePolicy(source);
  }

  get selector(): Selector {
    return this.compiled.subject;
  }
}

/** A namespace that something lives in; `labels` is undefined while its object is not known. */
export interface NamespaceEntry {
  readonly name: string;
  labels: Labels | undefined;
  object: Namespace | undefined;
  readonly pods: LabelIndex<PodEntry>;
  readonly policies: SelectorIndex<PolicyEntry>;
  /** Atoms of rules that name pods of this namespace. */
  readonly atoms: Atoms;
  /** Selectors of namespaces that match this one, and everywhere. */
  scopes: readonly NamespaceScope[];
}

/** A namespaceSelector in use. */
export interface NamespaceScope {
  readonly key: string;
  readonly selector: Selector;
  readonly members: Set<NamespaceEntry>;
  readonly atoms: Atoms;
}

/** A selector of peers that some rule in use names; equal ones are one atom. */
export class Atom {
  readonly scope: NamespaceEntry | NamespaceScope;
  readonly selector: Selector;
  readonly members = new SmallSet<PodEntry>();
  users = 1;

  constructor(scope: NamespaceEntry | NamespaceScope, selector: Selector) {
    this.scope = scope;
    this.selector = selector;
  }

  /** Equal for atoms that say the same, in any model. */
  get key(): string {
    const where = "members" in this.scope ? this.scope.key : JSON.stringify(this.scope.name);
    return `${where}/${this.selector.key}`;
  }
}

/** Up to this many are searched one by one: most scopes have a few. */
const worthAMap = 16;

/** Those of one scope: found by the labels that they match, and by what they say. */
export class Atoms extends SelectorIndex<Atom> {
  #byKey: Map<string, Atom> | undefined;

  override add(atom: Atom): void {
    super.add(atom);
    if (this.#byKey !== undefined) this.#byKey.set(atom.selector.key, atom);
    else if (this.size > worthAMap) this.#byKey = new Map([...this].map((one) => [one.selector.key, one]));
  }

  override remove(atom: Atom): void {
    super.remove(atom);
    this.#byKey?.delete(atom.selector.key);
  }

  /** Returns the atom of that selector, or of an equal one. */
  find(selector: Selector): Atom | undefined {
    if (this.#byKey !== undefined) return this.#byKey.get(selector.key);
    for (const atom of this) if (atom.selector.key === selector.key) return atom;
    return undefined;
  }
}
