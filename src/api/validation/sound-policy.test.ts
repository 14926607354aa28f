import fc from "fast-check";
import { expect, it } from "vitest";
import { soundSpec } from "./sound-policy.ts";

it("leaves what is right as it is", () => {
  const spec = {
    podSelector: { matchLabels: { app: "web" }, matchExpressions: [] },
    policyTypes: ["Ingress"],
    ingress: [
      {
        from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }],
        ports: [{ port: 80, endPort: 90 }],
      },
      {},
    ],
    egress: [{ to: [{ podSelector: {}, namespaceSelector: {} }], ports: [{ protocol: "UDP", port: "dns" }] }],
  };
  expect(soundSpec({ spec })).toMatchObject(spec);
  expect(soundSpec({ spec: null })).toEqual(soundSpec({}));
});

it("keeps the place of what is wrong, and makes it match nothing", () => {
  const spec = { ingress: [null, { from: "all" }, { ports: [80] }, { from: [null, { podSelector: {} }] }] };
  expect(soundSpec({ spec }).ingress).toMatchObject([
    { from: [{}] },
    { from: [{}] },
    { ports: [{ port: 0 }] },
    { from: [{}, { podSelector: {} }] },
  ]);
});

it("has the API's shape for whatever is stored", () => {
  const part = fc.anything({
    maxDepth: 6,
    key: fc.constantFrom("from", "to", "ports", "ipBlock", "podSelector"),
  });
  const spec = fc.record({ podSelector: part, ingress: fc.array(part), egress: part, policyTypes: part });
  fc.assert(
    fc.property(fc.oneof(spec, part), (spec) => {
      const { ingress = [], egress = [], podSelector, policyTypes = [] } = soundSpec({ spec });
      for (const rule of [...ingress, ...egress]) {
        expect(typeof rule).toBe("object");
        for (const list of Object.values(rule)) expect(Array.isArray(list)).toBe(true);
      }
      expect(
        Object.entries(podSelector?.matchLabels ?? {}).every(([, text]) => typeof text === "string"),
      ).toBe(true);
      expect(Array.isArray(podSelector?.matchExpressions ?? [])).toBe(true);
      expect(policyTypes.every((text) => typeof text === "string")).toBe(true);
    }),
  );
});
