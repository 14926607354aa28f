// Manifests into a store, as kubectl's apply does it: all of them are checked first, and where one is wrong, none is
// written.
import { withDefaults } from "../api/defaults.ts";
import { equalJson } from "../api/equal.ts";
import { configMapKind, namespaceKind, nodeKind } from "../api/kinds/core.ts";
import { hostKind } from "../api/kinds/host.ts";
import { type IPPool, ipPoolKind } from "../api/kinds/ip-pool.ts";
import type { ManifestObject } from "../api/manifest/parse.ts";
import { threeWayMerge } from "../api/merge.ts";
import { type Draft, type Kind, type KubeObject, keyOf } from "../api/object.ts";
import { usualMinReleaseAfterMs, wordedFinding } from "../api/pod-networking.ts";
import { checkPools, serviceRangesOf } from "../api/pools.ts";
import { forbiddenChanges } from "../api/validation/immutable.ts";
import { validate } from "../api/validation/validate.ts";
import { isError, TrunklineError } from "../base/errors.ts";
import type { Path, Problem } from "../base/problem.ts";
import { formatPath } from "../base/problem.ts";
import { baseConfig, networkFindings, severalInterfaces, withBaseSettings } from "./apply-networks.ts";
import { builtInNamespaces, ensureNamespace } from "./namespaces.ts";
import { listServiceCidrs } from "./service-cidrs.ts";
import type { Store } from "./store.ts";

export const lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration";

export interface Applied {
  readonly kind: Kind;
  readonly object: KubeObject;
  readonly action: "created" | "configured" | "unchanged";
}

export interface ApplyOptions {
  /** Where objects without a namespace go; default `default`. */
  readonly namespace?: string;
  /** Objects that name another namespace than `namespace` are refused. */
  readonly onlyNamespace?: boolean;
  /** Nothing is written; the answer says what would be. */
  readonly dryRun?: boolean;
  /** The least releaseAfter of a PodNetworking; default: five minutes. */
  readonly minReleaseAfterMs?: number;
}

export interface ApplyResult {
  /** In the order of the manifests, namespaces first. Empty if there are errors. */
  readonly applied: readonly Applied[];
  readonly errors: readonly Problem[];
  readonly warnings: readonly Problem[];
}

interface Item {
  readonly source: ManifestObject;
  readonly kind: Kind;
  /** With its namespace. */
  readonly draft: Draft<KubeObject>;
}

interface Step {
  readonly item: Item;
  readonly action: Applied["action"];
  readonly before: KubeObject | undefined;
  readonly after: Draft<KubeObject>;
}

/** Applies manifests. Problems of input are in the answer; what is thrown is the store's. */
export async function applyManifests(
  store: Store,
  objects: readonly ManifestObject[],
  options: ApplyOptions = {},
): Promise<ApplyResult> {
  const items = namespacesFirst(objects, options.namespace ?? "default");
  const base = await baseConfig(
    store,
    items.map(({ draft }) => draft),
  );
  const steps = [];
  for (const item of items) {
    const step = await plan(store, item);
    // Only when it is made: what is taken away later is an error.
    steps.push(step.before ? step : { ...step, after: withBaseSettings(step.after, base) });
  }
  const networks = networkProblems(steps, options);
  const errors = [
    ...networks.errors,
    ...wrongNamespaces(items, options),
    ...twice(items),
    ...(await missingNamespaces(store, items)),
    ...steps.flatMap(notAllowed),
  ];
  const pools = await poolProblems(store, steps);
  errors.push(...pools.errors);
  const warnings = [...pools.warnings, ...networks.warnings];
  if (errors.length > 0) return { applied: [], errors, warnings };
  const applied = [];
  for (const step of steps) applied.push(options.dryRun ? pretended(step) : await carryOut(store, step));
  return { applied, errors, warnings };
}

function namespacesFirst(objects: readonly ManifestObject[], namespace: string): Item[] {
  const items = objects.flatMap((source): Item[] => {
    const { kind, draft } = source;
    if (!kind) return [];
    const metadata = kind.namespaced ? { namespace, ...draft.metadata } : draft.metadata;
    return [{ source, kind, draft: { ...draft, metadata } }];
  });
  const isNamespace = (item: Item) => item.kind.kind === "Namespace";
  return [...items.filter(isNamespace), ...items.filter((item) => !isNamespace(item))];
}

