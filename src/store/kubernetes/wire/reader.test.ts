import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { entries, list, message, number, text } from "./message.ts";
import { Last, WireReader, Words } from "./reader.ts";

/** Varints as the specification has them. */
function varint(value: bigint): number[] {
  const bytes: number[] = [];
  for (let left = BigInt.asUintN(64, value); ; left >>= 7n) {
    if (left < 0x80n) return [...bytes, Number(left)];
    bytes.push(Number(left & 0x7fn) | 0x80);
  }
}

const field = (tag: number, type: number, ...rest: readonly number[]) => [
  ...varint(BigInt(tag * 8 + type)),
  ...rest,
];
const delimited = (tag: number, content: readonly number[]) =>
  field(tag, 2, ...varint(BigInt(content.length)), ...content);
const utf8 = (value: string) => [...Buffer.from(value)];
const readerOf = (...parts: readonly (readonly number[])[]) => new WireReader(Buffer.from(parts.flat()));

describe("a message's reader", () => {
  it("reads whole numbers, also negative ones", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const reader = readerOf(field(1, 0, ...varint(value)));
        expect(reader.field()).toBe(1);
        expect(reader.number()).toBe(Number(value));
        expect(reader.field()).toBe(0);
      }),
    );
  });

  it("steps over what it is not asked for, of all types", () => {
    const read = message(number(3, "n"), text(20, "t"));
    const parts = [
      field(1, 0, ...varint(2n ** 63n)),
      field(2, 1, 1, 2, 3, 4, 5, 6, 7, 8),
      field(3, 0, 7),
      delimited(4, utf8("passed over")),
      field(5, 5, 1, 2, 3, 4),
      delimited(20, utf8("Zürich")),
      delimited(2000, []),
    ];
    expect(read(readerOf(...parts))).toEqual({ n: 7, t: "Zürich" });
  });

  it("leaves out what is empty, as JSON does", () => {
    const read = message(number(1, "n"), text(2, "t"), list(3, "l", message(text(1, "t"))));
    expect(read(readerOf(field(1, 0, 0), delimited(2, []), delimited(3, [])))).toEqual({ l: [{}] });
  });

  it("knows the fields of one number that stand side by side by their bytes", () => {
    const entry = (key: string, value: string) =>
      delimited(11, [...delimited(1, utf8(key)), ...delimited(2, utf8(value))]);
    const reader = readerOf(entry("a", "b"), entry("c", ""), delimited(12, utf8("after")));
    reader.field();
    const both = Buffer.from([...entry("a", "b"), ...entry("c", "")]).toString("latin1");
    const last = new Last<object>();
    const made = reader.run(last, (key, fields) => ({ key: key(), said: entries(fields) }));
    expect(made).toEqual({ key: both, said: { a: "b", c: "" } });
    expect(reader.field()).toBe(12);
    expect(reader.text()).toBe("after");
    const again = (...parts: readonly (readonly number[])[]) => {
      const other = readerOf(...parts);
      other.field();
      return other.run(last, () => ({}));
    };
    expect(again(entry("a", "b"), entry("c", ""))).toBe(made);
    expect(again(entry("a", "b"))).not.toBe(made);
    expect(again(entry("a", "b"), entry("c", ""))).not.toBe(made);
  });

  it("knows texts that are those of the last time, and words, by their bytes", () => {
    const last = new Last<string>();
    let made = 0;
    const read = (value: string) => {
      const reader = readerOf(delimited(1, utf8(value)), delimited(2, utf8(value)));
      reader.field();
      const first = reader.commonText(last, (text) => `${text} ${++made}`);
      reader.field();
      return [first, reader.isOneOf(new Words(["Ready", "Zürich"]))];
    };
    const long = "x".repeat(300);
    expect(["Ready", "Ready", "Readz", "Zürich", "Zürich", "", "", long, long, "Ready"].map(read)).toEqual([
      ["Ready 1", true],
      ["Ready 1", true],
      ["Readz 2", false],
      ["Zürich 3", true],
      ["Zürich 3", true],
      [" 4", false],
      [" 4", false],
      [`${long} 5`, false],
      [`${long} 5`, false],
      ["Ready 6", true],
    ]);
  });

  it("refuses a message that is cut off, at every place, and reads nothing beyond its end", () => {
    const read = message(number(1, "n"), list(2, "l", message(text(1, "t"))), text(3, "t"));
    const whole = [
      field(1, 0, ...varint(300n)),
      delimited(2, delimited(1, utf8("inner"))),
      delimited(3, utf8("x")),
    ];
    const bytes = Buffer.from(whole.flat());
    const ends = new Set([0, whole[0]!.length, whole[0]!.length + whole[1]!.length]);
    for (let size = 0; size < bytes.length; size++) {
      const cut = () => read(new WireReader(bytes, 0, size));
      if (ends.has(size)) cut();
      else expect(cut, `${size} bytes`).toThrow("ends within a field");
    }
    expect(() => read(readerOf(delimited(2, [...field(1, 2, 9), 1])))).toThrow("ends within a field");
    expect(() => read(readerOf(field(0, 0, 1)))).toThrow("no Protocol Buffers message");
    expect(() => read(readerOf(field(9, 3)))).toThrow("no Protocol Buffers message");
    expect(() => read(readerOf(delimited(1, [1])))).toThrow("no Protocol Buffers message");
  });
});
