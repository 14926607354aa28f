// The shape of a lint rule: what it is called, why it exists, and a pure check over the cluster as written.
import type { Change } from "../../api/manifest/edits.ts";
import type { KubeObject } from "../../api/object.ts";
import type { Path, Position } from "../../base/problem.ts";
import type { Severity } from "./finding.ts";
import type { LintView } from "./view.ts";
import type { Written } from "./written.ts";

/** What a check reports; the rule's own name, severity and explanation are added by the runner. */
export interface Report {
  readonly on: Written<KubeObject>;
  readonly path: Path;
  /** Where it stands, if that is more exact than the place of `path`. */
  readonly position?: Position;
  readonly message: string;
  readonly fix?: string;
  readonly corrected?: string;
  /** What would do it, in the text. */
  readonly change?: Change;
  /** Where evidence makes this one better or worse than the rule's usual severity. */
  readonly severity?: Severity;
}

export interface Rule {
  readonly id: `TL${number}`;
  readonly name: string;
  readonly severity: Severity;
  /** One line for lists of rules. */
  readonly summary: string;
  /** Why it matters. */
  readonly explanation: string;
  readonly check: (view: LintView) => Iterable<Report>;
}
