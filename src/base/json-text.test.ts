import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readJsonText } from "./json-text.ts";

const marks = '{}[]:,"\\ \n01-.eatrufls'.split("");

describe("JSON with places", () => {
  it("reads what JSON.parse reads", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.integer({ min: 0, max: 3 }), (value, indent) => {
        const read = readJsonText(JSON.stringify(value, undefined, indent));
        expect("value" in read && read.value).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("refuses what JSON.parse refuses", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...marks) }), (text) => {
        const ours = "value" in readJsonText(text);
        let theirs = true;
        try {
          JSON.parse(text);
        } catch {
          theirs = false;
        }
        // Only a key that stands twice is refused by us alone.
        if (ours !== theirs) expect(readJsonText(text)).toMatchObject({ why: /second time/ });
      }),
      { numRuns: 2000 },
    );
  });

  it("knows where everything stands", () => {
    const read = readJsonText('{\n  "a": {"b c": [1,\n 22]},\n "d": null}');
    if (!("value" in read)) throw new Error(read.why);
    expect(read.at([])).toEqual({ line: 1, column: 1 });
    expect(read.at(["a"])).toEqual({ line: 2, column: 3 });
    expect(read.at(["a", "b c", 1])).toEqual({ line: 3, column: 2 });
    expect(read.at(["e"])).toBeUndefined();
  });

  it.each([
    ['{"a": 1,}', 1, 9, /a key in double quotes/],
    ['{\n"a": 1\n"b": 2}', 3, 1, /',' or '}'/],
    ['{"a": yes}', 1, 7, /'yes' is no value/],
    ['{"a": 1, "a": 2}', 1, 10, /second time/],
    ['{"a": "x', 1, 7, /not closed/],
    ["", 1, 1, /ends too early/],
    ["{} {}", 1, 4, /nothing may stand behind/],
  ])("%j", (text, line, column, why) => {
    expect(readJsonText(text)).toMatchObject({ line, column });
    expect(readJsonText(text)).toMatchObject({ why: expect.stringMatching(why) as unknown });
  });
});
