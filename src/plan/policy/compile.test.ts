import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deepFreeze } from "../../api/equal.ts";
import { type NetworkPolicy, networkPolicyKind, STAGE_ANNOTATION } from "../../api/kinds/network-policy.ts";
import { validate } from "../../api/validation/validate.ts";
import { compilePolicy } from "./compile.ts";
import { allPorts } from "./port-set.ts";

function policy(spec: unknown): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: {
      name: "p",
      namespace: "x",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: spec as NetworkPolicy["spec"],
  };
}

describe("compilePolicy", () => {
  it.each([
    ["nothing", {}, [true, false]],
    ["an egress list", { egress: [{}] }, [true, true]],
    ["an empty egress list", { egress: [] }, [true, false]],
    ["only egress as a type", { policyTypes: ["Egress"], ingress: [{}] }, [false, true]],
    ["both types and no rules", { policyTypes: ["Ingress", "Egress"] }, [true, true]],
    ["null lists", { ingress: null, egress: null, podSelector: null }, [true, false]],
  ])("takes its directions from %s", (_, spec, [ingress, egress]) => {
    const compiled = compilePolicy(policy(spec));
    expect([compiled.ingress !== undefined, compiled.egress !== undefined]).toEqual([ingress, egress]);
    expect(compiled.problems).toEqual([]);
  });

  it("reads a rule without peers and ports as everything from everywhere", () => {
    const [rule] = compilePolicy(policy({ ingress: [{ from: [], ports: [] }] })).ingress ?? [];
    expect(rule).toMatchObject({ peers: "any", ports: allPorts, path: "spec.ingress[0]" });
  });

  it("reads a spec once that stands in many policies, each of which has its own problems", () => {
    const spec = deepFreeze({ ingress: [{ from: [{ podSelector: {} }, {}] }] });
    const [one, other] = [compilePolicy(policy(spec)), compilePolicy(policy(spec))];
    expect(one.ingress).toBe(other.ingress);
    const staged = policy(spec);
    const unclear = {
      ...staged,
      metadata: { ...staged.metadata, annotations: { [STAGE_ANNOTATION]: "TRUE" } },
    };
    expect(compilePolicy(unclear).problems.map(({ path }) => path)).toEqual([
      "metadata.annotations",
      "spec.ingress[0].from[1]",
    ]);
    expect(compilePolicy(policy(spec)).problems).toEqual(one.problems);
  });

  it("reads a spec again that may have changed", () => {
    const spec: { ingress: object[] } = { ingress: [] };
    expect(compilePolicy(policy(spec)).ingress).toEqual([]);
    spec.ingress.push({});
    expect(compilePolicy(policy(spec)).ingress).toHaveLength(1);
  });

  const wrong: [string, unknown, string][] = [
    ["a peer of nothing", { ingress: [{ from: [{}] }] }, "spec.ingress[0].from[0]"],
    [
      "an ipBlock beside a selector",
      { egress: [{ to: [{ ipBlock: { cidr: "10.0.0.0/8" }, podSelector: {} }] }] },
      "spec.egress[0].to[0]",
    ],
    [
      "a range that is none",
      { ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/33" } }] }] },
      "spec.ingress[0].from[0].ipBlock.cidr",
    ],
    [
      "an exception outside of its range",
      { ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["11.0.0.0/8"] } }] }] },
      "spec.ingress[0].from[0].ipBlock.except[0]",
    ],
    [
      "an exception as large as its range",
      { ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.0.0.0/8"] } }] }] },
      "spec.ingress[0].from[0].ipBlock.except[0]",
    ],
    [
      "a selector with an unknown operator",
      {
        ingress: [
          { from: [{ podSelector: { matchExpressions: [{ key: "a", operator: "Gt", values: ["1"] }] } }] },
        ],
      },
      "spec.ingress[0].from[0].podSelector",
    ],
    [
      "In without values",
      { ingress: [{ from: [{ namespaceSelector: { matchExpressions: [{ key: "a", operator: "In" }] } }] }] },
      "spec.ingress[0].from[0].namespaceSelector",
    ],
  ];
  const cidr = "10.0.0.0/8";
  wrong.push(
    ["a rule that is null", { ingress: [null] }, "spec.ingress[0]"],
    ["peers that are no list", { ingress: [{ from: "everybody" }] }, "spec.ingress[0].from"],
    ["peers that are an object", { egress: [{ to: { podSelector: {} } }] }, "spec.egress[0].to"],
    ["a peer that is null", { ingress: [{ from: [null] }] }, "spec.ingress[0].from[0]"],
    [
      "a selector that is a text",
      { ingress: [{ from: [{ podSelector: "app=a" }] }] },
      "spec.ingress[0].from[0].podSelector",
    ],
    [
      "labels that are a list",
      { ingress: [{ from: [{ podSelector: { matchLabels: ["a"] } }] }] },
      "spec.ingress[0].from[0].podSelector",
    ],
    [
      "expressions that are an object",
      { ingress: [{ from: [{ podSelector: { matchExpressions: {} } }] }] },
      "spec.ingress[0].from[0].podSelector",
    ],
    [
      "an expression that is null",
      { ingress: [{ from: [{ podSelector: { matchExpressions: [null] } }] }] },
      "spec.ingress[0].from[0].podSelector",
    ],
    [
      "exceptions that are no list",
      { ingress: [{ from: [{ ipBlock: { cidr, except: "10.1.0.0/16" } }] }] },
      "spec.ingress[0].from[0].ipBlock.except",
    ],
  );
  it.each(wrong)("isolates and lets nobody in for %s, and says where", (_, spec, path) => {
    const compiled = compilePolicy(policy(spec));
    const [rule] = compiled.ingress?.length ? compiled.ingress : (compiled.egress ?? []);
    expect(rule?.peers).toEqual([]);
    expect(compiled.problems.map((problem) => problem.path)).toEqual([path]);
  });

  const wrongPorts: readonly [string, unknown, string][] = [
    ["port 0", { port: 0 }, ".port"],
    ["a port above 65535", { port: 65_536 }, ".port"],
    ["an end below its port", { port: 80, endPort: 79 }, ".endPort"],
    ["an end without a port", { endPort: 80 }, ".endPort"],
    ["an end after a name", { port: "web", endPort: 80 }, ".endPort"],
    ["a protocol without ports", { protocol: "ICMP" }, ".protocol"],
    ["an empty name", { port: "" }, ".port"],
    ["a number as a name", { port: "80" }, ".port"],
    ["null", null, ""],
    ["a number", 80, ""],
  ];
  it.each(wrongPorts)("allows no port for %s, and says where", (_, port, at) => {
    const compiled = compilePolicy(policy({ ingress: [{ ports: [port] }] }));
    expect(compiled.ingress?.[0]).toMatchObject({ ports: { key: "" }, named: [] });
    expect(compiled.problems.map((problem) => problem.path)).toEqual([`spec.ingress[0].ports[0]${at}`]);
  });

  it("allows no port where ports are no list", () => {
    const compiled = compilePolicy(policy({ ingress: [{ ports: { port: 80 } }] }));
    expect(compiled.ingress?.[0]).toMatchObject({ ports: { key: "" }, named: [] });
    expect(compiled.problems.map((problem) => problem.path)).toEqual(["spec.ingress[0].ports"]);
  });

  it("isolates where rules are no list, and says where", () => {
    const compiled = compilePolicy(policy({ ingress: "all", egress: {} }));
    expect(compiled).toMatchObject({ ingress: [], egress: [] });
    expect(compiled.problems.map((problem) => problem.path)).toEqual(["spec.ingress", "spec.egress"]);
  });

  it.each([
    ["a text", "Egress", "spec.policyTypes"],
    ["an object", {}, "spec.policyTypes"],
    ["a word in other letters", ["ingress"], "spec.policyTypes[0]"],
    ["null", [null], "spec.policyTypes[0]"],
  ])("isolates both ways and opens nothing where policyTypes are %s", (_, policyTypes, path) => {
    const compiled = compilePolicy(policy({ policyTypes, ingress: [{}], egress: [{}] }));
    expect(compiled).toMatchObject({ ingress: [], egress: [] });
    expect(compiled.problems.map((problem) => problem.path)).toEqual([path]);
  });

  it("takes a direction that policyTypes name twice as named, and says so", () => {
    const compiled = compilePolicy(policy({ policyTypes: ["Egress", "Egress", "Egress"], egress: [{}] }));
    expect([compiled.ingress, compiled.egress?.length]).toEqual([undefined, 1]);
    expect(compiled.problems.map((problem) => problem.path)).toEqual(["spec.policyTypes"]);
  });

  it("keeps the rules of a direction that policyTypes name beside one that cannot be read", () => {
    const compiled = compilePolicy(
      policy({ policyTypes: ["Ingress", "Egres"], ingress: [{}], egress: [{}] }),
    );
    expect([compiled.ingress?.length, compiled.egress]).toEqual([1, []]);
    expect(compiled.problems.map((problem) => problem.path)).toEqual(["spec.policyTypes[1]"]);
  });

  it.each([["a text"], [7], [[{}]]])("isolates every pod both ways where the whole is %j", (spec) => {
    const compiled = compilePolicy(policy(spec));
    expect(compiled).toMatchObject({ subject: { requirements: [] }, ingress: [], egress: [] });
    expect(compiled.problems.map((problem) => problem.path)).toEqual(["spec"]);
  });

  const sound = { key: "tier", operator: "Exists" };
  it.each<[string, unknown, string[], number]>([
    ["an operator that is none", { matchExpressions: [sound, { key: "a", operator: "Gt" }] }, ["tier"], 1],
    ["NotIn without values", { matchExpressions: [{ key: "a", operator: "NotIn", values: [] }] }, [], 1],
    ["In with a number", { matchExpressions: [{ key: "a", operator: "In", values: ["b", 1] }] }, [], 1],
    ["a label that is a number", { matchLabels: { app: "web", level: 3 } }, ["app"], 1],
    ["labels that are a list", { matchLabels: ["a"], matchExpressions: [sound] }, ["tier"], 1],
    ["two wrong things", { matchLabels: ["a"], matchExpressions: [sound, null] }, ["tier"], 2],
    ["a text", "app=web", [], 1],
    ["a value that no label has", { matchLabels: { tier: "a", app: "a b" } }, ["tier"], 1],
    ["a name that no label has", { matchExpressions: [{ key: "a b", operator: "DoesNotExist" }] }, [], 1],
  ])("isolates all that podSelector could mean, and opens nothing, for %s", (_, podSelector, keys, count) => {
    const compiled = compilePolicy(policy({ podSelector, ingress: [{}], egress: [{}] }));
    expect(compiled).toMatchObject({ ingress: [], egress: [] });
    expect(compiled.subject.requirements.map(({ key }) => key)).toEqual(keys);
    expect(compiled.problems.map((problem) => problem.path)).toEqual(
      Array.from({ length: count }, () => "spec.podSelector"),
    );
  });

  it("takes ranges with host bits and leading zeros, as the API server does", () => {
    const [rule] =
      compilePolicy(policy({ ingress: [{ from: [{ ipBlock: { cidr: "010.0.0.5/24" } }] }] })).ingress ?? [];
    expect(rule?.peers).toEqual([
      { kind: "block", ranges: [{ family: 4, first: 0x0a000000n, last: 0x0a0000ffn }] },
    ]);
  });
});

