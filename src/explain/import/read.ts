// Finds the settings in manifests: what calico-node's containers are given, calico-config, the CNI configuration in it.
import type { ManifestObject } from "../../api/manifest/parse.ts";
import { parseDocuments } from "../../api/manifest/syntax.ts";
import { formatPath, type Path, type Problem } from "../../base/problem.ts";
import type { Origin, Setting } from "./types.ts";

/** Returns the text of a file that was read, for places within a text within it; undefined if there is none. */
export type TextOf = (file: string) => string | undefined;

export interface Found {
  /** Variables of calico-node's containers, in their order. */
  readonly variables: readonly Setting[];
  /** Keys of calico-config. */
  readonly keys: readonly Setting[];
  /** Fields of the CNI configuration; names are paths within it. */
  readonly fields: readonly (Setting & { readonly plugin: string | undefined })[];
  /** Where calico-node's own container stands; undefined if there is no such DaemonSet. */
  readonly node: Origin | undefined;
  /** What cannot be read. */
  readonly errors: readonly Problem[];
}

interface Reference {
  readonly name?: string;
  readonly key?: string;
  readonly optional?: boolean;
}
interface Variable {
  readonly name: string;
  readonly value?: string | number | boolean;
  readonly valueFrom?: {
    readonly configMapKeyRef?: Reference;
    readonly fieldRef?: { readonly fieldPath?: string };
  };
}
interface Container {
  readonly name?: string;
  readonly image?: string;
  readonly env?: readonly Variable[];
  readonly envFrom?: readonly { readonly configMapRef?: Reference; readonly prefix?: string }[];
}

const CONFIG = "calico-config";
const NETWORK = "cni_network_config";

/** Finds all settings. Objects of other kinds and names hold none. */
export function findSettings(objects: readonly ManifestObject[], textOf: TextOf = () => undefined): Found {
  const maps = objects.filter((item) => item.draft.kind === "ConfigMap");
  const found = {
    variables: [] as Setting[],
    keys: [] as Setting[],
    fields: [] as Found["fields"][number][],
    errors: [] as Problem[],
  };
  let node: Origin | undefined;
  for (const item of objects.filter(isCalicoNode))
    for (const [group, containers] of groupsOf(item))
      for (const [at, container] of containers.entries()) {
        const path = ["spec", "template", "spec", group, at];
        found.variables.push(...variablesOf(item, container, path, maps));
        if (group === "containers") node ??= originOf(item, path);
      }
  for (const map of maps.filter(({ draft }) => draft.metadata.name === CONFIG))
    for (const [name, value] of Object.entries(dataOf(map))) {
      const from = originOf(map, ["data", name]);
      found.keys.push({ name, value, from });
      if (name === NETWORK) {
        const { fields, problems } = fieldsOf(value, from, textOf(map.file));
        found.errors.push(...problems);
        found.fields.push(...fields.map((field) => filled(field, found.variables, found.keys, dataOf(map))));
      }
    }
  return { ...found, node };
}

function isCalicoNode(item: ManifestObject): boolean {
  if (item.draft.kind !== "DaemonSet") return false;
  if (item.draft.metadata.name === "calico-node") return true;
  return groupsOf(item).some(([, list]) =>
    list.some(({ image = "" }) => /(^|\/)calico\/node(:|@|$)/.test(image)),
  );
}

function groupsOf({ draft }: ManifestObject): (readonly [string, readonly Container[]])[] {
  const { spec } = draft as { spec?: { template?: { spec?: Record<string, unknown> } } };
  return ["initContainers", "containers"].map((group) => {
    const list = spec?.template?.spec?.[group];
    return [group, Array.isArray(list) ? (list as Container[]) : []] as const;
  });
}

function originOf(item: ManifestObject, path: Path): Origin {
  const { kind, metadata } = item.draft;
  const { file, line, column } = item.at(path) ?? { file: item.file, line: 1, column: 1 };
  return { file, line, column, object: `${kind}/${metadata.namespace ?? "default"}/${metadata.name}` };
}

function dataOf({ draft }: ManifestObject): Readonly<Record<string, string>> {
  return (draft as { data?: Readonly<Record<string, string>> }).data ?? {};
}

