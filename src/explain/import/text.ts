// The table of what became of each setting.
import type { Imported } from "./types.ts";

const WIDEST = 40;

/** Returns rows of a table, the heading first: one line a setting. */
export function settingRows({ settings }: Imported): string[][] {
  return [
    ["SETTING", "VALUE", "VERDICT", "BECAME", "WHY"],
    ...settings.map(({ name, value, verdict, became, why }) => [
      name,
      oneLine(value),
      verdict,
      became ? `${became.object} ${became.path}: ${JSON.stringify(became.value)}` : "-",
      why,
    ]),
  ];
}

function oneLine(value: string | null): string {
  if (value === null) return "-";
  const line = JSON.stringify(value.replace(/\s+/g, " ").trim());
  return line.length > WIDEST ? `${line.slice(0, WIDEST - 1)}…` : line;
}
