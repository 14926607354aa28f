// A matrix of reach as text: a row for each sender, a column for each target and port, and a legend.
import type { MatrixCell } from "../lab/probe/matrix.ts";
import { table } from "./output.ts";

/** Marks are letters as well as shapes, so that they can be told apart without colour. */
const MARKS = { answered: "✓", refused: "r", filtered: ".", unreachable: "u", failed: "!" } as const;

/** Returns the table; columns are numbered where their names would not fit a terminal. */
export function drawMatrix(cells: readonly MatrixCell[]): string {
  if (cells.length === 0) return "nobody to probe: there are no pods that run, and no hosts";
  const senders = [...new Set(cells.map(({ from }) => from))];
  const columns = new Map<string, string[]>();
  for (const { to, port } of cells) {
    const ports = columns.get(to) ?? [];
    if (!ports.includes(port)) ports.push(port);
    columns.set(to, ports);
  }
  const marks = new Map(cells.map((cell) => [`${cell.from} ${cell.to} ${cell.port}`, MARKS[cell.outcome]]));
  const targets = [...columns];
  const heading = ["FROM", ...targets.map((_, at) => `#${at + 1}`)];
  const rows = senders.map((from) => [
    from,
    ...targets.map(([to, ports]) => ports.map((port) => marks.get(`${from} ${to} ${port}`) ?? " ").join("")),
  ]);
  const legend = targets.map(([to, ports], at) => [`#${at + 1}`, to, ports.join(" ")]);
  const count = (outcome: MatrixCell["outcome"]): number =>
    cells.filter((cell) => cell.outcome === outcome).length;
  return [
    table([["TO", "", "PORTS, ONE MARK EACH"], ...legend]),
    "",
    table([heading, ...rows]),
    "",
    `✓ reachable (${count("answered")})   . no answer: filtered (${count("filtered")})   r refused (${count("refused")})   ` +
      `u unreachable (${count("unreachable")})   ! failed (${count("failed")})`,
  ].join("\n");
}
