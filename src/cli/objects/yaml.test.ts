import fc from "fast-check";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { parseDocuments } from "../../api/manifest/syntax.ts";
import { stringify } from "./yaml.ts";

const words = [
  "on",
  "y",
  "No",
  "1_000",
  "0x1F",
  "0o17",
  "0120",
  "1e3",
  ".5",
  "1:30",
  "2001-01-01",
  "~",
  "",
  "=",
  "<<",
  "-",
  ".inf",
  "true",
  "0b11",
  "+80",
  "089",
];

it("what is printed is read back the same by kubectl's words, by YAML 1.1 and by 1.2", () => {
  const text = fc.oneof(
    fc.constantFrom(...words),
    fc.string({ unit: fc.constantFrom(..."0 1 2 7 8 9 _ x o b e E + - . : n a N y Y t f ~".split(" ")) }),
  );
  const scalar = fc.oneof(
    text,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.double({ noDefaultInfinity: true, noNaN: true }),
  );
  fc.assert(
    fc.property(fc.dictionary(text, fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }))), (written) => {
      // -0 is 0 in JSON, which is all that objects are; a merge key is no key of an object.
      const {
        "<<": _merge,
        __proto__: _proto,
        ...value
      } = JSON.parse(JSON.stringify(written)) as Record<string, unknown>;
      const printed = stringify(value);
      const [document] = parseDocuments(printed, "f");
      expect(document?.problems).toEqual([]);
      expect(document?.value).toEqual(value);
      expect(parse(printed, { version: "1.1" })).toEqual(value);
      expect(parse(printed, { version: "1.2" })).toEqual(value);
    }),
    { numRuns: 500 },
  );
});
