// The processes that a lab is made of, by the names that people use: they are killed to see what happens then.
import { TrunklineError } from "../../base/errors.ts";

/** One of them; what happens after a kill is its supervisor's affair. */
export interface LabProcess {
  readonly running: boolean;
  /** Null for a part of the lab's own process, and for what does not run. */
  readonly pid: number | null;
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export interface ProcessRow {
  readonly name: string;
  readonly running: boolean;
  readonly pid: number | null;
}

export type ProcessAct = "kill" | "stop" | "start";

/** Returns a row for each, by name. */
export function processRows(processes: ReadonlyMap<string, LabProcess>): ProcessRow[] {
  return [...processes]
    .map(([name, { running, pid }]) => ({ name, running, pid }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Does something to one of them. @throws TrunklineError `lab.no-process`, and what keeps it from starting */
export async function actOn(
  processes: ReadonlyMap<string, LabProcess>,
  name: string,
  act: ProcessAct,
): Promise<void> {
  const found = processes.get(name);
  if (!found) throw new TrunklineError("lab.no-process", { name, known: [...processes.keys()].toSorted() });
  await found[act]();
}
