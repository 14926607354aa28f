import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isError } from "../../base/errors.ts";
import { fillTemplate, parseJsonPath, parseTemplate, valuesAt } from "./jsonpath.ts";

const list = {
  kind: "List",
  items: [
    {
      metadata: { name: "a", labels: { "app.io/x": "1" } },
      spec: { ports: [80, 81, 82] },
      status: {
        podIP: "10.1.0.1",
        conditions: [
          { type: "Ready", status: "True" },
          { type: "Else", status: "False" },
        ],
      },
    },
    { metadata: { name: "b", labels: {} }, spec: { ports: [], weight: 5 }, status: {} },
  ],
};

describe("JSONPath templates", () => {
  it.each([
    ["{.kind}", "List"],
    ["{$.kind} and {@.kind}", "List and List"],
    ["{.items[*].metadata.name}", "a b"],
    ["{.items.*.metadata.name}", "a b"],
    ["{.items[0].metadata.name}{.items[-1].metadata.name}", "ab"],
    ["{.items[7].metadata.name}{.items[-3].metadata.name}", ""],
    ["{.items[0].spec.ports[1:]}", "81 82"],
    ["{.items[0].spec.ports[0:2]}", "80 81"],
    ["{.items[0].spec.ports[0,2]}", "80 82"],
    ["{.items[0].spec.ports}", "[80,81,82]"],
    ["{['kind']}", "List"],
    ["{.items[*]['metadata','spec'].name}", "a b"],
    ["{..podIP}", "10.1.0.1"],
    ["{.items[0].metadata.labels.app\\.io/x}", "1"],
    ['{.items[*].status.conditions[?(@.type=="Ready")].status}', "True"],
    ["{.items[?(@.status.podIP)].metadata.name}", "a"],
    ["{.items[?(@.metadata.name!='a')].metadata.name}", "b"],
    ["{.items[?(@.spec.weight > 4)].metadata.name}", "b"],
    ["{.items[?(@.spec.weight >= 6)].metadata.name}", ""],
    ['{range .items[*]}{.metadata.name}{"\\t"}{.status.podIP}{"\\n"}{end}', "a\t10.1.0.1\nb\t\n"],
    ["{range .items[*]}{range .spec.ports[*]}<{@}>{end};{end}", "<80><81><82>;;"],
    ["name: {.nothing.at.all}.", "name: ."],
    // What every object inherits is no field of it.
    ["{.constructor}{.items.length}", ""],
    ["plain\\n", "plain\n"],
  ])("%s", (template, expected) => {
    expect(fillTemplate(parseTemplate(template), list)).toBe(expected);
  });

  it.each([
    ["{.kind", 7],
    ["{kind}", 2],
    ["{range .items[*]}x", 19],
    ["x{end}", 2],
    ["{.items[x]}", 9],
    ["{.items[?(@.a==b)]}", 16],
    ["{.a..}", 6],
  ])("%s is refused at column %i", (template, column) => {
    let caught: unknown;
    try {
      parseTemplate(template);
    } catch (error) {
      caught = error;
    }
    expect(isError(caught, "cli.jsonpath")).toBe(true);
    expect(String(caught)).toContain(`column ${column})`);
  });

  it.each(["{.metadata.name}", ".metadata.name", "metadata.name", "$.metadata.name"])(
    "%s is a path too",
    (text) => {
      expect(valuesAt(parseJsonPath(text), list.items[0])).toEqual(["a"]);
    },
  );

  it("is read or refused, whatever it is", () => {
    const mark = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ".",
      "*",
      "?(",
      ")",
      "@",
      "'",
      '"',
      "a",
      "0",
      "-",
      ":",
      "range ",
      "end",
      "==",
      "\\",
    );
    fc.assert(
      fc.property(fc.array(mark, { maxLength: 12 }), (marks) => {
        try {
          expect(fillTemplate(parseTemplate(marks.join("")), list)).toBeTypeOf("string");
        } catch (error) {
          if (!isError(error, "cli.jsonpath")) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
