// Manifests into objects: what each document is, whether it is right, and where everything stands.
import type { Path, Position, Problem, TextEdit } from "../../base/problem.ts";
import { nearest } from "../../base/suggest.ts";
import { asServed } from "../defaults.ts";
import { allKinds, kindOf } from "../kinds/index.ts";
import type { Draft, Kind, KubeObject } from "../object.ts";
import { type EmptyText, emptyTexts } from "../validation/shape.ts";
import { type Locate, problemAt, show, validate } from "../validation/validate.ts";
import type { Change } from "./edits.ts";
import { parseDocuments } from "./syntax.ts";

/** An object together with the place where it was written. */
export interface ManifestObject {
  /** Undefined for a kind that Trunkline does not know; such objects appear only in offline reading. */
  readonly kind: Kind | undefined;
  /** As it was written, without what is null. */
  readonly draft: Draft<KubeObject>;
  /** The same with empty texts where the store would fill in; what only reads can take it for a stored object. */
  readonly object: KubeObject;
  readonly file: string;
  /** Returns where the field at `path` stands, or the nearest field above it. */
  readonly at: (path: Path) => Position | undefined;
  /** Returns how to change the text that it was read from; undefined where that is not plain. */
  readonly edit: (change: Change) => TextEdit | undefined;
}

export interface Manifests {
  readonly objects: readonly ManifestObject[];
  /** What makes the manifests unfit to be applied. */
  readonly errors: readonly Problem[];
  readonly warnings: readonly Problem[];
  /** What was passed over on purpose, which changes no answer. */
  readonly notes: readonly Problem[];
}

/** Code of the problem that a text is a lab file. */
export const LAB_FILE = "manifest.lab-file";

/** Code of the warning that a NetworkPolicy has no spec. */
export const NO_SPEC = "networkpolicy.no-spec";
/** Codes of the warnings about a label's name with nothing behind it. */
export const NULL_IN_SELECTOR = "schema.null-in-selector";
export const NULL_IN_LABELS = "schema.null-in-labels";

export interface ParseOptions {
  /** Unknown kinds are errors for whoever applies, and warnings for whoever only reads. Default: error. */
  readonly unknownKinds?: "error" | "warning";
  /**
   * Objects whose fields are all of the right type and only hold values that are not allowed (or, inside a workload's
   * spec, lack one): whoever only reads may want to see them too. Their problems are among `errors` all the same.
   * Default: drop.
   */
  readonly badValues?: "drop" | "keep";
}

interface Sink {
  readonly objects: ManifestObject[];
  readonly errors: Problem[];
  readonly warnings: Problem[];
  readonly notes: Problem[];
}

/**
 * Reads all objects of a text: several documents, and Lists of any kind. An object with errors is not among `objects`
 * unless the options say so.
 * Nothing is thrown for what the text holds.
 */
export function parseManifests(text: string, file: string, options: ParseOptions = {}): Manifests {
  const sink: Sink = { objects: [], errors: [], warnings: [], notes: [] };
  for (const { value, problems, locate, written, edit } of parseDocuments(text, file)) {
    sink.errors.push(...problems);
    if (problems.length === 0 && value !== null && value !== undefined)
      readObject(value, { file, locate, written, edit, options }, sink);
  }
  return sink;
}

/** Puts several readings together. */
export function joinManifests(parts: readonly Manifests[]): Manifests {
  return {
    objects: parts.flatMap((part) => part.objects),
    errors: parts.flatMap((part) => part.errors),
    warnings: parts.flatMap((part) => part.warnings),
    notes: parts.flatMap((part) => part.notes),
  };
}

interface Context {
  readonly file: string;
  readonly locate: Locate;
  readonly written: (path: Path) => string | undefined;
  readonly edit: ManifestObject["edit"];
  readonly options: ParseOptions;
  /** What items of a typed list are, if they do not say so themselves. */
  readonly itemOf?: { readonly apiVersion: string; readonly kind: string };
}

function readObject(value: unknown, context: Context, sink: Sink): void {
  const { locate } = context;
  if (!isObject(value)) {
    const glued = typeof value === "string" && /^[A-Za-z]\w*:\S/.test(value);
    const hint = glued ? "A space is missing after the colon" : undefined;
    sink.errors.push(
      problemAt("manifest.object", [], `an object was expected; this is ${show(value)}`, locate, hint),
    );
    return;
  }
  const written: Record<string, unknown> = { ...context.itemOf, ...withoutNulls(value) };
  const { apiVersion, kind } = written;
  if (isLabFile(written)) {
    sink.errors.push(labFile(locate, context.file));
    return;
  }
  const before = sink.errors.length;
  for (const field of ["apiVersion", "kind"] as const) {
    const found = written[field];
    if (found === undefined)
      sink.errors.push(problemAt("schema.required", [], `\`${field}\` is missing`, locate));
    else if (typeof found !== "string")
      sink.errors.push(
        problemAt("schema.type", [field], `\`${field}\` must be a text; it is ${show(found)}`, locate),
      );
  }
  if (sink.errors.length > before || typeof apiVersion !== "string" || typeof kind !== "string") return;
  const known = kindOf(apiVersion, kind);
  // An AddressList is a single object.
  if (
    !known &&
    kind.endsWith("List") &&
    (Array.isArray(written["items"]) || written["items"] === undefined)
  ) {
    readList(written, apiVersion, kind, context, sink);
    return;
  }
  if (known) sink.warnings.push(...emptyTexts(known, value).map((empty) => nothingBehind(empty, locate)));
  readKnown(written, known, context, sink);
}