async function plan(store: Store, item: Item): Promise<Step> {
  const { kind, draft } = item;
  const { name, namespace } = draft.metadata;
  const before = await store.get(kind, name, namespace);
  const written = withoutSystemFields(draft);
  const record = `${canonical(written)}\n`;
  if (!before)
    return { item, before, action: "created", after: withDefaults(kind, annotated(written, record)) };
  const merged = threeWayMerge(lastApplied(before), written, before) as KubeObject;
  const after = withDefaults(kind, annotated(merged, record)) as KubeObject;
  return { item, before, action: equalJson(after, before) ? "unchanged" : "configured", after };
}

// What the store owns is not the writer's to apply; status is not either.
function withoutSystemFields(draft: Draft<KubeObject>): Draft<KubeObject> {
  const { status: _status, ...rest } = draft as Draft<KubeObject> & { status?: unknown };
  const {
    uid: _uid,
    resourceVersion: _version,
    generation: _generation,
    creationTimestamp: _created,
    deletionTimestamp: _deleted,
    ...metadata
  } = rest.metadata;
  const { [lastAppliedAnnotation]: _last, ...annotations } = metadata.annotations ?? {};
  const kept = Object.keys(annotations).length > 0 ? { annotations } : {};
  const { annotations: _all, ...others } = metadata;
  return { ...rest, metadata: { ...others, ...kept } };
}

function annotated<T extends Draft<KubeObject>>(object: T, record: string): T {
  const annotations = { ...object.metadata.annotations, [lastAppliedAnnotation]: record };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

function lastApplied(object: KubeObject): Record<string, unknown> {
  const text = object.metadata.annotations?.[lastAppliedAnnotation];
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    // Somebody edited the annotation by hand: then nothing is known of what was applied, and nothing is taken away.
    if (!(error instanceof SyntaxError)) throw error;
    return {};
  }
}

/** Returns JSON with sorted keys: equal objects give equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function problem(item: Item, code: string, path: Path, message: string, hint?: string): Problem {
  const position = item.source.at(path);
  return {
    code,
    message: `${item.kind.kind.toLowerCase()}/${item.draft.metadata.name}: ${message}`,
    ...(hint ? { hint } : {}),
    ...(path.length > 0 ? { path: formatPath(path) } : {}),
    ...(position ? { position } : {}),
  };
}

function wrongNamespaces(items: readonly Item[], options: ApplyOptions): Problem[] {
  const { namespace, onlyNamespace } = options;
  if (!onlyNamespace || namespace === undefined) return [];
  return items
    .filter((item) => item.kind.namespaced && item.draft.metadata.namespace !== namespace)
    .map((item) => {
      const message = `it is for namespace ${item.draft.metadata.namespace}, but -n says ${namespace}`;
      return problem(item, "apply.namespace", ["metadata", "namespace"], message);
    });
}

// The second of two would silently undo the first.
function twice(items: readonly Item[]): Problem[] {
  const seen = new Map<string, Item>();
  return items.flatMap((item) => {
    const key = `${item.kind.apiVersion}/${item.kind.kind}/${keyOf(item.draft)}`;
    const first = seen.get(key);
    seen.set(key, item);
    if (!first || equalJson(first.draft, item.draft)) return [];
    const place = first.source.at(["metadata", "name"]);
    const where = place ? ` at ${place.file}:${place.line}` : "";
    return [
      problem(item, "apply.twice", ["metadata", "name"], `it was written already${where}, and differently`),
    ];
  });
}

async function missingNamespaces(store: Store, items: readonly Item[]): Promise<Problem[]> {
  const made = new Set(
    items.filter((item) => item.kind.kind === "Namespace").map((item) => item.draft.metadata.name),
  );
  const problems = [];
  const state = new Map<string, string | undefined>();
  for (const item of items) {
    const { namespace } = item.draft.metadata;
    if (namespace === undefined || builtInNamespaces.has(namespace)) continue;
    if (!state.has(namespace)) state.set(namespace, await whyNoNamespace(store, namespace, made));
    const why = state.get(namespace);
    if (why === undefined) continue;
    const hint = why.endsWith("exist") ? "Apply a Namespace of that name too" : undefined;
    problems.push(problem(item, "apply.namespace", ["metadata", "namespace"], why, hint));
  }
  return problems;
}

async function whyNoNamespace(
  store: Store,
  name: string,
  made: ReadonlySet<string>,
): Promise<string | undefined> {
  const found = await store.get(namespaceKind, name);
  if (found?.metadata.deletionTimestamp !== undefined) return `namespace ${name} is being deleted`;
  return found || made.has(name) ? undefined : `namespace ${name} does not exist`;
}

/** Returns what an existing object may not become: by the kind's rules, or because old and new do not fit together. */
function notAllowed({ item, before, after }: Step): Problem[] {
  if (!before) return [];
  const { errors } = validate(item.kind, after, { locate: item.source.at });
  if (errors.length > 0) return [...errors];
  return forbiddenChanges(before, after as KubeObject).map((change) =>
    problem(item, change.code, change.path, change.message, change.hint),
  );
}

