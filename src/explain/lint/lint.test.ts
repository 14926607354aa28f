import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isMap, isSeq, LineCounter, parseAllDocuments } from "yaml";
import type { KubeObject } from "../../api/object.ts";
import type { Path } from "../../base/problem.ts";
import type { Written } from "../written.ts";
import { findingsText } from "./format.ts";
import { rules } from "./rules/index.ts";
import { lint } from "./run.ts";

const folder = new URL("./fixtures/", import.meta.url);

function read(name: string): Written[] {
  const text = readFileSync(new URL(name, folder), "utf8");
  const lines = new LineCounter();
  return parseAllDocuments(text, { lineCounter: lines }).map((document) => ({
    object: document.toJS() as KubeObject,
    at: (path: Path) => {
      for (let steps = [...path]; ; steps = steps.slice(0, -1)) {
        const parent: unknown =
          steps.length === 0 ? document.contents : document.getIn(steps.slice(0, -1), true);
        const last = steps.at(-1);
        const pair = isMap(parent)
          ? parent.items.find((item) => String(item.key) === String(last))
          : undefined;
        const node: unknown = pair ? pair.key : isSeq(parent) ? parent.get(Number(last), true) : parent;
        const range: unknown =
          typeof node === "object" && node !== null ? Reflect.get(node, "range") : undefined;
        if (Array.isArray(range)) {
          const place = lines.linePos(Number(range[0]));
          return { file: name, line: place.line, column: place.col };
        }
        if (steps.length === 0) return undefined;
      }
    },
  }));
}

describe("every rule", () => {
  it.each(rules.map((rule) => [rule.id, rule] as const))(
    "%s finds its bad manifest and passes the good one",
    async (id, rule) => {
      const bad = lint(read(`${id}.bad.yaml`), { rules: [rule] });
      expect(bad.length).toBeGreaterThan(0);
      for (const finding of bad) expect(finding.position, finding.message).toBeDefined();
      expect(lint(read(`${id}.good.yaml`), { rules: [rule] })).toEqual([]);
      await expect(findingsText(bad)).toMatchFileSnapshot(`fixtures/${id}.txt`);
    },
  );

  it("has a fixture, and every fixture a rule", () => {
    const names = new Set(readdirSync(folder).map((name) => name.slice(0, 5)));
    expect([...names].toSorted()).toEqual(rules.map((rule) => rule.id));
  });

  it("has an id and a name of its own", () => {
    expect(new Set(rules.map((rule) => rule.id)).size).toBe(rules.length);
    expect(new Set(rules.map((rule) => rule.name)).size).toBe(rules.length);
  });
});
