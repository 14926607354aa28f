// Which objects a command is about: the words and options that get, describe, delete, scale and wait share, as kubectl
// has them, and looking those objects up.
import type { Command } from "commander";
import { categoryNamed } from "../../api/kinds/index.ts";
import { shown } from "../../api/kinds/secret.ts";
import type { Kind, KubeObject } from "../../api/object.ts";
import { fieldChooser } from "../../api/selectors/field-selector.ts";
import { matchesSelector, parseSelector } from "../../api/selectors/selectors.ts";
import { TrunklineError } from "../../base/errors.ts";
import type { Store } from "../../store/store.ts";
import {
  type ClusterOptions,
  clusterOptions,
  defaultNamespace,
  kindOfWord,
  type NamespaceOptions,
  withStore,
} from "../context.ts";
import { fileOption } from "../options.ts";
import { exit, say, sayProblems } from "../output.ts";

export interface SelectionOptions extends ClusterOptions {
  readonly filename?: readonly string[];
  readonly all?: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
}

/** Objects that a user means: one by name, or all of a kind. */
export interface Target {
  readonly kind: Kind;
  readonly name?: string;
  /** Where the named one is, or where to look; undefined for all namespaces, and for kinds without. */
  readonly namespace: string | undefined;
}

export interface Found {
  readonly target: Target;
  readonly items: readonly KubeObject[];
}

export interface SelectionRules<O> {
  readonly run: (store: Store, targets: readonly Target[], options: O) => Promise<void>;
  /** What --all means; the command has no --all without it. */
  readonly all?: string;
  /** Kinds that --all means where none is named. */
  readonly kindsOfAll?: readonly Kind[];
}

/** Adds to a command how objects are named and chosen, and its action. */
export function aboutObjects<O extends SelectionOptions>(
  command: Command,
  { run, all, kindsOfAll = [] }: SelectionRules<O>,
): Command {
  command
    .argument("[object...]", "KIND, KIND NAME…, KIND/NAME… or KIND,KIND; `all` for pods and workloads")
    .addOption(fileOption())
    .option("-R, --recursive", "folders below folders too, as always")
    .option("-l, --selector <labels>", "only objects with these labels: a=b,c!=d,e in (x,y),f,!g")
    .option(
      "--field-selector <fields>",
      "only objects with these fields: status.phase=Running,spec.nodeName!=n1",
    );
  if (all !== undefined) command.option("--all", all);
  command.action(async (words: string[], options: O) => {
    const targets = await targetsFrom(words, options, kindsOfAll);
    await withStore(options, (store) => run(store, targets, options));
  });
  return clusterOptions(command, "all");
}

/**
 * Returns what words and options name.
 * @throws TrunklineError `cli.kind`, `cli.usage`, `api.problems`, `api.file`
 */
async function targetsFrom(
  words: readonly string[],
  options: SelectionOptions,
  kindsOfAll: readonly Kind[],
): Promise<Target[]> {
  if (options.filename !== undefined) {
    if (words.length > 0) throw new TrunklineError("cli.usage", { why: "either -f or names, not both" });
    return targetsInFiles(options.filename, options);
  }
  // Who says --all and neither kind nor namespace means the whole cluster.
  if (words.length === 0 && options.all && kindsOfAll.length > 0)
    return kindsOfAll.map((kind) => ({ kind, namespace: options.namespace }));
  const targets = targetsOf(words);
  const named = targets.find(({ name }) => name !== undefined);
  if (named && choosesMany(options))
    throw new TrunklineError("cli.usage", { why: "either names, or --all and selectors, not both" });
  if (named?.kind.namespaced && options.allNamespaces)
    throw new TrunklineError("cli.usage", {
      why: `a ${named.kind.kind}'s name is one of its namespace: say -n NAMESPACE and not -A`,
    });
  return targets.map((target) => ({ ...target, namespace: namespaceOf(target, options) }));
}

function namespaceOf(
  { kind, name }: Omit<Target, "namespace">,
  options: NamespaceOptions,
): string | undefined {
  if (!kind.namespaced || (name === undefined && options.allNamespaces)) return undefined;
  return options.namespace ?? defaultNamespace;
}