function networkProblems(
  steps: readonly Step[],
  { minReleaseAfterMs = usualMinReleaseAfterMs }: ApplyOptions,
) {
  const errors: Problem[] = [];
  const warnings: Problem[] = [];
  for (const { item, after, action } of steps) {
    for (const path of severalInterfaces(item.draft)) {
      const message = `${path.at(-1)} asks for several interfaces a pod, which are not served`;
      const hint = "Let a PodNetworking select the pod: it has one interface, of that network";
      errors.push(problem(item, "podnetworking.several", path, message, hint));
    }
    if (action === "unchanged") continue;
    for (const finding of networkFindings(item.draft, after, minReleaseAfterMs, action !== "created")) {
      const { severity, code, path, hint } = finding;
      (severity === "error" ? errors : warnings).push(
        problem(item, code, path, wordedFinding(finding), hint),
      );
    }
  }
  return { errors, warnings };
}

async function poolProblems(store: Store, steps: readonly Step[]) {
  const changed = steps.filter((step) => step.item.kind.kind === "IPPool" && step.action !== "unchanged");
  if (changed.length === 0) return { errors: [], warnings: [] };
  const [nodes, hosts, pools, maps, services] = await Promise.all([
    store.list(nodeKind),
    store.list(hostKind),
    store.list(ipPoolKind),
    store.list(configMapKind, "kube-system"),
    listServiceCidrs(store),
  ]);
  const written = (kind: string) =>
    steps.flatMap(({ item, after }) => (item.kind.kind === kind ? [after] : []));
  const findings = checkPools(
    changed.map((step) => step.after as unknown as IPPool),
    {
      nodes: nodes.items,
      hosts: hosts.items,
      pools: pools.items,
      serviceRanges: serviceRangesOf(
        [...(written("ConfigMap") as typeof maps.items), ...maps.items],
        [...(written("ServiceCIDR") as typeof services), ...services],
      ),
    },
  );
  const problems = findings.map((finding) => {
    const step = changed.find((one) => one.item.draft.metadata.name === finding.pool);
    const { code, message, path, hint, severity } = finding;
    return { severity, problem: problem(step!.item, code, path, message, hint) };
  });
  const of = (severity: "error" | "warning") =>
    problems.filter((one) => one.severity === severity).map((one) => one.problem);
  return { errors: of("error"), warnings: of("warning") };
}

function pretended({ item, action, after }: Step): Applied {
  // A dry run's object has no version: nothing was stored.
  return { kind: item.kind, action, object: after as KubeObject };
}

const mostTries = 10;

/** Writes one object; if somebody else wrote it in the meantime, the merge is made again over theirs. */
async function carryOut(store: Store, first: Step): Promise<Applied> {
  let step = first;
  for (let tries = 1; ; tries++) {
    try {
      return await write(store, step);
    } catch (error) {
      const raced =
        isError(error, "store.conflict") ||
        isError(error, "store.exists") ||
        isError(error, "store.not-found");
      if (!raced || tries === mostTries) throw error;
      step = await plan(store, step.item);
      const forbidden = notAllowed(step);
      const consequence = "It was changed by somebody else while it was applied";
      if (forbidden.length > 0)
        throw new TrunklineError("api.problems", { problems: forbidden, consequence });
    }
  }
}

async function write(store: Store, { item, action, before, after }: Step): Promise<Applied> {
  const { kind } = item;
  const { namespace } = after.metadata;
  if (before && action === "unchanged") return { kind, action, object: before };
  if (!before && namespace !== undefined) await ensureNamespace(store, namespace);
  const object = before ? await store.update(kind, after as KubeObject) : await store.create(kind, after);
  return { kind, action, object };
}
