// Manifests from files, folders and standard input.
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { joinManifests, type Manifests, type ParseOptions, parseManifests } from "./parse.ts";

const endings = new Set([".yaml", ".yml", ".json"]);

/**
 * Reads files, folders (all .yaml, .yml and .json files below them, in order of their names) and `-` for standard input.
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
      for (const file of await filesOf(given))
        parts.push(parseManifests(await readText(file), file, options));
  }
  return joinManifests(parts);
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

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new TrunklineError("api.file", { path: file, why: textOf(error) }, { cause: error });
  }
}
