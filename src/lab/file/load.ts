// From a file's or an example's name to a checked LabFile, or to every problem with its line and column.
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { parseDocuments } from "../../api/manifest/syntax.ts";
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { Problem } from "../../base/problem.ts";
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
  const [document, ...more] = parseDocuments(text, file, "core").filter(
    ({ value, problems }) => problems.length > 0 || (value ?? undefined) !== undefined,
  );
  const broken = [document, ...more].flatMap((one) => one?.problems ?? []);
  if (broken.length > 0) return { problems: broken };
  const where = (keys: readonly PropertyKey[]) => {
    const path = keys.map((key) => (typeof key === "number" ? key : String(key)));
    const position = document?.locate(path) ?? { file, line: 1, column: 1 };
    return { path: pathText(keys), position };
  };
  const [second] = more;
  if (second) {
    const message = "a lab file is one document; another one begins here";
    return {
      problems: [{ code: "lab.documents", message, position: second.locate([]) ?? where([]).position }],
    };
  }
  const parsed = labFileSchema.safeParse(document?.value);
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

/** Reads a lab file from disk. @throws TrunklineError `api.file` */
export function loadLabFile(file: string): { lab: LabFile } | { problems: Problem[] } {
  const relative = path.relative(process.cwd(), file);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new TrunklineError("api.file", { path: file, why: textOf(error) }, { cause: error });
  }
  return parseLabFile(text, relative.startsWith("..") ? file : relative);
}

function pathText(keys: readonly PropertyKey[]): string {
  return keys.reduce<string>(
    (text, key) =>
      typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${String(key)}`,
    "",
  );
}
