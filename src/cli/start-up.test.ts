// A command that only prints ends within 0.2 s, so it must not load what takes long to load. No timing here: what a
// module imports when it is loaded stands in its text.
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const heavy = ["zod", "yaml", "koffi", "pino", "prom-client"];

/** Returns the packages that a module loads at once, and by which way of imports. */
function packagesOf(module: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  const seen = new Set<string>();
  const follow = (file: string, way: readonly string[]): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const here = [...way, path.relative(".", file)];
    for (const name of importsOf(readFileSync(file, "utf8"))) {
      if (name.startsWith(".")) follow(path.resolve(path.dirname(file), name), here);
      else if (!found.has(name)) found.set(name, here);
    }
  };
  follow(path.resolve(module), []);
  return found;
}

/** Types alone are gone before anything is loaded; `import()` loads when it is asked to. */
function importsOf(text: string): string[] {
  const statements = text.matchAll(/^(?:import|export)\s(?!type\b)[^"';]*?from "([^"]+)";$/gm);
  return [...statements, ...text.matchAll(/^import "([^"]+)";$/gm)].map((found) => found[1] ?? "");
}

describe("what commands load", () => {
  it.each([
    "main",
    "commands/objects/get",
    "commands/objects/scale",
    "commands/objects/wait",
    "commands/objects/describe",
    "commands/objects/delete",
  ])("%s loads no slow library at once", (name) => {
    const loaded = packagesOf(`src/cli/${name}.ts`);
    expect(loaded.has("commander")).toBe(true);
    for (const one of heavy) expect(loaded.get(one)).toBeUndefined();
  });

  it("is nowhere node:http by an import statement, which loads a whole fetch with it", () => {
    const sources = globSync("src/**/*.ts", { exclude: ["**/*.test.ts", "**/*.suite.ts"] });
    expect(sources.length).toBeGreaterThan(500);
    const wrong = sources.filter((file) =>
      importsOf(readFileSync(file, "utf8")).some((name) => /^(node:)?https?$/.test(name)),
    );
    expect(wrong).toEqual([]);
    expect(importsOf('import { get } from "node:http";\nimport type { Server } from "node:https";')).toEqual([
      "node:http",
    ]);
  });

  it("is told apart from what they do not load", () => {
    expect(packagesOf("src/api/schema.ts").get("zod")).toEqual(["src/api/schema.ts"]);
    expect(packagesOf("src/cli/commands/objects/apply.ts").has("yaml")).toBe(true);
  });
});
