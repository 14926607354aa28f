// Makes the programs that scripts of the virtual machine start JavaScript, once before all of its tests.
//
// To read TypeScript, Node.js compiles a large module of WebAssembly at each start, whose code other threads still exchange
// while it runs. Emulated, on a busy machine, that ended 2 of 60 starts by a signal (Node.js 24.21.0, QEMU 7.2), and none of
// 250 without it.
import path from "node:path";
import { build } from "esbuild";

const PROGRAMS = ["echo", "forge-ipip", "give-enis", "talk"];

/** Writes `.cache/vm-programs/NAME.mjs` of each. */
export default async function makePrograms(): Promise<void> {
  await build({
    absWorkingDir: path.resolve(import.meta.dirname, "../.."),
    entryPoints: PROGRAMS.map((name) => `test/vm/${name}.ts`),
    outdir: ".cache/vm-programs",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "error",
  });
}
