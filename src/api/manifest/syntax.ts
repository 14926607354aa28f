// YAML and JSON text into documents that remember where each node stands, and syntax errors in plain words.
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  type ParsedNode,
  parseAllDocuments,
} from "yaml";
import { textOf } from "../../base/errors.ts";
import type { Path, Position, Problem, TextEdit } from "../../base/problem.ts";
import { type Change, editIn } from "./edits.ts";
import { kubectlScalars } from "./scalars.ts";
import { type Fault, sameKey, settle } from "./tree.ts";

export interface ParsedDocument {
  /** The document as plain values; undefined if it is empty or broken. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** Returns where the field at `path` stands: a plain value, or else the key or list item; the nearest above it. */
  readonly locate: (path: Path) => Position | undefined;
  /** Returns the unquoted word at `path` as it stands there; undefined for all else. */
  readonly written: (path: Path) => string | undefined;
  /** Returns how to change the text; undefined where that is not plain. */
  readonly edit: (change: Change) => TextEdit | undefined;
}

/**
 * Parses all documents of a text; every problem is reported, and a broken document has no value. Words without quotes
 * mean what they mean to kubectl, or (`core`) what YAML 1.2 says.
 */
export function parseDocuments(
  text: string,
  file: string,
  words: "kubectl" | "core" = "kubectl",
): ParsedDocument[] {
  const lines = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    // An empty text has no first line.
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  try {
    // With a byte order mark every column of the first line would be wrong by one.
    const source = text.replace(/^\uFEFF/, "");
    const scalars = words === "kubectl" ? kubectlScalars : { merge: true };
    const options = { ...scalars, uniqueKeys: sameKey };
    const documents = parseAllDocuments(source, { ...options, lineCounter: lines, prettyErrors: false });
    const list = [...documents];
    return list.map((document, at) => {
      const foreign = words === "kubectl" ? notForKubectl(document, source, list[at - 1]) : [];
      return parsed(document, source, position, foreign);
    });
  } catch (error) {
    // Thousands of nested brackets exhaust the stack; nothing that anybody writes does.
    if (!(error instanceof RangeError)) throw error;
    return [{ value: undefined, problems: [{ ...tooDeep, position: position(0) }], ...nowhere }];
  }
}

const nowhere = { locate: () => undefined, written: () => undefined, edit: () => undefined };
const tooDeep = { code: "yaml.depth", message: "the text is nested too deeply to be read" };

function parsed(
  document: Document.Parsed,
  source: string,
  position: (offset: number) => Position,
  foreign: readonly Fault[],
): ParsedDocument {
  const problems = document.errors.map((error) => syntaxProblem(error, source, position));
  problems.push(...foreign.map(({ offset, ...rest }) => ({ ...rest, position: position(offset) })));
  if (problems.length === 0)
    for (const { offset, ...fault } of settle(document))
      problems.push({ ...fault, position: position(offset) });
  const locate = (path: Path) => locateIn(document, path, position);
  const written = (path: Path) => wordAt(document, path);
  const edit = (change: Change) => editIn(document, source, change, position);
  if (problems.length > 0)
    return { value: undefined, problems: withoutEchoes(problems), locate, written, edit };
  try {
    return { value: document.toJS({ maxAliasCount: -1 }) as unknown, problems, locate, written, edit };
  } catch (error) {
    if (error instanceof RangeError) throw error;
    // What is left is a merge (`<<`) of something that is no object.
    const problem = { code: "yaml.merge", message: textOf(error), position: position(0) };
    return { value: undefined, problems: [problem], locate, written, edit };
  }
}

/** What YAML allows, and kubectl refuses or, worse, passes over. */
function notForKubectl(
  document: Document.Parsed,
  source: string,
  above: Document.Parsed | undefined,
): Fault[] {
  const start = document.range[0];
  const before = source.slice(above?.range[2] ?? 0, document.contents?.range?.[0] ?? start);
  const directive = /^%\w+/m.exec(before);
  if (directive)
    return [
      {
        code: "yaml.directive",
        message: `kubectl takes no directives such as ${directive[0]}`,
        offset: (above?.range[2] ?? 0) + directive.index,
      },
    ];
  if (above === undefined || document.contents === null || document.directives?.docStart === true) return [];
  const message = "kubectl reads nothing between '...' and the next '---'";
  return [{ code: "yaml.document", message, offset: document.contents.range?.[0] ?? start }];
}

