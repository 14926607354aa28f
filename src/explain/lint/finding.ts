// What lint says about a manifest or a cluster: data with a stable rule id, put into words and formats elsewhere.
import type { Position, TextEdit } from "../../base/problem.ts";

export type Severity = "error" | "warning" | "info";

export interface Finding {
  /** Stable id: `TL014`. Ids are never given to another rule. */
  readonly rule: string;
  /** Stable short name: `separate-ports-item`. */
  readonly name: string;
  readonly severity: Severity;
  /** What is wrong, in this place. */
  readonly message: string;
  /** Why it matters; the same for all findings of a rule. */
  readonly explanation: string;
  /** What to do about it. */
  readonly fix?: string;
  /** YAML that says what was probably meant. */
  readonly corrected?: string;
  /** The change of the text that does it. */
  readonly edit?: TextEdit;
  /** `networkpolicy/NAMESPACE/NAME` */
  readonly object: string;
  /** `spec.ingress[1].ports` */
  readonly path?: string;
  readonly position?: Position;
}

/** Orders findings by place, then by rule: the same input gives the same text whatever order it was read in. */
export function compareFindings(a: Finding, b: Finding): number {
  return (
    compare(a.position?.file ?? "", b.position?.file ?? "") ||
    (a.position?.line ?? 0) - (b.position?.line ?? 0) ||
    (a.position?.column ?? 0) - (b.position?.column ?? 0) ||
    compare(a.object, b.object) ||
    compare(a.rule, b.rule) ||
    compare(a.path ?? "", b.path ?? "")
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
