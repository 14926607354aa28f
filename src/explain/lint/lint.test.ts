import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type Manifests, parseManifests } from "../../api/manifest/parse.ts";
import type { TextEdit } from "../../base/problem.ts";
import type { Finding } from "./finding.ts";
import { findingsJson, findingsSarif, findingsText } from "./format.ts";
import { lintManifests } from "./manifests.ts";
import { rules } from "./rules/index.ts";
import { hasFindings } from "./run.ts";

const folder = new URL("./fixtures/", import.meta.url);
const read = (text: string, file = "f.yaml"): Manifests =>
  parseManifests(text, file, { unknownKinds: "warning", badValues: "keep" });
const lintFile = (name: string) =>
  lintManifests(read(readFileSync(new URL(name, folder), "utf8"), name), { hostPorts: false });

describe("every rule", () => {
  it.each(rules.map((rule) => [rule.id]))("%s finds its bad manifest and passes the good one", async (id) => {
    const bad = lintFile(`${id}.bad.yaml`).filter((finding) => finding.rule === id);
    expect(bad.length).toBeGreaterThan(0);
    for (const finding of bad) expect(finding.position, finding.message).toBeDefined();
    expect(lintFile(`${id}.good.yaml`).filter((finding) => finding.rule === id)).toEqual([]);
    await expect(findingsText(bad)).toMatchFileSnapshot(`fixtures/${id}.txt`);
  });

  it("has a fixture, and every fixture a rule", () => {
    const names = new Set(readdirSync(folder).map((name) => name.slice(0, 5)));
    expect([...names].toSorted()).toEqual(rules.map((rule) => rule.id));
  });

  it("stands in the documentation", () => {
    const text = readFileSync(new URL("../../../docs/lint.md", import.meta.url), "utf8");
    for (const rule of rules) {
      expect(text).toContain(`| ${rule.id} | ${rule.name} | ${rule.severity} | ${rule.summary} |`);
    }
  });

  it("has an id and a name of its own", () => {
    expect(new Set(rules.map((rule) => rule.id)).size).toBe(rules.length);
    expect(new Set(rules.map((rule) => rule.name)).size).toBe(rules.length);
  });
});

it.each([true, undefined])(
  "of host ports there is none where a plugin leads them, or nobody has looked: %s",
  (hostPorts) => {
    const name = "TL041.bad.yaml";
    const context = hostPorts === undefined ? {} : { hostPorts };
    expect(lintManifests(read(readFileSync(new URL(name, folder), "utf8"), name), context)).toEqual(
      lintFile(name).filter(({ rule }) => rule !== "TL041"),
    );
  },
);

describe("a finding", () => {
  it("is told once where reading and a rule both find it", () => {
    const places = lintFile("TL009.bad.yaml").map((finding) => `${finding.rule} ${finding.position?.line}`);
    expect(places).toEqual(["TL009 17"]);
  });

  it("does not depend on the order of objects", () => {
    const documents = readFileSync(new URL("TL004.bad.yaml", folder), "utf8").split("---\n");
    const messages = (parts: readonly string[]) =>
      lintManifests(read(parts.join("---\n"))).map((finding) => `${finding.rule} ${finding.message}`);
    expect(messages(documents.toReversed()).toSorted()).toEqual(messages(documents).toSorted());
  });

  it("counts from its severity on", () => {
    const [warning] = lintFile("TL014.bad.yaml");
    const [info] = lintFile("TL018.bad.yaml");
    expect(warning?.severity).toBe("warning");
    expect(hasFindings([warning!], "warning")).toBe(true);
    expect(hasFindings([warning!], "error")).toBe(false);
    expect(hasFindings([info!], "warning")).toBe(false);
  });

  it.each([
    ["a policy without anything", "spec: {}"],
    ["empty lists", "spec: {podSelector: {}, ingress: [], egress: [{to: [], ports: []}]}"],
    [
      "values of no sense",
      "spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: nonsense, except: [x]}}], ports: [{port: 99999999}]}]}",
    ],
    [
      "an operator of no sense",
      "spec: {podSelector: {matchExpressions: [{key: a, operator: Near, values: [b]}]}}",
    ],
    ["the wrong types", "spec: {podSelector: [], ingress: 5, egress: {to: x}}"],
    ["nothing at all", "spec:"],
  ])("is all that comes of %s", (_, spec) => {
    const head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: odd}\n";
    expect(() => lintManifests(read(`${head}${spec}\n`))).not.toThrow();
  });
});

describe("an invalid policy", () => {
  const policy = (name: string, spec: string) =>
    `---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: x}\nspec: ${spec}\n`;
  const narrow = policy("narrow", "{podSelector: {matchLabels: {app: a}}, ingress: [{ports: [{port: 80}]}]}");
  const foundBeside = (spec: string) =>
    lintManifests(read(`${narrow}${policy("wide", spec)}`)).map((finding) => finding.rule);

  it.each([
    ["its podSelector", "{podSelector: {matchExpressions: [{operator: In}]}, ingress: [{}]}"],
    ["its podSelector's shape", "{podSelector: [], ingress: [{}]}"],
    ["its policyTypes", "{podSelector: {}, policyTypes: [ingress], ingress: [{}]}"],
    ["the rule", "{podSelector: {}, ingress: [{ports: [{}, {port: 0}]}]}"],
  ])("shadows no rule of another one: %s", (_, spec) => {
    expect(foundBeside("{podSelector: {}, ingress: [{}]}")).toContain("TL004");
    const found = foundBeside(spec);
    expect(found).not.toContain("TL004");
    expect(found).toEqual(expect.arrayContaining([expect.stringMatching(/TL0(09|24)/)]));
  });

  it("is not said to select nothing where it isolates all that it could mean", () => {
    const pod = `---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: x}\nspec: {containers: [{name: c}]}\n`;
    const selector = (one: string) => policy("odd", `{podSelector: {matchExpressions: [${one}]}}`);
    const found = (one: string) => lintManifests(read(`${pod}${selector(one)}`)).map((each) => each.rule);
    expect(found("{key: app, operator: Exists}")).toContain("TL001");
    expect(found("{key: app, operator: Gt}")).not.toContain("TL001");
  });
});

