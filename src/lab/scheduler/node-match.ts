// Node selectors and tolerations as the core/v1 API defines them.
import type {
  Node,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodSpec,
  Taint,
  Toleration,
} from "../../api/kinds/core.ts";

/** Returns whether a term holds on a node. Requirements are ANDed; a term without any holds nowhere. */
export function termMatches(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length + fields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  return (
    expressions.every((requirement) => requirementMatches(requirement, labels[requirement.key])) &&
    fields.every(
      (requirement) =>
        requirement.key === "metadata.name" && requirementMatches(requirement, node.metadata.name),
    )
  );
}

function requirementMatches(
  { operator, values = [] }: NodeSelectorRequirement,
  actual: string | undefined,
): boolean {
  switch (operator) {
    case "In":
      return actual !== undefined && values.includes(actual);
    case "NotIn":
      return actual === undefined || !values.includes(actual);
    case "Exists":
      return actual !== undefined;
    case "DoesNotExist":
      return actual === undefined;
    case "Gt":
    case "Lt": {
      const [limit] = values;
      if (actual === undefined || limit === undefined || !isInteger(actual) || !isInteger(limit))
        return false;
      return operator === "Gt" ? BigInt(actual) > BigInt(limit) : BigInt(actual) < BigInt(limit);
    }
  }
}

function isInteger(text: string): boolean {
  return /^-?\d+$/.test(text);
}

/** Returns whether a pod's nodeSelector and required node affinity hold on a node. Terms are ORed. */
export function affinityMatches(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const selected = Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return (
    selected && (required === undefined || required.nodeSelectorTerms.some((term) => termMatches(term, node)))
  );
}

/** Returns the sum of weights of the preferred terms that hold on a node. */
export function preference(spec: PodSpec, node: Node): number {
  const preferred = spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return preferred
    .filter(({ preference: term }) => term !== undefined && termMatches(term, node))
    .reduce((sum, { weight }) => sum + weight, 0);
}

/** Returns whether one of the tolerations covers a taint. */
export function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some((toleration) => {
    if (toleration.effect !== undefined && toleration.effect !== taint.effect) return false;
    // An empty key with Exists covers every taint.
    if (toleration.key === undefined || toleration.key === "") return toleration.operator === "Exists";
    if (toleration.key !== taint.key) return false;
    return toleration.operator === "Exists" || (toleration.value ?? "") === (taint.value ?? "");
  });
}