async function targetsInFiles(files: readonly string[], options: NamespaceOptions): Promise<Target[]> {
  // Reading manifests takes two libraries, which a command that only prints must not wait for.
  const { readManifests } = await import("../../api/manifest/files.ts");
  const { objects, errors, notes } = await readManifests(files);
  sayProblems(notes, "note");
  if (errors.length > 0)
    throw new TrunklineError("api.problems", { problems: errors, consequence: "Nothing was done." });
  return objects.flatMap(({ kind, draft }) => {
    if (!kind) return [];
    const { name, namespace = options.namespace ?? defaultNamespace } = draft.metadata;
    return [{ kind, name, namespace: kind.namespaced ? namespace : undefined }];
  });
}

/**
 * Reads `KIND`, `KIND NAME…`, `KIND/NAME…` and `KIND,KIND`; a kind may be `all`.
 * @throws TrunklineError `cli.kind`, `cli.usage`
 */
export function targetsOf(words: readonly string[]): Omit<Target, "namespace">[] {
  const [first, ...rest] = words;
  if (first === undefined) throw new TrunklineError("cli.usage", { why: "a kind is missing, such as pods" });
  if (words.every((word) => word.includes("/"))) return words.map(slashTarget);
  const mixed = words.find((word) => word.includes("/"));
  if (mixed !== undefined)
    throw new TrunklineError("cli.usage", { why: `either KIND NAME or KIND/NAME, not both ('${mixed}')` });
  const kinds = first.split(",").flatMap((word) => categoryNamed(word) ?? [kindOfWord(word)]);
  if (rest.length === 0) return [...new Set(kinds)].map((kind) => ({ kind }));
  return kinds.flatMap((kind) => rest.map((name) => ({ kind, name })));
}

function slashTarget(word: string): Omit<Target, "namespace"> {
  const [kind = "", name = "", ...more] = word.split("/");
  if (name === "" || more.length > 0)
    throw new TrunklineError("cli.usage", { why: `'${word}' is not of the form KIND/NAME` });
  return { kind: kindOfWord(kind), name };
}

/**
 * Refuses a kind alone where neither --all nor a selector says that all of it is meant.
 * @throws TrunklineError `cli.usage`
 */
export function refuseBareKinds(targets: readonly Target[], options: SelectionOptions, verb: string): void {
  const bare = targets.find(({ name }) => name === undefined);
  if (bare && !choosesMany(options))
    throw new TrunklineError("cli.usage", { why: `name the ${bare.kind.plural} to ${verb}, or say --all` });
}

function choosesMany({ all, selector, fieldSelector }: SelectionOptions): boolean {
  return all === true || selector !== undefined || fieldSelector !== undefined;
}

/**
 * Returns whether an object has the labels and fields that the options ask for.
 * @throws TrunklineError `api.selector`
 */
export function chooser(options: SelectionOptions): (object: KubeObject) => boolean {
  const labels = parseSelector(options.selector ?? "");
  const fields = fieldChooser(options.fieldSelector ?? "");
  return (object) => matchesSelector(labels, object.metadata.labels) && fields(object);
}

/** Returns the objects that are there, fit to be shown, target by target, and the targets that name one that is not. */
export async function find(
  store: Store,
  targets: readonly Target[],
  options: SelectionOptions,
): Promise<{ readonly found: Found[]; readonly missing: Target[] }> {
  const chosen = chooser(options);
  const found: Found[] = [];
  const missing: Target[] = [];
  for (const target of targets) {
    const { kind, name, namespace } = target;
    if (name === undefined) {
      const { items } = await store.list(kind, namespace);
      found.push({ target, items: items.filter(chosen).map(shown) });
      continue;
    }
    const object = await store.get(kind, name, namespace);
    if (object) found.push({ target, items: [shown(object)] });
    else missing.push(target);
  }
  return { found, missing };
}

/** Says which objects are not there; the command ends with 1. */
export function sayMissing(missing: readonly Target[]): void {
  for (const target of missing) say(`trunkline: ${notFound(target).message}`);
  if (missing.length > 0) process.exitCode = exit.no;
}

/** Returns the error that says that a named object is not there. */
export function notFound({ kind, name = "", namespace }: Target): TrunklineError {
  return new TrunklineError("cli.not-found", { kind: kind.kind, name, namespace });
}

/** Says that none of all these are there. */
export function sayNone(targets: readonly Target[]): void {
  const kinds = targets.length > 3 ? "objects" : targets.map(({ kind }) => kind.plural).join(", ");
  const namespace = targets.map((target) => target.namespace).find((one) => one !== undefined);
  say(`No ${kinds}${namespace === undefined ? "" : ` in namespace ${namespace}`}`);
}
