// Who reaches whom, found with packets and said by the plans, in a form in which the two can be compared.
import type { Commands, Said } from "./trunkline.ts";

interface Named {
  readonly from: string;
  readonly to: string;
  readonly port: string;
}
export interface ProbedCell extends Named {
  readonly reachable: boolean;
  readonly outcome: string;
  readonly sourceSeen: string | null;
}
export interface PlannedCell extends Named {
  /** null: cannot tell. */
  readonly allowed: boolean | null;
  readonly by?: { readonly by: string; readonly policy?: string; readonly reason: string };
}

export const keyOf = ({ from, to, port }: Named): string => `${from} → ${to} ${port}`;

function parsed<T>({ stdout, stderr, code }: Said): T {
  if (stdout === "") throw new Error(`ended with ${code} and no answer: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Runs a command whose answer may be no: its JSON is what counts, and not its exit code. */
export async function answer<T>(commands: Commands, ...words: string[]): Promise<T> {
  return parsed<T>(await commands.say(...words, "--lab", commands.lab, "-o", "json"));
}

/** Returns the matrix that packets find, and the one of the plans, both by cell. */
export async function bothMatrices(
  commands: Commands,
  ...words: string[]
): Promise<{ probed: ProbedCell[]; planned: PlannedCell[] }> {
  const planned = await answer<{ cells: PlannedCell[] }>(commands, "policy", "matrix", ...words);
  const probed = await answer<{ cells: ProbedCell[] }>(
    commands,
    "probe",
    "--all",
    "--timeout",
    "400",
    ...words,
  );
  const allowed = new Set(planned.cells.filter((cell) => cell.allowed === true).map(keyOf));
  // All are asked at once, and a machine that others use, too, may be too slow for some: these are asked again, one by one.
  // (Of SCTP who asks itself and waits in vain takes that for a refusal.)
  const cells: ProbedCell[] = [];
  for (const cell of probed.cells) {
    const isLate = !cell.reachable && allowed.has(keyOf(cell));
    cells.push(isLate ? { ...cell, ...(await probedAlone(commands, cell)) } : cell);
  }
  return { probed: cells, planned: planned.cells };
}

async function probedAlone(commands: Commands, { from, to, port }: Named) {
  const { reachable, outcome } = await answer<Pick<ProbedCell, "reachable" | "outcome">>(
    commands,
    "probe",
    from,
    `${to}:${port}`,
    "--timeout",
    "3000",
  );
  return { reachable, outcome };
}

/** What each cell is, in the order of names. */
export function verdicts(cells: readonly (ProbedCell | PlannedCell)[]): Record<string, boolean | null> {
  const pairs = cells.map((cell): [string, boolean | null] => [
    keyOf(cell),
    "allowed" in cell ? cell.allowed : cell.reachable,
  ]);
  return Object.fromEntries(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