const words: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: "this key stands twice in one object",
  TAB_AS_INDENT: "a tab is used for indentation; YAML allows only spaces",
  BAD_INDENT: "the indentation does not fit what stands above",
  MULTILINE_IMPLICIT_KEY: "a key and its colon must stand on one line",
  BLOCK_AS_IMPLICIT_KEY: "an object cannot begin in the middle of a line",
  MISSING_CHAR: "something that was opened is not closed",
  UNEXPECTED_TOKEN: "this does not belong here",
};

function syntaxProblem(
  error: { readonly code: string; readonly message: string; readonly pos: readonly [number, number] },
  source: string,
  position: (offset: number) => Position,
): Problem {
  const [offset] = error.pos;
  const where = position(offset);
  const line = source.split("\n", where.line)[where.line - 1] ?? "";
  // The parser reports its own exhausted stack as an error of the text.
  if (error.message.startsWith("Maximum call stack")) return { ...tooDeep, position: where };
  const glued = /^\s*(?:- +)?([A-Za-z][\w./-]*):([^\s/].*)$/.exec(line);
  if (glued && error.code !== "DUPLICATE_KEY") {
    const hint = `Write '${glued[1]}: ${glued[2]}'`;
    const column = line.indexOf(":") + 2;
    const message = `a space is missing after '${glued[1]}:', so this is no field but plain text`;
    return { code: "yaml.space", message, hint, position: { ...where, column } };
  }
  if (error.code === "DUPLICATE_KEY") {
    const key = /^\s*(?:- +)*["']?([^"':]+)/.exec(line.slice(where.column - 1))?.[1] ?? "";
    return {
      code: "yaml.duplicate-key",
      message: `the key '${key.trim()}' stands twice in one object`,
      position: where,
    };
  }
  const word = words[error.code];
  const message = word === undefined ? error.message : `${word} (${error.message})`;
  return { code: "yaml.syntax", message, position: where };
}

// One slip makes the parser stumble several times on one line: the first complaint says it.
function withoutEchoes(problems: readonly Problem[]): Problem[] {
  const lines = new Set<string>();
  return problems.filter((problem) => {
    if (problem.code === "yaml.duplicate-key") return true;
    const line = String(problem.position?.line);
    if (lines.has(line)) return false;
    lines.add(line);
    return true;
  });
}

function wordAt(document: Document.Parsed, path: Path): string | undefined {
  let node: unknown = document.contents;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    const next = isMap(node) ? pairOf(node.items, step) : isSeq(node) ? node.items[Number(step)] : undefined;
    node = isPair(next) ? next.value : next;
  }
  return isScalar(node) && node.type === "PLAIN" ? node.source : undefined;
}

function locateIn(
  document: Document.Parsed,
  path: Path,
  position: (offset: number) => Position,
): Position | undefined {
  let node: unknown = document.contents;
  let found = startOf(node);
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    const next = isMap(node) ? pairOf(node.items, step) : isSeq(node) ? node.items[Number(step)] : undefined;
    if (next === undefined) break;
    node = isPair(next) ? next.value : next;
    const valueStart = isCollection(node) || isAlias(node) || isEmpty(node) ? undefined : startOf(node);
    found = valueStart ?? startOf(isPair(next) ? next.key : next) ?? found;
  }
  return found === undefined ? undefined : position(found);
}

function pairOf(items: readonly Pair[], step: string | number): Pair | undefined {
  return items.find((pair) => (isScalar(pair.key) ? pair.key.value : pair.key) === step);
}

function isEmpty(node: unknown): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

function startOf(node: unknown): number | undefined {
  return (node as Node | ParsedNode | null | undefined)?.range?.[0];
}
