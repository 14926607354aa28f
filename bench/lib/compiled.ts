// The benches' programs in C: what is measured must not wait for a runtime.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import path from "node:path";

/** Returns the path of the executable of bench/lib/NAME.c, which is compiled when it is first needed, or older than that. */
export function compiled(name: string): string {
  const source = path.join(import.meta.dirname, `${name}.c`);
  const built = path.resolve(import.meta.dirname, `../../.cache/bench-${name.replaceAll("/", "-")}`);
  if (!existsSync(built) || statSync(built).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(path.dirname(built), { recursive: true });
    const fresh = `${built}.${process.pid}`;
    execFileSync(process.env["CC"] || "cc", ["-O1", "-static", source, "-o", fresh], { stdio: "inherit" });
    renameSync(fresh, built);
  }
  return built;
}
