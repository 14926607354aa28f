// Figures as a table in columns.

/** Returns three significant digits. */
export function figure(value: number | null): string {
  return value === null ? "" : String(Number(value.toPrecision(3)));
}

export function columns(cells: readonly (readonly string[])[]): string {
  const widths = cells[0]?.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0))) ?? [];
  return cells
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
