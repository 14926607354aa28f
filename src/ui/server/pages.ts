// The built page as files in memory: a handful, so that no path of a request ever reaches the file system.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { TrunklineError } from "../../base/errors.ts";

export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/**
 * Returns the files of a built page by their paths; `/` is its index.
 * @throws TrunklineError `ui.not-built`
 */
export function readPages(folder: string): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  try {
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      const type = types[path.extname(name)];
      if (type !== undefined) files.set(`/${name}`, { type, body: readFileSync(path.join(folder, name)) });
    }
  } catch (error) {
    throw new TrunklineError("ui.not-built", { folder }, { cause: error });
  }
  const index = files.get("/index.html");
  if (!index) throw new TrunklineError("ui.not-built", { folder });
  return files.set("/", index);
}
