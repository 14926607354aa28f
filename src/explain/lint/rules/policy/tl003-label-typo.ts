import type { LabelSelector } from "../../../../api/kinds/core.ts";
import type { Path } from "../../../../base/problem.ts";
import { nearestLabel } from "../../nearest.ts";
import type { Report, Rule } from "../../rule.ts";
import type { PolicyView } from "../../view.ts";

type Labels = Readonly<Record<string, string>>;

export const labelTypo: Rule = {
  id: "TL003",
  name: "label-typo",
  severity: "warning",
  summary: "a selector names a label that nothing carries, but something carries nearly the same one",
  explanation:
    "Labels are compared letter by letter. A selector with a mistyped key or value silently matches nothing.",
  *check(view) {
    const podLabels = vocabulary(view.subjects.map((subject) => subject.labels));
    const spaces = new Set(view.subjects.map((subject) => subject.namespace));
    const all = [...spaces, ...view.facts.namespaces.keys()].map((name) => view.namespaceLabels(name));
    const namespaceLabels = vocabulary(all);
    for (const policy of view.policies) yield* ofPolicy(policy, podLabels, namespaceLabels);
  },
};

type Vocabulary = ReadonlyMap<string, ReadonlySet<string>>;

function vocabulary(all: readonly Labels[]): Vocabulary {
  const words = new Map<string, Set<string>>();
  for (const labels of all) {
    for (const [key, value] of Object.entries(labels)) {
      const values = words.get(key) ?? new Set();
      words.set(key, values.add(value));
    }
  }
  return words;
}

function* ofPolicy(policy: PolicyView, pods: Vocabulary, spaces: Vocabulary): Iterable<Report> {
  yield* ofSelector(policy, policy.selector, ["spec", "podSelector"], pods);
  for (const rule of policy.rules) {
    for (const [index, peer] of (rule.peers ?? []).entries()) {
      const path = [...rule.path, rule.peersKey, index];
      yield* ofSelector(policy, peer?.podSelector, [...path, "podSelector"], pods);
      yield* ofSelector(policy, peer?.namespaceSelector, [...path, "namespaceSelector"], spaces);
    }
  }
}

function* ofSelector(
  policy: PolicyView,
  selector: LabelSelector | undefined,
  path: Path,
  known: Vocabulary,
): Iterable<Report> {
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
    const found = typo(key, [value], known);
    if (!found) continue;
    const { near, at, ...words } = found;
    const place = [...path, "matchLabels", key];
    const what = at === undefined ? "rename" : "replace";
    yield { on: policy.on, path: place, ...words, change: { what, path: place, to: near } };
  }
  for (const [index, requirement] of (selector?.matchExpressions ?? []).entries()) {
    if (requirement.operator !== "In" && requirement.operator !== "Exists") continue;
    const found = typo(requirement.key, requirement.values ?? [], known);
    if (!found) continue;
    const { near, at, ...words } = found;
    const item = [...path, "matchExpressions", index];
    const place = at === undefined ? [...item, "key"] : [...item, "values", at];
    yield { on: policy.on, path: item, ...words, change: { what: "replace", path: place, to: near } };
  }
}

interface Typo {
  readonly message: string;
  readonly fix: string;
  readonly near: string;
  /** Which of the values; undefined: the key. */
  readonly at?: number;
}

function typo(key: string, values: readonly string[], known: Vocabulary): Typo | undefined {
  const have = known.get(key);
  if (!have) {
    const near = nearestLabel(key, known.keys());
    if (near === undefined) return undefined;
    return {
      message: `no label has the key '${key}'; '${near}' exists`,
      fix: `Write '${near}' if that was meant.`,
      near,
    };
  }
  for (const [at, value] of values.entries()) {
    if (have.has(value)) continue;
    const near = nearestLabel(value, have);
    if (near === undefined) continue;
    return {
      message: `no label '${key}' has the value '${value}'; '${near}' exists`,
      fix: `Write '${key}: ${near}' if that was meant.`,
      near,
      at,
    };
  }
  return undefined;
}