/** Makes one change of a text. */
function edited(text: string, { start, end, text: fresh }: TextEdit): string {
  const offset = ({ line, column }: { readonly line: number; readonly column: number }) =>
    text
      .split("\n")
      .slice(0, line - 1)
      .reduce((sum, one) => sum + one.length + 1, 0) +
    column -
    1;
  return text.slice(0, offset(start)) + fresh + text.slice(offset(end));
}

describe("a change that a finding offers", () => {
  const offered = rules.flatMap(({ id }) => {
    const name = `${id}.bad.yaml`;
    const findings = lintFile(name).filter(({ rule, edit }) => rule === id && edit !== undefined);
    return findings.map((finding) => ({ id, name, finding, edit: finding.edit! }));
  });

  it("is there where a rule can tell what was meant", () => {
    const ids = new Set(offered.map(({ id }) => id));
    expect([...ids]).toEqual(["TL003", "TL007", "TL008", "TL012", "TL013", "TL014", "TL024", "TL025"]);
  });

  it.each(offered)("does away with it: $id at $edit.start.line", ({ name, finding, edit }) => {
    const text = readFileSync(new URL(name, folder), "utf8");
    const fixed = read(edited(text, edit), name);
    const same = ({ rule, object, path }: Finding) =>
      rule === finding.rule && object === finding.object && path === finding.path;
    expect(lintManifests(read(text, name)).some(same)).toBe(true);
    expect(lintManifests(fixed).some(same)).toBe(false);
    expect(fixed.objects).toHaveLength(read(text, name).objects.length);
    const [before, after] = [text, edited(text, edit)].map((one) => one.match(/#.*/g) ?? []);
    expect(after).toEqual(before);
  });

  it("says in the text what it says beside it", () => {
    const name = "TL014.bad.yaml";
    const [finding] = lintFile(name).filter(({ rule }) => rule === "TL014");
    const text = edited(readFileSync(new URL(name, folder), "utf8"), finding!.edit!);
    const policies = read(text, name).objects.map(({ object }) => object as { spec?: { ingress?: unknown } });
    const corrected = parse(finding?.corrected ?? "") as { ingress: unknown };
    expect(policies.map(({ spec }) => spec?.ingress)).toContainEqual(corrected.ingress);
  });
});

it("says of an object that cannot be read nothing about the object before it", () => {
  const list = (name: string, sink: string) =>
    `apiVersion: trunkline.dev/v1alpha1\nkind: AddressList\nmetadata: {name: ${name}}\n` +
    `spec: {for: [{}], to: host/db, sinks: [{name: ${sink}, file: {path: /srv/x, form: txt}}]}\n`;
  const findings = lintManifests(read(`${list("first", "a")}---\n${list("second", "n")}`, "f"));
  const told = findings.map(({ object, position, edit }) => [object, position?.line, edit?.start.line]);
  expect(told.filter(([, line]) => line === 4)).toEqual([["addresslist/first", 4, 4]]);
  const second = told.filter(([, line]) => line === 9);
  expect(second.length).toBeGreaterThan(0);
  for (const one of second) expect(one).toEqual(["", 9, undefined]);
});

describe("formats", () => {
  const findings = [...lintFile("TL014.bad.yaml"), ...lintFile("TL019.bad.yaml")];

  it("counts in JSON", () => {
    expect(findingsJson(findings)).toMatchObject({ counts: { error: 1, warning: 1, info: 0 } });
  });

  it("is SARIF 2.1.0 with places, rules and levels", () => {
    const log = findingsSarif(findings, rules, "1.2.3") as SarifLog;
    const [run] = log.runs;
    expect(log.version).toBe("2.1.0");
    expect(run?.tool.driver.rules).toHaveLength(rules.length);
    for (const [index, result] of (run?.results ?? []).entries()) {
      expect(run?.tool.driver.rules[result.ruleIndex]?.id).toBe(result.ruleId);
      expect(result.locations[0]?.physicalLocation).toEqual({
        artifactLocation: { uri: findings[index]?.position?.file },
        region: {
          startLine: findings[index]?.position?.line,
          startColumn: findings[index]?.position?.column,
        },
      });
    }
    expect(run?.results.map((result) => result.level)).toEqual(["warning", "error"]);
    const { start, end, text } = findings[0]!.edit!;
    expect(run?.results.map((result) => result.fixes)).toEqual([
      [
        {
          description: { text: findings[0]?.fix },
          artifactChanges: [
            {
              artifactLocation: { uri: "TL014.bad.yaml" },
              replacements: [
                {
                  deletedRegion: {
                    startLine: start.line,
                    startColumn: start.column,
                    endLine: end.line,
                    endColumn: end.column,
                  },
                  insertedContent: { text },
                },
              ],
            },
          ],
        },
      ],
      undefined,
    ]);
  });
});

interface SarifLog {
  readonly version: string;
  readonly runs: readonly {
    readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } };
    readonly results: readonly {
      readonly ruleId: string;
      readonly ruleIndex: number;
      readonly level: string;
      readonly fixes?: unknown;
      readonly locations: readonly { readonly physicalLocation: object }[];
    }[];
  }[];
}
