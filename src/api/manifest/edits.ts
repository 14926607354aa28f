// Small changes of a text that a user wrote, as the characters to replace: layout, order and comments stay as they are.
// Where a change would have to guess (aliases, unusual layout) there is none.
import {
  type Document,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  Scalar,
  stringify,
  YAMLMap,
  type YAMLSeq,
} from "yaml";
import type { Path, Position, TextEdit } from "../../base/problem.ts";
import { kubectlScalars } from "./scalars.ts";

export type Change =
  /** Makes a list's item, which is at `path`, part of the item before it. */
  | { readonly what: "join"; readonly path: Path }
  /** Puts an item at the end of the list at `path`. */
  | { readonly what: "append"; readonly path: Path; readonly item: unknown }
  /** Gives the field at `path` another name. */
  | { readonly what: "rename"; readonly path: Path; readonly to: string }
  /** Writes another text in place of the one at `path`. */
  | { readonly what: "replace"; readonly path: Path; readonly to: string };

/** Returns what makes the change in `source`, the text that the document was read from; undefined where none is plain. */
export function editIn(
  document: Document.Parsed,
  source: string,
  change: Change,
  position: (offset: number) => Position,
): TextEdit | undefined {
  const found = replacementIn(document, source, change);
  return found && { start: position(found.start), end: position(found.end), text: found.text };
}

interface Replacement {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function replacementIn(document: Document.Parsed, source: string, change: Change): Replacement | undefined {
  const { path } = change;
  const node = nodeAt(document.contents, path);
  switch (change.what) {
    case "join":
      return joined(source, nodeAt(document.contents, path.slice(0, -1)), Number(path.at(-1)));
    case "append":
      return isSeq(node) ? appended(source, node, change.item) : undefined;
    case "rename": {
      const parent = nodeAt(document.contents, path.slice(0, -1));
      const pair = isMap(parent) ? parent.items.find(({ key }) => nameOf(key) === path.at(-1)) : undefined;
      return rewritten(pair?.key, change.to);
    }
    case "replace":
      return rewritten(node, change.to);
  }
}

function nodeAt(root: unknown, path: Path): unknown {
  let node = root;
  for (const step of path) {
    const next: unknown = isMap(node)
      ? node.items.find(({ key }) => nameOf(key) === step)
      : isSeq(node)
        ? node.items[Number(step)]
        : undefined;
    node = isPair(next) ? next.value : next;
  }
  return node;
}

function nameOf(key: unknown): unknown {
  return isScalar(key) ? key.value : key;
}

/** `- from: …` and `- ports: …` below each other are one item once the second dash is a space. */
function joined(source: string, list: unknown, at: number): Replacement | undefined {
  if (!isSeq(list) || list.flow === true) return undefined;
  const [first, second] = [list.items[at - 1], list.items[at]].map(plainMap);
  if (first === undefined || second === undefined) return undefined;
  const names = new Set(first.items.map(({ key }) => nameOf(key)));
  if (second.items.some(({ key }) => names.has(nameOf(key)))) return undefined;
  const [above, here] = [dashBefore(source, first), dashBefore(source, second)];
  if (above === undefined || here === undefined || above.column !== here.column) return undefined;
  return { start: here.dash, end: here.dash + 1, text: " " };
}

function plainMap(node: unknown): YAMLMap | undefined {
  const isPlain = node instanceof YAMLMap && node.flow !== true && node.anchor === undefined;
  return isPlain && node.tag === undefined ? node : undefined;
}

/** Returns where the dash stands before a list's item, if there is nothing else before it, and the item's column. */
function dashBefore(
  source: string,
  item: Node,
): { readonly dash: number; readonly indent: string; readonly column: number } | undefined {
  const start = item.range?.[0];
  if (start === undefined || start === null) return undefined;
  const line = source.lastIndexOf("\n", start - 1) + 1;
  const indent = /^( *)- +$/.exec(source.slice(line, start))?.[1];
  if (indent === undefined) return undefined;
  return { dash: line + indent.length, indent, column: start - line };
}

function appended(source: string, list: YAMLSeq, item: unknown): Replacement | undefined {
  const last = list.items.at(-1) as Node | null | undefined;
  const end = last?.range?.[1];
  if (list.flow === true) {
    // JSON is YAML, and what is written in one line stays in it.
    const at = end ?? (list.range ? list.range[0] + 1 : undefined);
    const text = `${last ? ", " : ""}${JSON.stringify(item)}`;
    return at === undefined ? undefined : { start: at, end: at, text };
  }
  const place = last ? dashBefore(source, last) : undefined;
  if (place === undefined || end === undefined) return undefined;
  const content = source.slice(0, end).trimEnd().length;
  const newline = source.indexOf("\n", content);
  const at = newline < 0 ? source.length : newline;
  const before = source[at - 1] === "\r" ? at - 1 : at;
  const lines = stringify(item, { ...kubectlScalars, indentSeq: false })
    .trimEnd()
    .split("\n");
  const text = lines.map((line, index) => `\n${place.indent}${index === 0 ? "- " : "  "}${line}`).join("");
  return { start: before, end: before, text };
}

function rewritten(node: unknown, to: string): Replacement | undefined {
  if (!(node instanceof Scalar) || !node.range || node.anchor !== undefined) return undefined;
  const [start, end] = node.range;
  if (node.type === Scalar.PLAIN) return { start, end, text: plainText(to) };
  if (node.type === Scalar.QUOTE_DOUBLE || node.type === Scalar.QUOTE_SINGLE)
    return { start, end, text: JSON.stringify(to) };
  return undefined;
}

/** Quotes what kubectl would not read as a text: numbers, true, on, null and the like. */
function plainText(text: string): string {
  return stringify(text, { ...kubectlScalars, lineWidth: 0, defaultStringType: Scalar.PLAIN }).trimEnd();
}
