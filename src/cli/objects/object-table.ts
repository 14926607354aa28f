// Objects of one kind as a table.
import type { Kind, KubeObject } from "../../api/object.ts";
import { labelOf } from "../../api/selectors/selectors.ts";
import { table } from "../output.ts";
import { type Column, columnsOf } from "./columns.ts";
import { resourceName } from "./names.ts";

export interface TableOptions {
  readonly wide: boolean;
  /** A first column with the namespace. */
  readonly withNamespace: boolean;
  /** Names as `KIND/NAME`. */
  readonly withKind?: boolean;
  readonly showLabels?: boolean;
  readonly labelColumns?: readonly string[];
  readonly headers: boolean;
  /** These, and no others. */
  readonly columns?: readonly Column<KubeObject>[];
}

/** Returns what makes text of objects of that kind; from the second call on, without a heading and in the same columns. */
export function objectTable(kind: Kind, options: TableOptions): (items: readonly KubeObject[]) => string {
  const columns = options.columns ?? allColumns(kind, options);
  const widths: number[] = [];
  let heading = options.headers ? [columns.map(({ title }) => title)] : [];
  return (items) => {
    const rows = items.map((item) => columns.map(({ cell }) => cell(item)));
    const text = table([...heading, ...rows], widths);
    heading = [];
    return text;
  };
}

function allColumns(kind: Kind, options: TableOptions): readonly Column<KubeObject>[] {
  const name: Column<KubeObject> = {
    title: "NAME",
    cell: ({ metadata }) => (options.withKind ? resourceName(kind, metadata.name) : metadata.name),
  };
  const namespace: Column<KubeObject> = {
    title: "NAMESPACE",
    cell: ({ metadata }) => metadata.namespace ?? "",
  };
  const own = columnsOf(kind.kind, options.wide);
  const chosen = (options.labelColumns ?? []).map(
    (key): Column<KubeObject> => ({
      title: (key.split("/").at(-1) ?? key).toUpperCase(),
      cell: ({ metadata }) => labelOf(metadata.labels, key) ?? "",
    }),
  );
  return [
    ...(options.withNamespace && kind.namespaced ? [namespace] : []),
    // Events are told apart by what they say; their names are long and say nothing.
    ...(kind.kind === "Event" ? own : [name, ...own]),
    ...(kind.kind === "Event" && options.wide ? [name] : []),
    ...chosen,
    ...(options.showLabels ? [labels] : []),
  ];
}

const labels: Column<KubeObject> = {
  title: "LABELS",
  cell: ({ metadata }) =>
    Object.entries(metadata.labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join(",") || "<none>",
};
