// Manifests from files, folders and standard input.
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { joinManifests, LAB_FILE, type Manifests, type ParseOptions, parseManifests } from "./parse.ts";
import { readText } from "./read-text.ts";

const endings = new Set([".yaml", ".yml", ".json"]);

/**
 * Reads files, folders (all .yaml, .yml and .json files below them, in order of their names) and `-` for standard input.
 * A lab file that lies in a folder is passed over with a note; named by itself it is an error.
 * @throws TrunklineError `api.file` if a path cannot be read
 */
export async function readManifests(
  paths: readonly string[],
  options: ParseOptions = {},
): Promise<Manifests> {
  const parts: Manifests[] = [];
  for (const given of paths) {
    if (given === "-") parts.push(parseManifests(await text(process.stdin), "<stdin>", options));
    else
      for (const file of await filesOf(given)) {
        const read = parseManifests(await readText(file), file, options);
        parts.push(file === given ? read : withoutLabFile(read));
      }
  }
  return joinManifests(parts);
}

function withoutLabFile(read: Manifests): Manifests {
  const [only, ...more] = read.errors;
  if (only?.code !== LAB_FILE || more.length > 0 || read.objects.length > 0) return read;
  const { hint: _, ...note } = only;
  return { ...read, errors: [], notes: [{ ...note, message: `${note.message}: passed over` }] };
}

async function filesOf(given: string): Promise<string[]> {
  try {
    if (!(await stat(given)).isDirectory()) return [given];
    const entries = await readdir(given, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory() && endings.has(path.extname(entry.name)))
      .map((entry) => path.join(entry.parentPath, entry.name))
      .toSorted();
  } catch (error) {
    throw new TrunklineError("api.file", { path: given, why: textOf(error) }, { cause: error });
  }
}
