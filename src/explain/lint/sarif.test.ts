// The SARIF log against the standard (OASIS SARIF 2.1.0, section 3), twice. By types that are published with the schema's own
// words, to which the compiler holds the very logs: no property that the schema does not know, none missing, no other word
// where it lists them. And by a check of what types cannot say: bounds, lists without twins, URIs.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";
import { parseManifests } from "../../api/manifest/parse.ts";
import { findingsSarif } from "./format.ts";
import { lintManifests } from "./manifests.ts";
import { rules } from "./rules/index.ts";

type Check = (value: unknown, at: string) => string[];

const text: Check = (value, at) => (typeof value === "string" && value !== "" ? [] : [`${at} is no text`]);
const anyText: Check = (value, at) => (typeof value === "string" ? [] : [`${at} is no text`]);
const from =
  (least: number): Check =>
  (value, at) =>
    Number.isInteger(value) && (value as number) >= least
      ? []
      : [`${at} is no whole number from ${least} on`];
const oneOf =
  (...words: readonly string[]): Check =>
  (value, at) =>
    words.includes(value as string) ? [] : [`${at} is none of ${words.join(", ")}`];
/** RFC 3986: what is no part of a URI is escaped. */
const uri: Check = (value, at) =>
  typeof value === "string" && /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-F]{2})+$/.test(value)
    ? []
    : [`${at} is no URI reference`];
const list =
  (inner: Check, least = 0): Check =>
  (value, at) => {
    if (!Array.isArray(value) || value.length < least) return [`${at} is no list of ${least} or more`];
    const texts = value.map((item) => JSON.stringify(item));
    const twice = new Set(texts).size < texts.length ? [`${at} holds something twice`] : [];
    return [...twice, ...value.flatMap((item: unknown, index) => inner(item, `${at}[${index}]`))];
  };
/** Names that end with `!` must be there. */
const object =
  (shape: Readonly<Record<string, Check>>): Check =>
  (value, at) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${at} is no object`];
    const known = new Map(Object.entries(shape).map(([name, check]) => [name.replace("!", ""), check]));
    const missing = Object.keys(shape).filter(
      (name) => name.endsWith("!") && !Object.hasOwn(value, name.slice(0, -1)),
    );
    return [
      ...missing.map((name) => `${at}.${name.slice(0, -1)} is missing`),
      ...Object.entries(value).flatMap(
        ([name, inner]) => known.get(name)?.(inner, `${at}.${name}`) ?? [`${at}.${name} is not known`],
      ),
    ];
  };
const bag: Check = (value, at) =>
  typeof value === "object" && value !== null ? [] : [`${at} is no property bag`];

const level = oneOf("none", "note", "warning", "error");
const message = object({ "text!": text });
const artifactLocation = object({ "uri!": uri });
const region = object({ "startLine!": from(1), startColumn: from(1), endLine: from(1), endColumn: from(1) });
const replacement = object({ "deletedRegion!": region, insertedContent: object({ "text!": anyText }) });
const fix = object({
  description: message,
  "artifactChanges!": list(
    object({ "artifactLocation!": artifactLocation, "replacements!": list(replacement, 1) }),
    1,
  ),
});
const location = object({
  physicalLocation: object({ "artifactLocation!": artifactLocation, region }),
  logicalLocations: list(object({ fullyQualifiedName: text, kind: text }), 1),
});
const result = object({
  "ruleId!": text,
  ruleIndex: from(0),
  level,
  "message!": message,
  locations: list(location),
  fixes: list(fix),
  properties: bag,
});
const rule = object({
  "id!": text,
  name: text,
  shortDescription: message,
  fullDescription: message,
  defaultConfiguration: object({ level }),
});
const driver = object({ "name!": text, version: text, rules: list(rule) });
const log = object({
  $schema: uri,
  "version!": oneOf("2.1.0"),
  "runs!": list(
    object({
      "tool!": object({ "driver!": driver }),
      columnKind: oneOf("utf16CodeUnits", "unicodeCodePoints"),
      results: list(result),
    }),
  ),
});

const folder = new URL("fixtures/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));

it.each([...files, "<stdin>", "/tmp/with blank/ü%.yaml"])("the log about %s is SARIF 2.1.0", (name) => {
  const source = files.includes(name) ? name : "TL003.bad.yaml";
  const read = parseManifests(readFileSync(new URL(source, folder), "utf8"), name, {
    unknownKinds: "warning",
    badValues: "keep",
  });
  const findings = lintManifests(read);
  const written = JSON.parse(JSON.stringify(findingsSarif(findings, rules, "1.2.3"))) as {
    runs: {
      tool: { driver: { rules: { id: string }[] } };
      results: { ruleId: string; ruleIndex: number }[];
    }[];
  };
  expect(log(written, "log")).toEqual([]);
  for (const { tool, results } of written.runs)
    for (const one of results) expect(tool.driver.rules[one.ruleIndex]?.id).toBe(one.ruleId);
});

function logOf(name: string): object {
  const read = parseManifests(readFileSync(new URL(name, folder), "utf8"), name, {
    unknownKinds: "warning",
    badValues: "keep",
  });
  return findingsSarif(lintManifests(read), rules, "1.2.3");
}

/** Returns what the compiler has to say of logs as `sarif`'s type Log, each as it is printed. */
function typeErrors(logs: readonly object[]): string[] {
  // Beside this file, where the package is found.
  const name = path.join(import.meta.dirname, "logs.ts");
  const lines = logs.map((one, at) => `export const log${at}: Log = ${JSON.stringify(one)};`);
  const text = ['import type { Log } from "sarif";', ...lines].join("\n");
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es5.d.ts"],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (file) => file === name || fileExists.call(host, file);
  host.readFile = (file) => (file === name ? text : readFile.call(host, file));
  host.getSourceFile = (file, version, ...more) =>
    file === name
      ? ts.createSourceFile(file, text, version)
      : getSourceFile.call(host, file, version, ...more);
  const program = ts.createProgram([name], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
}

// The compiler starts twice: seconds, and many of them on a machine that others use, too.
it("logs are of the types that are published for SARIF 2.1.0", { timeout: 120_000 }, () => {
  expect(typeErrors(files.map(logOf))).toEqual([]);
  const good = logOf("TL003.bad.yaml");
  const asText = JSON.stringify(good);
  const wrong = [
    asText.replace('"2.1.0"', '"2.0.0"'),
    asText.replace('"startLine"', '"line"'),
    asText.replace('"level":"', '"level":"very '),
    asText.replace('"utf16CodeUnits"', '"bytes"'),
  ].map((text) => JSON.parse(text) as object);
  expect(typeErrors(wrong)).toHaveLength(wrong.length);
});

it("the check finds what is wrong", () => {
  const good = findingsSarif([], rules, "1") as object;
  expect(log({ ...good, version: "2.0.0", more: 1 }, "log")).toEqual([
    "log.version is none of 2.1.0",
    "log.more is not known",
  ]);
  expect(
    location({ physicalLocation: { artifactLocation: { uri: "a b" }, region: { startLine: 0 } } }, "l"),
  ).toHaveLength(2);
});
