// Runs the rules over objects and gives back findings in one order.
import { formatPath } from "../../base/problem.ts";
import { compareFindings, type Finding, type Severity } from "./finding.ts";
import type { Rule } from "./rule.ts";
import { rules as allRules } from "./rules/index.ts";
import { type LintContext, lintView } from "./view.ts";
import type { Written } from "./written.ts";
import { nameOf } from "./written.ts";

/**
 * Returns everything that the rules find in a set of objects.
 * An object that no rule can read (bad ranges, unknown fields) is passed over, never an exception.
 */
export function lint(
  written: readonly Written[],
  options: LintContext & { readonly rules?: readonly Rule[] } = {},
): Finding[] {
  const view = lintView(written, options);
  const findings: Finding[] = [];
  for (const rule of options.rules ?? allRules) {
    for (const report of rule.check(view)) {
      const position = report.position ?? report.on.at(report.path);
      const edit = report.change && report.on.edit?.(report.change);
      findings.push({
        rule: rule.id,
        name: rule.name,
        severity: report.severity ?? rule.severity,
        message: report.message,
        explanation: rule.explanation,
        ...(report.fix === undefined ? {} : { fix: report.fix }),
        ...(report.corrected === undefined ? {} : { corrected: report.corrected }),
        ...(edit === undefined ? {} : { edit }),
        object: nameOf(report.on.object),
        ...(report.path.length === 0 ? {} : { path: formatPath(report.path) }),
        ...(position ? { position } : {}),
      });
    }
  }
  return findings.toSorted(compareFindings);
}

const rank: Record<Severity, number> = { info: 0, warning: 1, error: 2 };

/** Returns whether any finding is at least that severe. */
export function hasFindings(findings: readonly Finding[], least: Severity): boolean {
  return findings.some((finding) => rank[finding.severity] >= rank[least]);
}