describe("validation", () => {
  const word = fc.constantFrom("a", "a b", "a/b/c", "-", "80", "web", "", 7);
  const selector = fc.record(
    {
      matchLabels: fc.dictionary(fc.constantFrom("app", "a b", "x/y"), word, { maxKeys: 2 }),
      matchExpressions: fc.array(
        fc.record(
          {
            key: word,
            operator: fc.constantFrom("In", "NotIn", "Exists", "in"),
            values: fc.array(word, { maxLength: 2 }),
          },
          { requiredKeys: ["operator"] },
        ),
        { maxLength: 2 },
      ),
    },
    { requiredKeys: [] },
  );
  const port = fc.record(
    {
      port: fc.oneof(word, fc.constantFrom(0, 80, 70_000)),
      endPort: fc.constantFrom(79, 90),
      protocol: word,
    },
    { requiredKeys: [] },
  );
  const peer = fc.record({ podSelector: selector, namespaceSelector: selector }, { requiredKeys: [] });
  const spec = fc.record(
    {
      podSelector: selector,
      policyTypes: fc.array(fc.constantFrom("Ingress", "Egress", "egress"), { maxLength: 3 }),
      ingress: fc.array(fc.record({ from: fc.array(peer), ports: fc.array(port) }, { requiredKeys: [] }), {
        maxLength: 2,
      }),
    },
    { requiredKeys: [] },
  );

  it("finds nothing that is not reported where policies are enforced", () => {
    const seen = { valid: 0, invalid: 0 };
    fc.assert(
      fc.property(spec, (written) => {
        const { errors } = validate(networkPolicyKind, policy(written));
        seen[errors.length === 0 ? "valid" : "invalid"]++;
        if (errors.length > 0) expect(compilePolicy(policy(written)).problems).not.toEqual([]);
      }),
      { numRuns: 500 },
    );
    expect(Math.min(seen.valid, seen.invalid)).toBeGreaterThan(10);
  });
});
