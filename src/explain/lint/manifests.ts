// Lint over manifests as they were read: what the rules find, and what reading found.
import {
  type ManifestObject,
  type Manifests,
  NO_SPEC,
  NULL_IN_LABELS,
  NULL_IN_SELECTOR,
} from "../../api/manifest/parse.ts";
import { type Problem, parsePath, type TextEdit } from "../../base/problem.ts";
import { compareFindings, type Finding } from "./finding.ts";
import type { Rule } from "./rule.ts";
import { badObject } from "./rules/manifests/tl024-bad-object.ts";
import { unknownField } from "./rules/manifests/tl025-unknown-field.ts";
import { unknownKind } from "./rules/manifests/tl026-unknown-kind.ts";
import { nothingBehind } from "./rules/manifests/tl027-nothing-behind.ts";
import { noSpec } from "./rules/manifests/tl028-no-spec.ts";
import { lint } from "./run.ts";
import type { LintContext } from "./view.ts";
import { nameOf } from "./written.ts";

/** Returns whether a problem means that a text could not be read at all: then there is nothing to lint. */
export function isUnreadable(problem: Problem): boolean {
  return problem.code.startsWith("yaml.") || problem.code.startsWith("manifest.");
}

/**
 * Returns all findings about manifests, which are to be read with unknown kinds as warnings and bad values kept.
 * Of a problem that both reading and a rule found, only the rule's finding is told.
 */
export function lintManifests(manifests: Manifests, context: LintContext = {}): Finding[] {
  const found = lint(manifests.objects, context);
  const told = new Set(found.flatMap((finding) => placeOf(finding) ?? []));
  const read = [...manifests.errors, ...manifests.warnings]
    .map((problem) => findingOf(problem, manifests.objects))
    .filter((finding) => !told.has(placeOf(finding) ?? ""));
  return [...found, ...read].toSorted(compareFindings);
}

function placeOf({ position }: Pick<Finding, "position">): string | undefined {
  return position && `${position.file}:${position.line}:${position.column}`;
}

function findingOf(problem: Problem, objects: readonly ManifestObject[]): Finding {
  const rule = ruleOf(problem);
  const { message, hint, path, position } = problem;
  const object = ownerOf(problem, objects);
  const edit = object && editOf(problem, object);
  return {
    rule: rule.id,
    name: rule.name,
    // Labels lose their name at most; a selector may come to select everything.
    severity: problem.code === NULL_IN_LABELS ? "warning" : rule.severity,
    message,
    explanation: rule.explanation,
    ...(hint === undefined ? {} : { fix: hint }),
    ...(edit === undefined ? {} : { edit }),
    object: object ? nameOf(object.object) : "",
    ...(path === undefined ? {} : { path }),
    ...(position ? { position } : {}),
  };
}

function editOf({ code, path, meant }: Problem, object: ManifestObject): TextEdit | undefined {
  if (path === undefined || meant === undefined) return undefined;
  const what = code === "schema.unknown-field" ? "rename" : "replace";
  return object.edit({ what, path: parsePath(path), to: meant });
}

function ruleOf({ code }: Problem): Rule {
  if (code.startsWith("manifest.")) return unknownKind;
  if (code === NO_SPEC) return noSpec;
  if (code === NULL_IN_SELECTOR || code === NULL_IN_LABELS) return nothingBehind;
  return code === "schema.unknown-field" || code === "schema.namespace" ? unknownField : badObject;
}

/**
 * Returns the object that a problem is in: the one that starts last before it in the same file, if its path leads there. One that
 * could not be read as an object at all is nobody's, and above all not that of the object before it.
 */
export function ownerOf(
  { position, path = "" }: Problem,
  objects: readonly ManifestObject[],
): ManifestObject | undefined {
  if (!position) return undefined;
  let best: { line: number; object: ManifestObject } | undefined;
  for (const object of objects) {
    const start = object.at([]);
    if (start?.file !== position.file || start.line > position.line) continue;
    if (!best || start.line > best.line) best = { line: start.line, object };
  }
  const place = best?.object.at(parsePath(path));
  const isThere = place?.line === position.line && place.column === position.column;
  return isThere ? best?.object : undefined;
}
