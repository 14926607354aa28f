import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Manifests, parseManifests } from "../../api/manifest/parse.ts";
import { findingsJson, findingsSarif, findingsText } from "./format.ts";
import { lintManifests } from "./manifests.ts";
import { rules } from "./rules/index.ts";
import { hasFindings } from "./run.ts";

const folder = new URL("./fixtures/", import.meta.url);
const read = (text: string, file = "f.yaml"): Manifests =>
  parseManifests(text, file, { unknownKinds: "warning", badValues: "keep" });
const lintFile = (name: string) => lintManifests(read(readFileSync(new URL(name, folder), "utf8"), name));

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
      readonly locations: readonly { readonly physicalLocation: object }[];
    }[];
  }[];
}