/** A lab file lies beside the manifests that it names, and is easily taken for one of them. */
function isLabFile({ apiVersion, kind, networks, nodes }: Record<string, unknown>): boolean {
  return apiVersion === undefined && kind === undefined && Array.isArray(networks) && Array.isArray(nodes);
}

function labFile(locate: Locate, file: string): Problem {
  const hint = `Start the lab with 'trunkline lab up ${file}', and name its manifests here`;
  return problemAt(LAB_FILE, [], "this is a lab file, which holds no objects", locate, hint);
}

function readList(
  list: Record<string, unknown>,
  apiVersion: string,
  kind: string,
  context: Context,
  sink: Sink,
): void {
  const itemKind = kind.slice(0, -"List".length);
  const items = (list["items"] ?? []) as unknown[];
  for (const [at, item] of items.entries()) {
    const locate: Locate = (path) => context.locate(["items", at, ...path]);
    const written: Context["written"] = (path) => context.written(["items", at, ...path]);
    const edit: Context["edit"] = (change) =>
      context.edit({ ...change, path: ["items", at, ...change.path] });
    const { itemOf: _, ...rest } = context;
    readObject(
      item,
      {
        ...rest,
        locate,
        written,
        edit,
        ...(itemKind === "" ? {} : { itemOf: { apiVersion, kind: itemKind } }),
      },
      sink,
    );
  }
}

function readKnown(
  written: Record<string, unknown>,
  kind: Kind | undefined,
  context: Context,
  sink: Sink,
): void {
  const { locate } = context;
  if (!kind) {
    const problem = unknownKind(written, locate);
    if (context.options.unknownKinds !== "warning") {
      sink.errors.push(problem);
      return;
    }
    sink.warnings.push(problem);
    if (isNamed(written)) sink.objects.push(manifestObject(written, undefined, context));
    return;
  }
  const value = { ...written, apiVersion: kind.apiVersion };
  const { errors, warnings } = validate(kind, value, context);
  sink.errors.push(...errors);
  sink.warnings.push(...warnings);
  if (kind.kind === "NetworkPolicy" && written["spec"] === undefined)
    sink.warnings.push(
      problemAt(NO_SPEC, [], "there is no `spec`: it isolates all pods of its namespace", locate),
    );
  const shapely = errors.every((error) => leavesShape(error, kind));
  if (errors.length > 0 && !(context.options.badValues === "keep" && shapely)) return;
  // The schema has checked that it is what its kind says.
  sink.objects.push(manifestObject(value as unknown as Draft<KubeObject>, kind, context));
}

/** kubectl's ways of sending it disagree about what it means. */
function nothingBehind({ path, selects }: EmptyText, locate: Locate): Problem {
  const field = `\`${String(path.at(-1))}\``;
  const message = selects
    ? `${field} has nothing behind it: \`kubectl apply\` drops it, and what does not have it is selected, too; ` +
      "`create`, `replace` and `apply --server-side` select those where it is the empty text. Here it is dropped"
    : `${field} has nothing behind it: \`kubectl apply\` drops it; \`create\`, \`replace\` and ` +
      "`apply --server-side` store the empty text. Here it is dropped";
  const hint = `Write ${String(path.at(-1))}: "" to mean the empty text, or leave the line out`;
  return problemAt(selects ? NULL_IN_SELECTOR : NULL_IN_LABELS, path, message, locate, hint);
}

/** A container without a name harms nobody who only reads; a rule without its range might. */
function leavesShape({ code, path = "" }: Problem, kind: Kind): boolean {
  if (code === "schema.required") return kind.kind !== "NetworkPolicy" && path.startsWith("spec.");
  return code !== "schema.type";
}

function manifestObject(
  draft: Draft<KubeObject>,
  kind: Kind | undefined,
  { file, locate: at, edit }: Context,
): ManifestObject {
  const blank = { uid: "", resourceVersion: "", creationTimestamp: "" };
  const { namespace, ...metadata } = draft.metadata;
  const kept = namespace === undefined || kind?.namespaced === false ? metadata : { ...metadata, namespace };
  const clean = { ...draft, metadata: kept };
  const seen = kind ? asServed(kind, clean) : clean;
  return {
    kind,
    draft: clean,
    object: { ...seen, metadata: { ...blank, ...seen.metadata } },
    file,
    at,
    edit,
  };
}

function isNamed(value: Record<string, unknown>): value is Record<string, unknown> & Draft<KubeObject> {
  const { metadata } = value;
  return isObject(metadata) && typeof metadata["name"] === "string";
}

function unknownKind(written: Record<string, unknown>, locate: Locate): Problem {
  const apiVersion = String(written["apiVersion"]);
  const kind = String(written["kind"]);
  const sameName = allKinds.find((known) => known.kind === kind);
  if (sameName) {
    const message = `${kind} of ${apiVersion} is not known`;
    return problemAt("manifest.api-version", ["apiVersion"], message, locate, `Use ${sameName.apiVersion}`);
  }
  const guess = nearest(
    kind,
    allKinds.map((known) => known.kind),
  );
  const message = `${kind} (${apiVersion}) is not a kind that Trunkline knows`;
  const hint = guess === undefined ? undefined : `Did you mean ${guess}?`;
  return problemAt("manifest.kind", ["kind"], message, locate, hint);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// A field that is null counts as absent, as everywhere in the Kubernetes API. Empty list items stay, to be reported.
function withoutNulls(value: Record<string, unknown>): Record<string, unknown> {
  const clean = (inner: unknown): unknown => {
    if (Array.isArray(inner)) return inner.map(clean);
    return isObject(inner) ? withoutNulls(inner) : inner;
  };
  const kept = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(kept.map(([key, inner]) => [key, clean(inner)]));
}
