// The heat map of a matrix on a canvas: a square filled for allowed, a ring for denied, a diamond for what cannot be told, so
// that the shape tells it too.
import type { MatrixEnd } from "../../../src/ui/api.ts";

export interface Grid {
  readonly rows: readonly MatrixEnd[];
  readonly columns: readonly MatrixEnd[];
  readonly lines: readonly string[];
}

export interface Spot {
  readonly row: number;
  readonly column: number;
}

/** Sizes in CSS pixels. */
export interface Frame {
  readonly cell: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const LABEL = 6.6;
const LONGEST = 34;

/** Returns the sizes of a grid that is to fit into a width. */
export function frameOf({ rows, columns }: Grid, width: number): Frame {
  const longest = Math.min(LONGEST, Math.max(...rows.map(({ label }) => label.length), 8));
  const left = Math.ceil(longest * LABEL) + 12;
  const cell = Math.max(8, Math.min(24, Math.floor((width - left - 60) / Math.max(1, columns.length))));
  // Names of columns stand aslant, so they need less than their length.
  const top = Math.ceil(longest * LABEL * 0.71) + 14;
  return {
    cell,
    left,
    top,
    width: left + cell * columns.length + Math.ceil(longest * LABEL * 0.71) + 6,
    height: top + cell * rows.length + 4,
  };
}

/** Returns the cell at a place of the canvas. */
export function spotAt(
  { cell, left, top }: Frame,
  { rows, columns }: Grid,
  x: number,
  y: number,
): Spot | undefined {
  const column = Math.floor((x - left) / cell);
  const row = Math.floor((y - top) / cell);
  const isIn = column >= 0 && row >= 0 && column < columns.length && row < rows.length;
  return isIn ? { row, column } : undefined;
}

export interface Colours {
  readonly text: string;
  readonly soft: string;
  readonly line: string;
  readonly own: string;
  readonly yes: string;
  readonly no: string;
  readonly unknown: string;
}

/** Draws all of it: a few ten thousand small shapes. */
export function drawGrid(
  canvas: CanvasRenderingContext2D,
  grid: Grid,
  frame: Frame,
  colours: Colours,
  chosen: Spot | undefined,
): void {
  canvas.clearRect(0, 0, frame.width, frame.height);
  canvas.font = "12px system-ui, sans-serif";
  drawNames(canvas, grid, frame, colours, chosen);
  const { cell, left, top } = frame;
  for (const [row, line] of grid.lines.entries())
    for (let column = 0; column < line.length; column++)
      drawCell(canvas, line[column] ?? " ", left + column * cell, top + row * cell, cell, colours);
  if (!chosen) return;
  canvas.strokeStyle = colours.own;
  canvas.lineWidth = 2;
  canvas.strokeRect(left + chosen.column * cell - 1, top + chosen.row * cell - 1, cell + 2, cell + 2);
}

function drawCell(
  canvas: CanvasRenderingContext2D,
  sign: string,
  x: number,
  y: number,
  cell: number,
  colours: Colours,
): void {
  const gap = cell > 12 ? 2 : 1;
  const size = cell - 2 * gap;
  const [at, down] = [x + gap, y + gap];
  if (sign === "+") {
    canvas.fillStyle = colours.yes;
    canvas.fillRect(at, down, size, size);
  } else if (sign === ".") {
    canvas.strokeStyle = colours.no;
    canvas.lineWidth = cell > 12 ? 2 : 1.5;
    canvas.strokeRect(at + size * 0.2, down + size * 0.2, size * 0.6, size * 0.6);
  } else if (sign === "?") {
    canvas.fillStyle = colours.unknown;
    canvas.beginPath();
    canvas.moveTo(at + size / 2, down);
    canvas.lineTo(at + size, down + size / 2);
    canvas.lineTo(at + size / 2, down + size);
    canvas.lineTo(at, down + size / 2);
    canvas.fill();
  }
}

function drawNames(
  canvas: CanvasRenderingContext2D,
  { rows, columns }: Grid,
  { cell, left, top }: Frame,
  colours: Colours,
  chosen: Spot | undefined,
): void {
  // Where cells are smaller than letters only some names have room.
  const every = Math.max(1, Math.ceil(12 / cell));
  canvas.textBaseline = "middle";
  for (const [at, { label }] of rows.entries()) {
    if (at % every !== 0 && at !== chosen?.row) continue;
    canvas.fillStyle = at === chosen?.row ? colours.own : colours.text;
    canvas.textAlign = "right";
    canvas.fillText(shortened(label), left - 8, top + at * cell + cell / 2);
  }
  canvas.textAlign = "left";
  for (const [at, { label }] of columns.entries()) {
    if (at % every !== 0 && at !== chosen?.column) continue;
    canvas.save();
    canvas.translate(left + at * cell + cell / 2, top - 6);
    canvas.rotate(-Math.PI / 4);
    canvas.fillStyle = at === chosen?.column ? colours.own : colours.text;
    canvas.fillText(shortened(label), 0, 0);
    canvas.restore();
  }
}

function shortened(label: string): string {
  return label.length <= LONGEST ? label : `${label.slice(0, LONGEST - 1)}…`;
}
