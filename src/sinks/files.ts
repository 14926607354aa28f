// Files that programs of others read at any moment: whole before and whole after, with their owner and mode.
import { constants } from "node:fs";
import { chown, lstat, open, realpath, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { TrunklineError } from "../base/errors.ts";

/**
 * Returns the real path of a file or socket, whose folder must be in or below one of those.
 * @throws `sinks.folder`, `sinks.path`
 */
export async function allowedPath(file: string, folders: readonly string[]): Promise<string> {
  try {
    const found = await existing(file);
    for (const folder of folders) {
      const root = await realpath(folder).catch(() => undefined);
      if (root === undefined) continue;
      const relative = path.relative(root, found);
      if (relative !== "" && relative !== ".." && !relative.startsWith("../")) return found;
    }
  } catch (error) {
    throw refusal(file, error);
  }
  throw new TrunklineError("sinks.folder", { path: file, folders });
}

/** A link is followed, so that the file that it leads to is replaced and not the link. */
async function existing(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    const isLink = await lstat(file).then(
      () => true,
      () => false,
    );
    if (isLink) throw error;
    return path.join(await realpath(path.dirname(file)), path.basename(file));
  }
}

/**
 * Returns a file's text; undefined: there is none. What is no file (a FIFO, a device) may never end or never begin, and would keep one
 * of the few threads that all of the process's files are read by.
 * @throws `sinks.path`
 */
export async function textIn(file: string): Promise<string | undefined> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await handle.stat()).isFile()) throw new Error("it is there, and is no file");
      return await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw refusal(file, error);
  }
}

/**
 * Replaces a file at once, and on the disk before it says so. Who reads it meanwhile reads the old one; a process that dies on the
 * way leaves at most a file with another name, which the next one of that path takes away.
 * @throws `sinks.path`
 */
export async function replaceFile(file: string, text: string): Promise<void> {
  const fresh = `${path.join(path.dirname(file), `.${path.basename(file)}`)}.trunkline`;
  try {
    const before = await stat(file).catch(() => undefined);
    await rm(fresh, { force: true });
    const handle = await open(fresh, "wx", 0o600);
    try {
      await handle.writeFile(text);
      // Whatever this process's mask: other programs are to read it.
      await handle.chmod(before ? before.mode & 0o7777 : 0o644);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    if (before && process.getuid?.() === 0) await chown(fresh, before.uid, before.gid);
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => {});
    throw refusal(file, error);
  }
}

/** Makes a file hold what it held, or not be there where it was not. @throws `sinks.path` */
export async function putBack(file: string, text: string | undefined): Promise<void> {
  if (text === undefined) await rm(file, { force: true });
  else await replaceFile(file, text);
}

function refusal(file: string, error: unknown): TrunklineError {
  const why = error instanceof Error ? error.message : String(error);
  return new TrunklineError("sinks.path", { path: file, why });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
