// Where this program is installed: its examples, its executable and its CNI plugin are found from there.
import { existsSync } from "node:fs";
import path from "node:path";

/** Returns the folder that holds package.json, above the sources as well as above the bundle. */
export function installationRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(path.join(folder, "package.json"))) {
    const above = path.dirname(folder);
    if (above === folder) return import.meta.dirname;
    folder = above;
  }
  return folder;
}

/** Returns the command line's executable. */
export function trunklineExecutable(): string {
  return path.join(installationRoot(), "bin/trunkline");
}
