// One finding.

export interface Diagnosis {
  /** Stable, such as `policy.invalid`. */
  readonly code: string;
  /** error: something does not work or does less than was written; note: worth knowing, nothing is wrong. */
  readonly severity: "error" | "warning" | "note";
  /** `Kind/name` or `Kind/namespace/name`. */
  readonly object: string;
  readonly message: string;
}
