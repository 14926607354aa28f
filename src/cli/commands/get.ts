// trunkline get: objects as a table, or as they are.
import { Command, Option } from "commander";
import { valueAt } from "../../api/field-selector.ts";
import type { KubeObject } from "../../api/object.ts";
import { TrunklineError } from "../../base/errors.ts";
import type { Store } from "../../store/store.ts";
import { resourceName } from "../names.ts";
import { objectTable, type TableOptions } from "../object-table.ts";
import { print, printJson, printYaml } from "../output.ts";
import {
  aboutObjects,
  type Found,
  find,
  type SelectionOptions,
  sayMissing,
  sayNone,
  type Target,
} from "../selection.ts";

interface Options extends SelectionOptions, Omit<TableOptions, "wide" | "withNamespace"> {
  readonly output: "table" | "wide" | "json" | "yaml" | "name";
  readonly sortBy?: string;
  readonly ignoreNotFound?: boolean;
  readonly watch?: boolean;
  readonly watchOnly?: boolean;
}

export function command(): Command {
  const get = new Command("get")
    .description("print objects")
    .addOption(
      new Option("-o, --output <form>", "form of the output")
        .choices(["table", "wide", "json", "yaml", "name"])
        .default("table"),
    )
    .option("--show-labels", "labels as a column")
    .addOption(
      new Option("-L, --label-columns <names>", "a column for each of these labels").argParser((names) =>
        names.split(","),
      ),
    )
    .option("--no-headers", "no headings above tables")
    .option("--sort-by <field>", "in the order of a field, such as .metadata.creationTimestamp")
    .option("--ignore-not-found", "what does not exist is no error")
    .option("-w, --watch", "then go on and print every change, until interrupted")
    .addOption(new Option("--watch-only", "print changes only").implies({ watch: true }));
  return aboutObjects<Options>(get, { run });
}

async function run(store: Store, targets: readonly Target[], options: Options): Promise<void> {
  const { found, missing } = await find(store, targets, options);
  const said = options.ignoreNotFound ? [] : missing;
  if (options.watch && said.length === 0) {
    const { watchObjects } = await import("../watch.ts");
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
  const path = /^\{?\.?([\w.-]+)\}?$/.exec(sortBy)?.[1];
  if (path === undefined)
    throw new TrunklineError("cli.usage", {
      why: `--sort-by: '${sortBy}' is not a field such as .metadata.name`,
    });
  const order = new Intl.Collator("en", { numeric: true });
  return {
    ...found,
    items: found.items.toSorted((a, b) => order.compare(valueAt(a, path), valueAt(b, path))),
  };
}

async function show(found: readonly Found[], targets: readonly Target[], options: Options): Promise<void> {
  const items = found.flatMap((one) => one.items);
  const single = targets.length === 1 && targets[0]?.name !== undefined;
  switch (options.output) {
    case "json":
    case "yaml": {
      if (single && items.length === 0) return;
      const value = single ? items[0] : { apiVersion: "v1", kind: "List", metadata: {}, items };
      return options.output === "json" ? printJson(value) : printYaml(value);
    }
    case "name":
      for (const { target, items: ofKind } of found)
        for (const item of ofKind) print(resourceName(target.kind, item.metadata.name));
      return;
    default:
      if (items.length === 0 && targets.some(({ name }) => name === undefined)) sayNone(targets);
      printTables(found, options);
  }
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
  return { ...options, wide: options.output === "wide", withNamespace: options.allNamespaces === true };
}
