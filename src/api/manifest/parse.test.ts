import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatProblem } from "../../base/problem.ts";
import { parseManifests } from "./parse.ts";

const read = (text: string) => parseManifests(text, "f.yaml");
const errors = (text: string) => read(text).errors.map(formatProblem);
const pod = (name: string) =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {containers: [{name: c}]}\n`;

describe("manifests", () => {
  it("reads several documents, empty ones between them, and JSON", () => {
    const json = JSON.stringify({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "j" },
      spec: { containers: [{ name: "c" }] },
    });
    const { objects, errors: none } = read(`---\n---\n# only a comment\n---\n${pod("a")}---\n${json}\n---\n`);
    expect(none).toEqual([]);
    expect(objects.map((one) => one.object.metadata.name)).toEqual(["a", "j"]);
  });

  it("reads Lists, and typed lists whose items do not say what they are", () => {
    const text = `apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: PodList
  items:
  - metadata: {name: a}
    spec: {containers: [{name: c, ports: [{containerPort: 0}]}]}
  - metadata: {name: b}
    spec: {containers: [{name: c}]}
`;
    const { objects, errors: found } = read(text);
    expect(objects.map((one) => one.kind?.kind)).toEqual(["Pod"]);
    expect(objects[0]?.at(["metadata", "name"])).toEqual({ file: "f.yaml", line: 9, column: 22 });
    expect(found.map(formatProblem)).toEqual([
      "f.yaml:8:59: `containerPort` must be between 1 and 65535, inclusive; it is 0 (at spec.containers[0].ports[0].containerPort)",
    ]);
  });

  it("finds the missing space behind a colon", () => {
    expect(errors("---\napiVersion:v1\nkind: Pod\n")).toEqual([
      "f.yaml:2:12: a space is missing after 'apiVersion:', so this is no field but plain text. Write 'apiVersion: v1'",
    ]);
    expect(errors("apiVersion:v1\n")[0]).toMatch(/^f.yaml:1:1: an object was expected.*space is missing/);
  });

  it("finds a key that stands twice, in each object where one does", () => {
    expect(errors("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n")).toEqual([
      "f.yaml:4:3: the key 'c' stands twice in one object",
      "f.yaml:5:1: the key 'a' stands twice in one object",
    ]);
  });

  it.each([
    ["a:\n\tb: 1\n", "f.yaml:2:1: a tab is used"],
    ["a: [1, 2\nb: 3\n", "f.yaml:2:1: the indentation"],
    ["a: 'x\n", "f.yaml:2:1: something that was opened"],
    ["a: *x\n", "f.yaml:1:4: there is no anchor '&x'"],
    ["just text\n", "f.yaml:1:1: an object was expected"],
    ["- a\n", "f.yaml:1:1: an object was expected; this is a list"],
    ["kind: Pod\n", "f.yaml:1:1: `apiVersion` is missing"],
    ["apiVersion: v1\nkind: 5\n", "f.yaml:2:7: `kind` must be a text"],
    [
      "apiVersion: v1\nkind: Podd\n",
      "f.yaml:2:7: Podd (v1) is not a kind that Trunkline knows (at kind). Did you mean Pod?",
    ],
    [
      "apiVersion: apps/v1beta1\nkind: Deployment\n",
      "f.yaml:1:13: Deployment of apps/v1beta1 is not known (at apiVersion). Use apps/v1",
    ],
  ])("says what is wrong with %j", (text, expected) => {
    const [first = "", ...more] = errors(text);
    expect(first.slice(0, expected.length)).toBe(expected);
    expect(more).toEqual([]);
  });

  it("goes on after a broken document", () => {
    const { objects, errors: found } = read(`a: 1\na: 2\n---\n${pod("fine")}`);
    expect(found).toHaveLength(1);
    expect(objects.map((one) => one.object.metadata.name)).toEqual(["fine"]);
  });

  it("refuses alias bombs and bottomless nesting", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
    for (let n = 1; n < 9; n++)
      lines.push(
        `a${n}: &a${n} [${Array(9)
          .fill(`*a${n - 1}`)
          .join(", ")}]`,
      );
    expect(errors(lines.join("\n"))[0]).toMatch(/aliases unfold/);
    expect(errors("[".repeat(100_000))[0]).toMatch(/nested too deeply/);
  });

  it("treats null as absent, but not as a list item", () => {
    const text =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: null, creationTimestamp: null}\nspec:\n  containers:\n  -\n";
    expect(errors(text)).toEqual([
      "f.yaml:6:4: this list item is empty (at spec.containers[0]). Write {} to mean an empty object",
    ]);
    expect(read(pod("a").replace("{name: a}", "{name: a, labels: }")).objects[0]?.draft.metadata).toEqual({
      name: "a",
    });
  });

  it("warns of unknown fields, with what was meant, at any depth", () => {
    const text = pod("a").replace(
      "{containers:",
      "{affinity: {nodeAfinity: {}}, restartPolicy: Never, containers:",
    );
    const { warnings, objects } = read(text);
    expect(warnings.map(formatProblem)).toEqual([
      "f.yaml:4:19: `nodeAfinity` is not a field here; it has no effect (at spec.affinity.nodeAfinity). Did you mean nodeAffinity?",
    ]);
    expect(objects).toHaveLength(1);
  });

  it("keeps unknown kinds for those who only read", () => {
    const text = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\n";
    expect(errors(text)).toHaveLength(1);
    const { objects, warnings, errors: none } = parseManifests(text, "f", { unknownKinds: "warning" });
    expect([objects.length, warnings.length, none.length]).toEqual([1, 1, 0]);
    expect(objects[0]?.kind).toBeUndefined();
  });

  it("never throws, whatever the text", () => {
    const piece = fc.constantFrom(
      "a",
      ":",
      " ",
      "\n",
      "-",
      "[",
      "]",
      "{",
      "}",
      "&a",
      "*a",
      '"',
      "'",
      "|",
      "---",
      "!!x",
      "?",
      "kind: Pod",
      "\t",
      "items",
      "#",
      "%",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const { errors: found } = read(pieces.join(""));
        for (const problem of found) expect(problem.position?.line ?? 1).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe("what kubectl's ways of sending disagree about", () => {
  const policy = (rest: string) =>
    `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n${rest}`;

  it("is a label with nothing behind it: a warning, and the wider selector", () => {
    const {
      objects,
      warnings,
      errors: none,
    } = read(policy("spec:\n  podSelector:\n    matchLabels:\n      app:\n"));
    expect(none).toEqual([]);
    expect(warnings.map(formatProblem)).toEqual([
      expect.stringMatching(/^f\.yaml:7:7: `app` has nothing behind it/),
    ]);
    expect(objects[0]?.object).toMatchObject({ spec: { podSelector: {} } });
  });

  it("quotes what is written, not what YAML made of it", () => {
    const text = pod("a").replace("{name: a}", "{name: a, labels: {version: 1.10, up: on, n: 0x10}}");
    expect(read(text).errors.map(({ hint }) => hint)).toEqual(
      ['"1.10"', '"on"', '"0x10"'].map((word) => `Put it in quotes: ${word}`),
    );
  });

  it("says what a policy without spec does", () => {
    const { objects, warnings } = read(policy(""));
    expect(warnings.map(({ code }) => code)).toEqual(["networkpolicy.no-spec"]);
    expect(objects[0]?.object).toMatchObject({ spec: { podSelector: {} } });
  });

  it.each([
    ["a: &x {b: *x}\n", "f.yaml:1:11: the anchor '&x' contains itself"],
    ["on: 1\ntrue: 2\n", "f.yaml:2:1: the key 'true' stands twice in one object"],
    ["1: a\n'1': b\n", "f.yaml:2:1: the key '1' stands twice in one object"],
    ["~: x\n", "f.yaml:1:1: a key must be a text; this one is empty"],
    ["[a]: x\n", "f.yaml:1:1: a key must be a text; this one is a list or an object"],
    ["<<: 5\n", "f.yaml:1:1: Merge sources must be maps or map aliases"],
    ["a: .inf\n", "f.yaml:1:4: .inf is no number that an object can hold"],
    ["a: !!binary aGk=\n", "f.yaml:1:13: the tag tag:yaml.org,2002:binary has no meaning here"],
    ["%YAML 1.1\n---\na: 1\n", "f.yaml:1:1: kubectl takes no directives such as %YAML"],
  ])("refuses %j", (text, expected) => {
    expect(errors(text)).toEqual([expected]);
  });

  it("refuses what kubectl would not read at all", () => {
    expect(errors(`${pod("a")}...\n${pod("b")}`)).toEqual([
      "f.yaml:6:1: kubectl reads nothing between '...' and the next '---'",
    ]);
  });

  it("takes many plain aliases, and no bomb", () => {
    const many = Array.from({ length: 500 }, (_, at) => `    k${at}: *v`).join("\n");
    const text = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {a: &v x}}\ndata:\n${many}\n`;
    expect(errors(text)).toEqual([]);
    const nine = (of: string) => `[${Array.from({ length: 9 }, () => of).join()}]`;
    const bomb = Array.from(
      { length: 12 },
      (_, at) => `a${at}: &a${at} ${nine(at === 0 ? "1" : `*a${at - 1}`)}`,
    );
    expect(errors(`${bomb.join("\n")}\n`)).toEqual(["f.yaml:1:1: aliases unfold to too many values"]);
  });
});
