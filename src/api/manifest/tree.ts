// What makes a well-formed YAML text unfit for JSON, which is what an API server gets: keys that are no texts, anchors
// that contain themselves, aliases that unfold to more than a machine holds.
import { type Document, isAlias, isCollection, isMap, isScalar, isSeq, type Node, type Scalar } from "yaml";
import { keyText } from "./scalars.ts";

/** Something wrong in the tree, and where it stands in the text (an offset). */
export interface Fault {
  readonly code: string;
  readonly message: string;
  readonly offset: number;
}

/** JSON's own types; what others mean depends on the reader. */
const tags = new Set(
  ["str", "int", "float", "bool", "null", "map", "seq", "merge"].map((name) => `tag:yaml.org,2002:${name}`),
);

/** Far more than anybody writes (kubectl's own limits for aliases are of this size). */
const mostNodes = 1_000_000;

/**
 * Checks a document, and makes its keys the texts that kubectl makes of them: `on` is `true`, `0x10` is `16`. Nothing
 * but `toJS` after this could tell which anchor an alias means, so each alias is looked up once, in the text's order.
 */
export function settle(document: Document.Parsed): Fault[] {
  const tree = new Tree();
  const size = tree.measure(document.contents);
  if (size > mostNodes)
    tree.faults.push({ code: "yaml.alias", message: "aliases unfold to too many values", offset: 0 });
  return tree.faults;
}

class Tree {
  readonly faults: Fault[] = [];
  /** The last anchor of that name above; undefined while its own node is being read. */
  readonly #anchors = new Map<string, number | undefined>();

  /** Returns how many values the node unfolds to. */
  measure(node: unknown): number {
    if (isAlias(node)) return this.#alias(node.source, node);
    const { tag, anchor } = (node ?? {}) as { tag?: string; anchor?: string };
    if (tag !== undefined && !tags.has(tag))
      this.#fault("yaml.tag", `the tag ${tag} has no meaning here`, node);
    if (!isCollection(node)) {
      if (isScalar(node)) this.#number(node);
      if (anchor !== undefined) this.#anchors.set(anchor, 1);
      return 1;
    }
    if (anchor !== undefined) this.#anchors.set(anchor, undefined);
    let size = 1;
    if (isSeq(node)) for (const item of node.items) size += this.measure(item);
    if (isMap(node))
      for (const pair of node.items) {
        this.#key(pair.key);
        size += this.measure(pair.key) + this.measure(pair.value);
      }
    if (anchor !== undefined) this.#anchors.set(anchor, size);
    return size;
  }

  #alias(name: string, node: Node): number {
    const size = this.#anchors.get(name);
    if (size !== undefined) return size;
    const message = this.#anchors.has(name)
      ? `the anchor '&${name}' contains itself`
      : `there is no anchor '&${name}' above`;
    this.#fault("yaml.alias", message, node);
    return 1;
  }

  #number(node: Scalar): void {
    if (typeof node.value !== "number" || Number.isFinite(node.value)) return;
    this.#fault("yaml.number", `${node.source} is no number that an object can hold`, node);
  }

  #key(key: unknown): void {
    if (isScalar(key) && key.value !== null) {
      key.value = textOf(key);
      return;
    }
    const what = isScalar(key) || key === null ? "empty" : isAlias(key) ? "an alias" : "a list or an object";
    this.#fault("yaml.key", `a key must be a text; this one is ${what}`, key);
  }

  #fault(code: string, message: string, node: unknown): void {
    this.faults.push({ code, message, offset: offsetOf(node) });
  }
}

function textOf(key: Scalar): string {
  return keyText(key.source ?? "", key.value);
}

function offsetOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

/** Returns whether two keys are one for kubectl, which makes texts of them. */
export function sameKey(a: unknown, b: unknown): boolean {
  return a === b || (isScalar(a) && isScalar(b) && textOf(a) === textOf(b));
}
