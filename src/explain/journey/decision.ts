// What the plan says of a flow's source, in the shape of answers.
import { type SnatDecision, snatRows } from "../../plan/snat/index.ts";
import type { SourceDecision } from "../judges/judge.ts";

/** Returns a plan's decision with the number of the row that decided. */
export function decisionOf({ row, ...decision }: SnatDecision): SourceDecision {
  return { ...decision, row, rowNumber: snatRows.findIndex(({ id }) => id === row) + 1 };
}
