// trunkline get: objects as a table, or as they are.
import { Command, Option } from "commander";
import type { LabelSelector } from "../../api/kinds/core.ts";
import type { Kind, KubeObject } from "../../api/object.ts";
import { matchesSelector, parseSelector } from "../../api/selectors.ts";
import { TrunklineError } from "../../base/errors.ts";
import type { Store } from "../../store/store.ts";
import { columnsOf } from "../columns.ts";
import {
  listNamespace,
  type NamespaceOptions,
  namespaceFor,
  namespaceOptions,
  type StoreOptions,
  storeOptions,
  type Target,
  targetsOf,
  withStore,
} from "../context.ts";
import { exit, print, printJson, printYaml, say, table } from "../output.ts";

interface Options extends StoreOptions, NamespaceOptions {
  readonly output: "table" | "wide" | "json" | "yaml" | "name";
  readonly selector?: string;
  readonly showLabels?: boolean;
}

interface Found {
  readonly kind: Kind;
  readonly items: readonly KubeObject[];
}

export function command(): Command {
  const get = new Command("get")
    .description("print objects")
    .argument("<kind...>", "KIND, KIND NAME…, KIND/NAME… or KIND,KIND")
    .addOption(
      new Option("-o, --output <form>", "form of the output")
        .choices(["table", "wide", "json", "yaml", "name"])
        .default("table"),
    )
    .option("-l, --selector <labels>", "only objects with these labels: a=b,c!=d,e in (x,y),f,!g")
    .option("--show-labels", "labels as a column")
    .action((words: string[], options: Options) => withStore(options, (store) => run(store, words, options)));
  return storeOptions(namespaceOptions(get, "all"));
}

async function run(store: Store, words: readonly string[], options: Options): Promise<void> {
  const targets = targetsOf(words);
  const selector = options.selector === undefined ? undefined : parseSelector(options.selector);
  const found: Found[] = [];
  const missing: TrunklineError[] = [];
  for (const target of targets) {
    const items = await read(store, target, options, selector);
    if (items instanceof TrunklineError) missing.push(items);
    else found.push({ kind: target.kind, items });
  }
  await show(found, targets.length === 1 && targets[0]?.name !== undefined, options);
  for (const error of missing) say(`trunkline: ${error.message}`);
  if (missing.length > 0) process.exitCode = exit.no;
}

async function read(
  store: Store,
  { kind, name }: Target,
  options: Options,
  selector: LabelSelector | undefined,
): Promise<readonly KubeObject[] | TrunklineError> {
  if (name === undefined) {
    const { items } = await store.list(kind, listNamespace(kind, options));
    return selector ? items.filter((item) => matchesSelector(selector, item.metadata.labels)) : items;
  }
  const namespace = namespaceFor(kind, options);
  const object = await store.get(kind, name, namespace);
  return object ? [object] : new TrunklineError("cli.not-found", { kind: kind.kind, name, namespace });
}

async function show(found: readonly Found[], single: boolean, options: Options): Promise<void> {
  const items = found.flatMap((one) => one.items);
  switch (options.output) {
    case "json":
    case "yaml": {
      if (single && items.length === 0) return;
      const value = single ? items[0] : { apiVersion: "v1", kind: "List", metadata: {}, items };
      return options.output === "json" ? printJson(value) : printYaml(value);
    }
    case "name":
      for (const { kind, items: ofKind } of found)
        for (const item of ofKind) print(`${kind.kind.toLowerCase()}/${item.metadata.name}`);
      return;
    default:
      if (items.length === 0 && !single) say(nothingFound(found, options));
      printTables(found, options);
  }
}

function nothingFound(found: readonly Found[], options: Options): string {
  const kinds = found.map((one) => one.kind.plural).join(", ");
  const namespace = found.map((one) => listNamespace(one.kind, options)).find((one) => one !== undefined);
  return `No ${kinds}${namespace === undefined ? "" : ` in namespace ${namespace}`}`;
}

function printTables(found: readonly Found[], options: Options): void {
  const filled = found.filter((one) => one.items.length > 0);
  for (const [at, { kind, items }] of filled.entries()) {
    if (at > 0) print("");
    const withNamespace = kind.namespaced && options.allNamespaces === true;
    const columns = columnsOf(kind.kind, options.output === "wide");
    const heading = [
      ...(withNamespace ? ["NAMESPACE"] : []),
      "NAME",
      ...columns.map((column) => column.title),
    ];
    const rows = items.map((item) => [
      ...(withNamespace ? [item.metadata.namespace ?? ""] : []),
      item.metadata.name,
      ...columns.map((column) => column.cell(item)),
      ...(options.showLabels ? [labelsText(item)] : []),
    ]);
    print(table([[...heading, ...(options.showLabels ? ["LABELS"] : [])], ...rows]));
  }
}

function labelsText(object: KubeObject): string {
  const pairs = Object.entries(object.metadata.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.join(",") || "<none>";
}