function variablesOf(
  item: ManifestObject,
  container: Container,
  path: Path,
  maps: readonly ManifestObject[],
): Setting[] {
  const mapOf = (name: string | undefined) =>
    maps.find(
      ({ draft }) =>
        draft.metadata.name === name &&
        (draft.metadata.namespace ?? "default") === (item.draft.metadata.namespace ?? "default"),
    );
  const imported = (container.envFrom ?? []).flatMap(({ configMapRef, prefix = "" }, at): Setting[] => {
    const map = mapOf(configMapRef?.name);
    const from = originOf(item, [...path, "envFrom", at]);
    if (!map && configMapRef && configMapRef.optional !== true)
      return [{ name: `envFrom ${configMapRef.name}`, value: null, from }];
    return Object.entries(map ? dataOf(map) : {}).map(([key, value]) => ({
      name: prefix + key,
      value,
      from,
    }));
  });
  const own = (container.env ?? []).map((variable, at): Setting => {
    const { name, value, valueFrom } = variable;
    const from = originOf(item, [...path, "env", at, value === undefined ? "name" : "value"]);
    if (!valueFrom) return { name, value: String(value ?? ""), from };
    const { configMapKeyRef: reference, fieldRef } = valueFrom;
    if (fieldRef) return { name, value: fieldRef.fieldPath ?? null, from };
    const map = mapOf(reference?.name);
    return { name, value: (map && dataOf(map)[reference?.key ?? ""]) ?? null, from };
  });
  return [...imported, ...own];
}

type Field = Found["fields"][number];

/** Leaves of the configuration. Placeholders outside of texts (`"mtu": __CNI_MTU__`) become texts of the same length. */
function fieldsOf(
  text: string,
  from: Origin,
  source: string | undefined,
): { fields: Field[]; problems: Problem[] } {
  const quoted = text.replace(/"(?:[^"\\]|\\.)*"|__([A-Z0-9_]+?)__/g, (all, name?: string) =>
    name === undefined ? all : `"_${name}_"`,
  );
  const place = placeWithin(from, source);
  const [document] = parseDocuments(quoted, from.file, "core");
  if (!document) return { fields: [], problems: [] };
  const problems = document.problems.map((problem) => ({
    ...problem,
    message: `${NETWORK} of ${from.object}: ${problem.message}`,
    position: problem.position ? place(problem.position) : from,
  }));
  const fields: Field[] = [];
  const plugins = (document.value as { plugins?: { type?: unknown }[] } | null)?.plugins;
  const walk = (value: unknown, path: Path): void => {
    const inner = typeof value === "object" && value !== null ? Object.entries(value) : [];
    if (inner.length > 0) {
      for (const [key, one] of inner) walk(one, [...path, Array.isArray(value) ? Number(key) : key]);
      return;
    }
    const at = document.locate(path);
    const plugin = path[0] === "plugins" ? String(plugins?.[Number(path[1])]?.type) : undefined;
    const written = typeof value === "object" ? JSON.stringify(value) : String(value);
    fields.push({
      name: formatPath(path),
      value: written,
      from: { ...(at ? place(at) : from), object: from.object },
      plugin,
    });
  };
  if (problems.length === 0) walk(document.value, []);
  return { fields, problems };
}

/** Places in a block scalar are those of the file; for any other way of writing the text, that of the whole. */
function placeWithin(from: Origin, source: string | undefined) {
  const lines = source?.split("\n") ?? [];
  const header = lines[from.line - 1] ?? "";
  const block = /[|>][-+\d]*\s*(#.*)?$/.test(header);
  const indent = /^ */.exec(lines[from.line] ?? "")?.[0].length ?? 0;
  return ({ line, column }: { line: number; column: number }) =>
    block ? { file: from.file, line: from.line + line, column: indent + column } : from;
}

/** A placeholder is the variable of that name, or what Calico's installer puts there itself. */
function filled(
  field: Field,
  variables: readonly Setting[],
  keys: readonly Setting[],
  data: Readonly<Record<string, string>>,
): Field {
  const name = /^_{1,2}([A-Z0-9_]+?)_{1,2}$/.exec(field.value ?? "")?.[1];
  if (name === undefined) return field;
  const variable = variables.find((one) => one.name === name)?.value;
  const key = keys.find((one) => one.name === name.toLowerCase())?.value;
  const value = variable ?? key ?? (name === "CNI_MTU" ? data["veth_mtu"] : undefined);
  return value === undefined || value === null ? { ...field, value: `__${name}__` } : { ...field, value };
}
