import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalJson } from "./equal.ts";
import { threeWayMerge } from "./merge.ts";

const leaf = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom("x", "y"));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(leaf, { maxLength: 2 }),
    fc.dictionary(fc.constantFrom("a", "b", "c", "constructor"), tie("value"), { maxKeys: 3 }),
    fc
      .uniqueArray(fc.record({ name: fc.constantFrom("p", "q", "r"), image: leaf }), {
        selector: (item) => item.name,
      })
      .map((containers) => ({ containers })),
  ),
}));
const object = fc.dictionary(fc.constantFrom("a", "b", "spec"), value, { maxKeys: 3 });

describe("three-way merge", () => {
  it("adds, changes and removes the writer's fields, and keeps those of others", () => {
    const last = { labels: { a: "1", b: "1" }, spec: { replicas: 1 } };
    const written = { labels: { a: "2" }, spec: {} };
    const stored = { labels: { a: "1", b: "1", theirs: "x" }, spec: { replicas: 5 }, status: { ok: true } };
    expect(threeWayMerge(last, written, stored)).toEqual({
      labels: { a: "2", theirs: "x" },
      spec: {},
      status: { ok: true },
    });
  });

  it("merges containers by name, and replaces lists without identity", () => {
    const last = { containers: [{ name: "a", args: ["1"] }, { name: "gone" }] };
    const written = { containers: [{ name: "b" }, { name: "a", args: ["2", "3"] }] };
    const stored = {
      containers: [{ name: "a", args: ["1"], defaulted: 1 }, { name: "gone" }, { name: "sidecar" }],
    };
    expect(threeWayMerge(last, written, stored)).toEqual({
      containers: [{ name: "b" }, { name: "a", args: ["2", "3"], defaulted: 1 }, { name: "sidecar" }],
    });
  });

  it("tells ports of one number by protocol, and takes a policy's ports as a whole", () => {
    const dns = [{ containerPort: 53 }, { containerPort: 53, protocol: "UDP" }];
    expect(threeWayMerge({ ports: dns }, { ports: dns.slice(1) }, { ports: dns })).toEqual({
      ports: dns.slice(1),
    });
    const policy = threeWayMerge(
      { ports: [{ port: 1 }] },
      { ports: [{ port: 2 }] },
      { ports: [{ port: 1 }, { port: 3 }] },
    );
    expect(policy).toEqual({ ports: [{ port: 2 }] });
  });

  it("over nothing applied and nothing stored is what is written", () => {
    fc.assert(
      fc.property(object, (written) => {
        expect(threeWayMerge({}, written, {})).toEqual(written);
      }),
    );
  });

  it("of what is applied and stored already changes nothing", () => {
    fc.assert(
      fc.property(object, object, object, (last, written, stored) => {
        const once = threeWayMerge(last, written, stored);
        expect(equalJson(threeWayMerge(written, written, once), once)).toBe(true);
      }),
    );
  });

  it("takes everything back when the writer applies and then writes nothing", () => {
    fc.assert(
      fc.property(object, (written) => {
        const applied = threeWayMerge({}, written, {});
        expect(threeWayMerge(written, {}, applied)).toEqual({});
      }),
    );
  });

  it("does not touch what no side of the writer names", () => {
    fc.assert(
      fc.property(object, object, object, value, (last, written, stored, theirs) => {
        const merged = threeWayMerge(last, written, { ...stored, theirs }) as Record<string, unknown>;
        expect(merged["theirs"]).toEqual(theirs);
      }),
    );
  });
});
