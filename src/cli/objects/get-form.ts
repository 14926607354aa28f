// The forms that `get` prints in, as kubectl's -o has them.
import { InvalidArgumentError, Option } from "commander";
import type { KubeObject } from "../../api/object.ts";
import { isError } from "../../base/errors.ts";
import type { Column } from "./columns.ts";
import {
  type JsonPath,
  jsonText,
  parseJsonPath,
  parseTemplate,
  type Template,
  valuesAt,
} from "./jsonpath.ts";

export type Form =
  | { readonly type: "table" | "wide" | "json" | "yaml" | "name" }
  | { readonly type: "jsonpath"; readonly template: Template }
  | { readonly type: "columns"; readonly columns: readonly Column<KubeObject>[] };

const plain = ["table", "wide", "json", "yaml", "name"] as const;

/** Returns -o of `get`. */
export function formOption(): Option {
  const forms = [...plain, "jsonpath=TEMPLATE", "custom-columns=TITLE:PATH,…"].join(", ");
  return new Option("-o, --output <form>", `form of the output: ${forms}`)
    .argParser(formOf)
    .default({ type: "table" }, "table");
}

function formOf(text: string): Form {
  const word = plain.find((one) => one === text);
  if (word !== undefined) return { type: word };
  const [, type, rest = ""] = /^(jsonpath|custom-columns)=(.+)$/s.exec(text) ?? [];
  if (type === "jsonpath") return { type, template: orUsage(() => parseTemplate(rest)) };
  if (type === "custom-columns") return { type: "columns", columns: rest.split(",").map(columnOf) };
  throw new InvalidArgumentError(
    `It must be one of ${plain.join(", ")}, jsonpath=TEMPLATE, custom-columns=TITLE:PATH,…`,
  );
}

function columnOf(text: string): Column<KubeObject> {
  const [, title, path = ""] = /^([^:]+):(.+)$/.exec(text) ?? [];
  if (title === undefined) throw new InvalidArgumentError(`'${text}' is not of the form TITLE:PATH.`);
  const steps = orUsage(() => parseJsonPath(path));
  return { title, cell: (object) => valuesAt(steps, object).map(jsonText).join(",") || "<none>" };
}

/** Returns --sort-by's path. */
export function sortOption(): Option {
  const what = "in the order of a field, such as .metadata.creationTimestamp";
  return new Option("--sort-by <path>", what).argParser(
    (text): JsonPath => orUsage(() => parseJsonPath(text)),
  );
}

// Commander tells which option is meant.
function orUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!isError(error, "cli.jsonpath")) throw error;
    throw new InvalidArgumentError(error.message);
  }
}
