// Label selectors made ready for matching many label sets: validated once, with a canonical key and an index hint.
import { type Labels, labelOf } from "../../api/selectors/selectors.ts";
import { whyNotLabelValue, whyNotQualifiedName } from "../../api/words.ts";
import { Interned } from "../../base/interned.ts";

interface Requirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values: ReadonlySet<string>;
}

/** A selector that is valid. */
export interface Selector {
  /** Equal for selectors that say the same in the same words, in any order. */
  readonly key: string;
  readonly requirements: readonly Requirement[];
}

const knownSelectors = new Interned<string, Selector>();
const knownLabels = new Interned<string, Selector>();

export const selectEverything: Selector = { key: "[]", requirements: [] };

const operators = new Set(["In", "NotIn", "Exists", "DoesNotExist"]);

/**
 * Returns the selector, or what is wrong with it (meta/v1 LabelSelectorAsSelector): such a selector selects nothing,
 * never everything.
 */
export function readSelector(selector: unknown): Selector | { readonly wrong: string } {
  const common = ofOneLabel(selector);
  if (common !== undefined) return common;
  const { requirements, wrong } = readParts(selector);
  const [first] = wrong;
  return first === undefined ? selectorOf(requirements) : { wrong: first };
}

/**
 * Returns the selector of what can be read, and what is wrong with the rest. Each requirement narrows: without those that
 * cannot be read it matches all that was meant, and perhaps more.
 */
export function readWidest(selector: unknown): {
  readonly selector: Selector;
  readonly wrong: readonly string[];
} {
  const common = ofOneLabel(selector);
  if (common !== undefined) return { selector: common, wrong: nothing };
  const { requirements, wrong } = readParts(selector);
  return { selector: selectorOf(requirements), wrong };
}

function readParts(selector: unknown): { requirements: Requirement[]; wrong: readonly string[] } {
  const requirements: Requirement[] = [];
  if (selector == null) return { requirements, wrong: nothing };
  if (!isObject(selector)) return { requirements, wrong: ["a selector must be an object"] };
  const { matchLabels = null, matchExpressions = null } = selector;
  const wrong: string[] = [];
  const take = (found: Requirement | string): void => {
    if (typeof found === "string") wrong.push(found);
    else requirements.push(found);
  };
  if (matchLabels !== null && !isObject(matchLabels)) take("matchLabels must be an object");
  else if (matchLabels !== null)
    for (const key of Object.keys(matchLabels)) take(readRequirement(key, "In", [matchLabels[key]]));
  if (matchExpressions !== null && !Array.isArray(matchExpressions)) take("matchExpressions must be a list");
  else if (matchExpressions !== null)
    for (const one of matchExpressions as readonly unknown[]) {
      const { key, operator, values } = isObject(one) ? one : noFields;
      take(readRequirement(key, operator, values ?? nothing));
    }
  return { requirements, wrong };
}

// Large clusters have very many selectors, nearly all of them right.
const nothing: readonly string[] = [];
const noFields: Readonly<Record<string, unknown>> = {};

function selectorOf(requirements: readonly Requirement[]): Selector {
  const [only, ...others] = requirements;
  if (only === undefined) return selectEverything;
  // Most have one; tables for each of them would be garbage by the ten thousand.
  if (others.length === 0) return keyed([textOf(only)], () => [only]);
  // The same for all who say the same, in any order and how often they like: whoever came first is kept for the others.
  const said = new Map(requirements.map((requirement) => [textOf(requirement), requirement]));
  const texts = [...said.keys()].toSorted();
  return keyed(texts, () => texts.map((text) => said.get(text)!));
}

function keyed(texts: readonly string[], requirements: () => readonly Requirement[]): Selector {
  const key = `[${texts.join()}]`;
  return knownSelectors.get(key, () => ({ key, requirements: requirements() }));
}

/** Returns the selector of one label, as most are written; undefined where it is another one, or wrong. */
function ofOneLabel(selector: unknown): Selector | undefined {
  if (!isObject(selector)) return undefined;
  const [only, ...others] = Object.keys(selector);
  const { matchLabels } = selector;
  if (only !== "matchLabels" || others.length > 0 || !isObject(matchLabels)) return undefined;
  const [key, ...more] = Object.keys(matchLabels);
  if (key === undefined || more.length > 0) return undefined;
  const value = matchLabels[key];
  if (typeof value !== "string" || key === "") return undefined;
  // Neither may hold a `=`: what is wrong is not remembered.
  const place = `${key}=${value}`;
  const known = knownLabels.find(place);
  if (known !== undefined || whyNotWords(key, [value]) !== undefined) return known;
  return knownLabels.get(place, () => selectorOf([{ key, operator: "In", values: new Set([value]) }]));
}

/** Returns the requirement, or what is wrong with it. */
function readRequirement(key: unknown, operator: unknown, values: unknown): Requirement | string {
  if (typeof key !== "string" || key === "") return "a requirement names no label";
  if (!isOperator(operator)) return `'${String(operator)}' is not an operator of selectors`;
  if (!Array.isArray(values)) return `values must be a list (label '${key}')`;
  const why = whyNotWords(key, values);
  if (why !== undefined) return why;
  const wantsValues = operator === "In" || operator === "NotIn";
  if (wantsValues && values.length === 0) return `${operator} needs values (label '${key}')`;
  if (!wantsValues && values.length > 0) return `${operator} takes no values (label '${key}')`;
  return { key, operator, values: new Set(values as string[]) };
}

/** Returns what is wrong with a label's name or values that a selector asks for, or undefined. */
function whyNotWords(key: string, values: readonly unknown[]): string | undefined {
  const badKey = whyNotQualifiedName(key);
  if (badKey !== undefined) return `the label's name ${badKey}`;
  for (const value of values) {
    if (typeof value !== "string") return `the value of label '${key}' is not a text`;
    const badValue = whyNotLabelValue(value);
    if (badValue !== undefined) return `the value of label '${key}' ${badValue}`;
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isOperator(value: unknown): value is Requirement["operator"] {
  return typeof value === "string" && operators.has(value);
}

function textOf({ key, operator, values }: Requirement): string {
  return JSON.stringify([key, operator, values.size > 1 ? [...values].toSorted() : [...values]]);
}

/** Returns whether labels satisfy the selector; NotIn and DoesNotExist match where the key is absent, as the API says. */
export function selects(selector: Selector, labels: Labels | undefined): boolean {
  for (const { key, operator, values } of selector.requirements) {
    const value = labelOf(labels, key);
    switch (operator) {
      case "In":
        if (value === undefined || !values.has(value)) return false;
        break;
      case "NotIn":
        if (value !== undefined && values.has(value)) return false;
        break;
      case "Exists":
        if (value === undefined) return false;
        break;
      case "DoesNotExist":
        if (value !== undefined) return false;
        break;
    }
  }
  return true;
}
