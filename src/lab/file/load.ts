// From a file's or an example's name to a checked LabFile, or to every problem with its line and column.
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { TrunklineError } from "../../base/errors.ts";
import type { Position, Problem } from "../../base/problem.ts";
import { checkLabFile } from "./check.ts";
import { type LabFile, labFileSchema } from "./lab-file.ts";

/**
 * Returns the lab file that a user means: a file, a folder with a lab.yaml, or an example's name with or without
 * `examples/` in front. `root` is the folder of the installation, whose examples are found from everywhere.
 * @throws TrunklineError `lab.no-file`
 */
export function resolveLabFile(word: string, root: string): string {
  const tries = [word, path.join(root, word), path.join(root, "examples", word)];
  for (const place of tries) {
    for (const file of [place, path.join(place, "lab.yaml")]) {
      if (existsSync(file) && statSync(file).isFile()) return path.resolve(file);
    }
  }
  throw new TrunklineError("lab.no-file", { word });
}

/** Reads and checks a lab file; `file` is what positions name. */
export function parseLabFile(text: string, file: string): { lab: LabFile } | { problems: Problem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      code: "yaml.syntax",
      message: error.message,
      position: at(error.pos[0]),
    }));
    return { problems };
  }
  const where = (keys: readonly PropertyKey[]) => ({
    path: pathText(keys),
    position: at(offsetOf(document, keys)),
  });
  const parsed = labFileSchema.safeParse(document.toJS());
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      const keys = issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0] ?? ""] : issue.path;
      return { code: "lab.schema", message: issue.message, ...where(keys) };
    });
    return { problems };
  }
  const lab = parsed.data as LabFile;
  const faults = checkLabFile(lab);
  if (faults.length > 0)
    return { problems: faults.map(({ path: keys, ...rest }) => ({ ...rest, ...where(keys) })) };
  return { lab };
}

/** Reads a lab file from disk. */
export function loadLabFile(file: string): { lab: LabFile } | { problems: Problem[] } {
  const relative = path.relative(process.cwd(), file);
  return parseLabFile(readFileSync(file, "utf8"), relative.startsWith("..") ? file : relative);
}

// The nearest part of the path that the text has: a missing key is reported where its parent begins.
function offsetOf(document: Document, keys: readonly PropertyKey[]): number {
  for (let length = keys.length; length >= 0; length--) {
    const part = keys.slice(0, length);
    const found = part.length === 0 ? document.contents : document.getIn(part, true);
    if (isNode(found) && found.range) return found.range[0];
  }
  return 0;
}

function pathText(keys: readonly PropertyKey[]): string {
  return keys.reduce<string>(
    (text, key) =>
      typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${String(key)}`,
    "",
  );
}
