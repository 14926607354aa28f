// trunkline get: objects as a table, or as they are.
import { Command, Option } from "commander";
import type { KubeObject } from "../../../api/object.ts";
import type { Store } from "../../../store/store.ts";
import { type Form, formOption, sortOption } from "../../objects/get-form.ts";
import { fillTemplate, type JsonPath, jsonText, valuesAt } from "../../objects/jsonpath.ts";
import { resourceName } from "../../objects/names.ts";
import { objectTable, type TableOptions } from "../../objects/object-table.ts";
import {
  aboutObjects,
  type Found,
  find,
  type SelectionOptions,
  sayMissing,
  sayNone,
  type Target,
} from "../../objects/selection.ts";
import { print, printJson, printYaml } from "../../output.ts";

interface Options extends SelectionOptions, Omit<TableOptions, "wide" | "withNamespace"> {
  readonly output: Form;
  readonly sortBy?: JsonPath;
  readonly ignoreNotFound?: boolean;
  readonly watch?: boolean;
  readonly watchOnly?: boolean;
}

export function command(): Command {
  const get = new Command("get")
    .description("print objects")
    .addOption(formOption())
    .option("--show-labels", "labels as a column")
    .addOption(
      new Option("-L, --label-columns <names>", "a column for each of these labels").argParser((names) =>
        names.split(","),
      ),
    )
    .option("--no-headers", "no headings above tables")
    .addOption(sortOption())
    .option("--ignore-not-found", "what does not exist is no error")
    .option("-w, --watch", "then go on and print every change, until interrupted")
    .addOption(new Option("--watch-only", "print changes only").implies({ watch: true }));
  return aboutObjects<Options>(get, { run });
}

async function run(store: Store, targets: readonly Target[], options: Options): Promise<void> {
  const { found, missing } = await find(store, targets, options);
  const said = options.ignoreNotFound ? [] : missing;
  if (options.watch && said.length === 0) {
    const { watchObjects } = await import("../../objects/watch.ts");
    return watchObjects(store, targets, options, tableOptions(options));
  }
  await show(
    found.map((one) => sorted(one, options)),
    targets,
    options,
  );
  sayMissing(said);
}

function sorted(found: Found, { sortBy }: Options): Found {
  if (sortBy === undefined) return found;
  const order = new Intl.Collator("en", { numeric: true });
  const keyOf = (object: KubeObject) => valuesAt(sortBy, object).map(jsonText).join();
  return { ...found, items: found.items.toSorted((a, b) => order.compare(keyOf(a), keyOf(b))) };
}

async function show(found: readonly Found[], targets: readonly Target[], options: Options): Promise<void> {
  const items = found.flatMap((one) => one.items);
  const single = targets.length === 1 && targets[0]?.name !== undefined;
  const { output } = options;
  switch (output.type) {
    case "json":
    case "yaml":
    case "jsonpath":
      if (!single) return showValue({ apiVersion: "v1", kind: "List", metadata: {}, items }, output);
      return items[0] && showValue(items[0], output);
    case "name":
      for (const { target, items: ofKind } of found)
        for (const item of ofKind) print(resourceName(target.kind, item.metadata.name));
      return;
    default:
      if (items.length === 0 && targets.some(({ name }) => name === undefined)) sayNone(targets);
      printTables(found, options);
  }
}

async function showValue(value: object, form: Form): Promise<void> {
  // Without a line's end, as kubectl: the template has one where it is wanted.
  if (form.type === "jsonpath") process.stdout.write(fillTemplate(form.template, value));
  else if (form.type === "yaml") await printYaml(value);
  else printJson(value);
}

function printTables(found: readonly Found[], options: Options): void {
  // Objects of one kind stand in one table, also where each was named.
  const byKind = Map.groupBy(found, ({ target }) => target.kind);
  const tables = [...byKind]
    .map(([kind, parts]) => ({ kind, items: parts.flatMap((part): readonly KubeObject[] => part.items) }))
    .filter(({ items }) => items.length > 0);
  // Where there are several kinds, names say which they are of, as they have to be written again.
  const shape = { ...tableOptions(options), withKind: byKind.size > 1 };
  if (tables.length > 0) print(tables.map(({ kind, items }) => objectTable(kind, shape)(items)).join("\n\n"));
}

function tableOptions(options: Options): TableOptions {
  const { output, allNamespaces = false } = options;
  const columns = output.type === "columns" ? { columns: output.columns } : {};
  return { ...options, ...columns, wide: output.type === "wide", withNamespace: allNamespaces };
}
