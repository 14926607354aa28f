// Bundles the command line (which is also agent and controller) into dist/, with one chunk a command, so that a
// command that only prints loads only what it needs. Runs under any Node.js from 20 on: npm calls it at install.
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { buildWeb } from "./build-web.mjs";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const quiet = process.argv.includes("--quiet");
const staging = path.join(root, `dist.${process.pid}`);

try {
  mkdirSync(staging, { recursive: true });
  await build({
    entryPoints: { trunkline: path.join(root, "src/cli/main.ts") },
    outdir: staging,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    sourcemap: "linked",
    // A process keeps the text of what it has loaded: comments of classes were a fifth of it, and one letter that is not of
    // Latin-1 doubles a whole file. Names stay, for stack traces; the map beside the file tells the rest.
    minifyWhitespace: true,
    lineLimit: 160,
    external: ["koffi"],
    // Some dependencies are CommonJS and call require() at run time.
    banner: {
      js: 'import { createRequire as __cr } from "node:module"; const require = __cr(import.meta.url);',
    },
    logLevel: "warning",
  });
  await buildWeb(root, staging);
  // The CNI plugin's executable has a build of its own (build-shim.mjs) and stays.
  try {
    cpSync(path.join(root, "dist/cni"), path.join(staging, "cni"), { recursive: true });
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  // A running agent keeps the chunks that it has open; new starts see a whole new folder.
  const old = path.join(root, `dist.old.${process.pid}`);
  try {
    renameSync(path.join(root, "dist"), old);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  try {
    renameSync(staging, path.join(root, "dist"));
  } catch (error) {
    // Two commands noticed the newer sources at once and the other one was first: its bundle is as good.
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  }
  // The image is not built anew with every bundle.
  for (const name of ["trunkline-image.tar", "trunkline-image.spdx.json"])
    if (existsSync(path.join(old, name)) && !existsSync(path.join(root, "dist", name)))
      renameSync(path.join(old, name), path.join(root, "dist", name));
  rmSync(old, { recursive: true, force: true });
  if (!quiet) console.log("built dist/trunkline.js");
} finally {
  rmSync(staging, { recursive: true, force: true });
}
