// What a Kubernetes API server 1.37.2 said to mutated objects (recorded by scripts/kubernetes/record.mjs), and what is said
// here. The differences that are meant are the table in docs/objects.md.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseManifests } from "../manifest/parse.ts";
import type { KubeObject } from "../object.ts";

const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8"));

type Change = readonly [path: readonly (string | number)[], value?: unknown];
type Case = readonly [base: number, changes: readonly Change[], taken: 0 | 1, why?: string];

const bases = fixture("server-bases.json") as readonly KubeObject[];
const cases = fixture("server-answers.json") as readonly Case[];

/** Returns a copy of the object in which the part at `path` is another value, or gone where there is none. */
function changed(object: unknown, [path, ...value]: Change): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value[0];
  const copy: Record<string | number, unknown> = Array.isArray(object)
    ? ([...(object as unknown[])] as never)
    : { ...(object as object) };
  if (rest.length === 0 && value.length === 0) delete copy[key];
  else copy[key] = changed(copy[key], [rest, ...value]);
  return copy;
}

/** Where an answer differs on purpose, and how many of the cases may (the table in docs/objects.md). */
function meantDifference(why: string, ours: readonly string[]): string | undefined {
  if (why !== "" && why.split(" ").every((field) => field.endsWith(".image")))
    return "an image may be left out";
  if (why === "body") return "what other objects of the cluster allow (PriorityClasses)";
  if (/\.(?:windowsOptions|hostProcess)|privileged$/.test(why)) return "Windows, and the cluster's policy";
  if (/\.resources\.claims/.test(why)) return "resource claims of pods";
  if (why.endsWith("metadata.generation")) return "a negative generation";
  if (ours.some((message) => /this list item is empty/.test(message))) return "an empty list item";
  if (ours.some((message) => /`name` is missing \(at metadata\.name\)/.test(message)))
    return "a generated name";
  return undefined;
}

describe("mutated objects", () => {
  it("there are enough of them, of both sorts", () => {
    expect(cases.filter(([, , taken]) => taken === 1).length).toBeGreaterThan(400);
    expect(cases.filter(([, , taken]) => taken === 0).length).toBeGreaterThan(400);
  });

  it.each(bases.map((base, at) => [`${base.kind} ${at}`, base] as const))(
    "%s is taken as it is",
    (_, base) => {
      expect(parseManifests(JSON.stringify(base), "f.json").errors).toEqual([]);
    },
  );

  it("are taken and refused as the server does", () => {
    const meant = new Map<string, number>();
    for (const [base, changes, taken, why = ""] of cases) {
      const object = changes.reduce<unknown>(changed, bases[base]);
      const ours = parseManifests(JSON.stringify(object), "f.json").errors.map(
        ({ message, path }) => `${message} (at ${path})`,
      );
      if ((ours.length === 0) === (taken === 1)) continue;
      const difference = meantDifference(why, ours);
      expect(
        difference,
        `${JSON.stringify(changes)}\nserver: ${taken ? "taken" : why}\nours: ${ours.join("\n")}`,
      ).toBeDefined();
      meant.set(difference ?? "", (meant.get(difference ?? "") ?? 0) + 1);
    }
    // A difference that swallowed everything would be no test.
    expect([...meant.values()].reduce((sum, count) => sum + count, 0)).toBeLessThan(cases.length / 20);
  });
});
