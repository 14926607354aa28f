// Field selectors in kubectl's text form, and reading a field by its path. A Kubernetes server knows a few fields of
// each kind; here any field that holds a single value will do.
import { TrunklineError } from "../../base/errors.ts";
import type { KubeObject } from "../object.ts";

/**
 * Returns whether an object has the fields that the text asks for: `a.b=c`, `a.b==c`, `a.b!=c`, joined by commas. A field
 * that is absent equals the empty text.
 * @throws TrunklineError `api.selector`
 */
export function fieldChooser(text: string): (object: KubeObject) => boolean {
  let column = 1;
  const tests = text.split(",").map((part) => {
    const found = /^\s*\.?([\w.-]+?)\s*(!=|==?)\s*([^=!]*?)\s*$/.exec(part);
    if (!found && text.trim() !== "")
      throw new TrunklineError("api.selector", {
        text,
        column,
        why: "FIELD=VALUE or FIELD!=VALUE was expected here",
      });
    column += part.length + 1;
    const [, path = "", sign, value = ""] = found ?? [];
    return (object: KubeObject) => !found || (valueAt(object, path) === value) === (sign !== "!=");
  });
  return (object) => tests.every((test) => test(object));
}

/** Returns the value at a path such as `metadata.name`, as a text; "" where there is none, or none of a single value. */
export function valueAt(object: object, path: string): string {
  let value: unknown = object;
  for (const key of path.split("."))
    value =
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? Reflect.get(value, key)
        : undefined;
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : "";
}
