// Builds the page of web/ into a folder, or copies what was built of the same sources: whoever changes src/ alone need not wait.
import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const STAMP = "built-from";

/**
 * @param root the checkout
 * @param to the folder `web` is made in
 */
export async function buildWeb(root, to) {
  const own = path.join(to, "web");
  const built = path.join(root, "dist/web");
  const sources = stampOf(root);
  if (stampIn(built) === sources) {
    cpSync(built, own, { recursive: true });
    return;
  }
  const { build } = await import("vite");
  await build({ configFile: path.join(root, "web/vite.config.ts"), build: { outDir: own } });
  writeFileSync(path.join(own, STAMP), sources);
}

function stampIn(folder) {
  try {
    return readFileSync(path.join(folder, STAMP), "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** What the page takes from src/ are types, which are gone when it is built. */
function stampOf(root) {
  const hash = createHash("sha256");
  const files = readdirSync(path.join(root, "web"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of [...files.toSorted(), path.join(root, "package-lock.json")])
    hash
      .update(`${path.relative(root, file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  return hash.digest("hex");
}
