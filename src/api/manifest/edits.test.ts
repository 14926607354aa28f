import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { Change } from "./edits.ts";
import { parseDocuments } from "./syntax.ts";

/** Returns the text after the change, or undefined where there is none. */
function changed(text: string, change: Change): string | undefined {
  const [document] = parseDocuments(text, "f.yaml");
  const edit = document?.edit(change);
  if (edit === undefined) return undefined;
  const lines = text.split("\n");
  const offset = (line: number, column: number) =>
    lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + column - 1;
  const [start, end] = [offset(edit.start.line, edit.start.column), offset(edit.end.line, edit.end.column)];
  return text.slice(0, start) + edit.text + text.slice(end);
}

const join: Change = { what: "join", path: ["a", 1] };
const append: Change = { what: "append", path: ["a"], item: { b: ["x"], c: 1 } };
const replace = (to: string): Change => ({ what: "replace", path: ["a", 0], to });
const rename = (to: string): Change => ({ what: "rename", path: ["a"], to });

describe("a change of a text", () => {
  it.each<[string, Change, string, string]>([
    [
      "joins items",
      join,
      "a:\n  - b: 1 # one\n  # two\n  - c: 2\n",
      "a:\n  - b: 1 # one\n  # two\n    c: 2\n",
    ],
    [
      "joins items behind wide dashes",
      join,
      "a:\n-   b: 1\n-   c:\n    - 2",
      "a:\n-   b: 1\n    c:\n    - 2",
    ],
    [
      "appends behind comments",
      append,
      "a:\n  - z # last\n\nd: 1\n",
      "a:\n  - z # last\n  - b:\n    - x\n    c: 1\n\nd: 1\n",
    ],
    ["appends at the end", append, "a:\n- z: |\n    text", "a:\n- z: |\n    text\n- b:\n  - x\n  c: 1"],
    [
      "appends to lines that end as on Windows",
      append,
      "a:\r\n- z\r\n",
      "a:\r\n- z\n- b:\n  - x\n  c: 1\r\n",
    ],
    ["appends in one line", append, "a: [z]", 'a: [z, {"b":["x"],"c":1}]'],
    ["appends to nothing", append, "a: []", 'a: [{"b":["x"],"c":1}]'],
    ["appends in JSON", append, '{"a": [{"z": 1}\n]}', '{"a": [{"z": 1}, {"b":["x"],"c":1}\n]}'],
    ["renames", rename("port"), "a: 1 # b", "port: 1 # b"],
    ["renames in quotes", rename("port"), '{"a": 1}', '{"port": 1}'],
    ["quotes what is no text without", replace("80"), "a: [x]", 'a: ["80"]'],
    ["quotes what was quoted", replace("web"), "a: ['x']", 'a: ["web"]'],
    ["quotes what would be a comment", replace("a: #b"), "a:\n- x", 'a:\n- "a: #b"'],
  ])("%s", (_, change, text, expected) => {
    const found = changed(text, change);
    expect(found).toBe(expected);
    expect(() => parse(found ?? "") as unknown).not.toThrow();
  });

  it.each<[string, Change, string]>([
    ["a first item", { what: "join", path: ["a", 0] }, "a:\n- b: 1\n"],
    ["items with a name in common", join, "a:\n- b: 1\n- b: 2\n"],
    ["items in one line", join, "a: [{b: 1}, {c: 2}]"],
    ["items that are not aligned", join, "a:\n- b: 1\n-  c: 2\n"],
    ["an item below its dash", join, "a:\n- b: 1\n-\n  c: 2\n"],
    ["an item with an anchor", join, "a:\n- b: 1\n- &x\n  c: 2\n"],
    ["an item that is an alias", join, "z: &x {c: 2}\na:\n- b: 1\n- *x\n"],
    ["a list that is none", append, "a: 1"],
    ["a list that is not there", append, "b: []"],
    ["a list in a list's line", append, "b:\n- a\n- - c\n"],
    ["what an alias stands for", replace("z"), "b: &x [y]\na: *x"],
    ["a name that is not there", rename("z"), "b: 1"],
  ])("is not there for %s", (_, change, text) => {
    expect(changed(text, change)).toBeUndefined();
  });
});
