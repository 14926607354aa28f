// A matrix as JSON, CSV, Graphviz DOT and SVG (as text: text.ts). Those that list cells stream them, line by line.
import { getOrMake } from "../../plan/policy/node/selector-index.ts";
import type { Cell, Refusal } from "./matrix.ts";

export const matrixFormats = ["text", "json", "csv", "dot", "svg"] as const;
export type MatrixFormat = (typeof matrixFormats)[number];

/** Gives a matrix in one of the formats for programs, in pieces. */
export function* formatMatrix(
  cells: Iterable<Cell>,
  format: Exclude<MatrixFormat, "text">,
): Generator<string> {
  if (format === "json") yield* json(cells);
  else if (format === "csv") yield* csv(cells);
  else if (format === "dot") yield* dot(cells);
  else yield* svg(gridOf(cells));
}

function* json(cells: Iterable<Cell>): Generator<string> {
  yield '{"cells":[';
  let separator = "\n";
  for (const cell of cells) {
    yield separator + JSON.stringify(cell);
    separator = ",\n";
  }
  yield "\n]}\n";
}

function* csv(cells: Iterable<Cell>): Generator<string> {
  yield "from,to,port,allowed,by,policy,reason\n";
  // Millions of cells name the same few ends and refusals.
  const fields = new Map<string, string>();
  const field = (text: string) => getOrMake(fields, text, () => csvField(text));
  const refusals = new Map<Refusal, string>();
  for (const { from, to, port, allowed, by } of cells) {
    const why =
      by && getOrMake(refusals, by, () => [by.by, by.policy ?? "", by.reason].map(csvField).join(","));
    yield `${field(from)},${field(to)},${port},${allowed ?? "unknown"},${why ?? ",,"}\n`;
  }
}

/** RFC 4180: quotes around what holds a comma, a quote or a line break. */
function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** One arrow for each pair that may speak, with its ports; with a question mark where that cannot be told. */
function* dot(cells: Iterable<Cell>): Generator<string> {
  const edges = new Map<string, { from: string; to: string; ports: string[] }>();
  const names = new Set<string>();
  for (const { from, to, port, allowed } of cells) {
    names.add(from).add(to);
    if (allowed === false || from === to) continue;
    const key = `${from} ${to}`;
    const edge = edges.get(key) ?? { from, to, ports: [] };
    edge.ports.push(allowed ? port : `${port}?`);
    edges.set(key, edge);
  }
  const id = (text: string) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  yield "digraph reach {\n  rankdir=LR;\n  node [shape=box];\n";
  for (const name of names) yield `  ${id(name)};\n`;
  for (const { from, to, ports } of edges.values()) {
    yield `  ${id(from)} -> ${id(to)} [label=${id(ports.join("\\n")).replaceAll("\\\\n", "\\n")}];\n`;
  }
  yield "}\n";
}

interface Grid {
  readonly froms: readonly string[];
  readonly tos: readonly string[];
  readonly ports: readonly string[];
  readonly cells: ReadonlyMap<string, Cell>;
}

function gridOf(cells: Iterable<Cell>): Grid {
  const froms = new Set<string>();
  const tos = new Set<string>();
  const ports = new Set<string>();
  const all = new Map<string, Cell>();
  for (const cell of cells) {
    froms.add(cell.from);
    tos.add(cell.to);
    ports.add(cell.port);
    all.set(keyOf(cell.from, cell.to, cell.port), cell);
  }
  return { froms: [...froms], tos: [...tos], ports: [...ports], cells: all };
}

function keyOf(from: string, to: string, port: string): string {
  return `${from} ${to} ${port}`;
}

export function whyNot({ allowed, by }: Pick<Cell, "allowed" | "by">): string {
  return `${allowed === null ? "cannot tell" : "denied"}: ${by?.reason}`;
}

function colourOf(allowed: Cell["allowed"]): string {
  return allowed === null ? "#d9a514" : allowed ? "#3a923a" : "#c03d3e";
}

const size = 16;
const letter = 7;

function* svg({ froms, tos, ports, cells }: Grid): Generator<string> {
  const left = Math.max(0, ...froms.map((name) => name.length)) * letter + 12;
  const top = Math.max(0, ...tos.map((name) => name.length)) * letter + 12;
  const block = froms.length * size + 40;
  const width = left + tos.length * size + top;
  const height = top + ports.length * block + 12;
  yield `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="12" role="img" aria-label="Who may reach whom">\n<title>Who may reach whom</title>\n`;
  yield `<rect width="100%" height="100%" fill="#fff"/>\n`;
  for (const [index, to] of tos.entries()) {
    const x = left + index * size + 12;
    yield `<text transform="translate(${x} ${top - 6}) rotate(-90)">${xml(to)}</text>\n`;
  }
  for (const [at, port] of ports.entries()) {
    const y = top + at * block + 16;
    yield `<text x="4" y="${y}" font-weight="bold">${xml(port)}</text>\n`;
    for (const [row, from] of froms.entries()) {
      const line = y + 6 + row * size;
      yield `<text x="4" y="${line + 12}">${xml(from)}</text>\n`;
      for (const [column, to] of tos.entries()) {
        const cell = cells.get(keyOf(from, to, port));
        if (!cell) continue;
        const title = `${from} → ${to} ${port}: ${cell.allowed ? "allowed" : whyNot(cell)}`;
        const place = `x="${left + column * size}" y="${line}" width="${size - 2}" height="${size - 2}"`;
        yield `<rect ${place} fill="${colourOf(cell.allowed)}"><title>${xml(title)}</title></rect>\n`;
      }
    }
  }
  yield "</svg>\n";
}

function xml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
