// Probes between many: everybody to everybody on every port, in parallel.

import type { ProbeResult } from "../../agent/probe/result.ts";
import { formatPort } from "../../explain/ports.ts";
import type { LabPort } from "../file/lab-file.ts";
import type { Party } from "../targets.ts";

export interface MatrixCell {
  readonly from: string;
  readonly to: string;
  /** `80/tcp` */
  readonly port: string;
  readonly reachable: boolean;
  readonly sourceSeen: string | null;
  readonly outcome: ProbeResult["outcome"];
}

interface Question {
  readonly from: Party;
  readonly to: Party;
  readonly port: LabPort;
}

/** More would meet the limit of open descriptors before they would be quicker. */
const AT_A_TIME = 800;

/** Returns every question of a matrix: on `ports`, or on those that each target declares. */
export function questionsOf(parties: readonly Party[], ports: readonly LabPort[] | undefined): Question[] {
  return parties.flatMap((from) =>
    parties.flatMap((to) => (ports ?? to.ports).map((port) => ({ from, to, port }))),
  );
}

/** Asks all questions and returns the cells in their order. */
export async function askAll(
  questions: readonly Question[],
  ask: (question: Question) => Promise<ProbeResult>,
): Promise<MatrixCell[]> {
  const cells: MatrixCell[] = Array.from({ length: questions.length });
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < questions.length; at = next++) {
      const question = questions[at]!;
      const { reachable, sourceSeen, outcome } = await ask(question);
      const { from, to, port } = question;
      cells[at] = { from: from.name, to: to.name, port: formatPort(port), reachable, sourceSeen, outcome };
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, questions.length) }, worker));
  return cells;
}
