// Findings for people and for machines: text, JSON, and SARIF 2.1.0 for code review tools.
import { pathToFileURL } from "node:url";
import type { Fix, Location, Log, Result } from "sarif";
import { formatPosition, type TextEdit } from "../../base/problem.ts";
import type { Finding, Severity } from "./finding.ts";
import type { Rule } from "./rule.ts";

/** Returns findings as text, each with its place, what is wrong, why, and what to do. */
export function findingsText(findings: readonly Finding[]): string {
  if (findings.length === 0) return "no findings\n";
  const counts = (["error", "warning", "info"] as const)
    .map(
      (severity) => [findings.filter((finding) => finding.severity === severity).length, severity] as const,
    )
    .filter(([count]) => count > 0)
    .map(([count, severity]) => `${count} ${severity}${count > 1 && severity !== "info" ? "s" : ""}`);
  return `${findings.map(findingText).join("\n")}\n${counts.join(", ")}\n`;
}

function findingText(finding: Finding): string {
  const where = finding.position ? formatPosition(finding.position) : finding.object;
  // What cannot be read as an object has no name.
  const place = [finding.object, finding.path && `at ${finding.path}`].filter(Boolean).join(", ");
  const path = finding.path === undefined ? "" : ` (${place})`;
  const lines = [
    `${where}: ${finding.severity} ${finding.rule} ${finding.name}: ${finding.message}${path}`,
    ...wrap(finding.explanation, 100).map((line) => `    ${line}`),
  ];
  if (finding.fix !== undefined) lines.push(...wrap(`fix: ${finding.fix}`, 100).map((line) => `    ${line}`));
  if (finding.corrected !== undefined) {
    lines.push(
      "    corrected:",
      ...finding.corrected
        .trimEnd()
        .split("\n")
        .map((line) => `      ${line}`),
    );
  }
  return `${lines.join("\n")}\n`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + word.length + 1 > width) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** Returns `{"findings": [...], "counts": {...}}`. */
export function findingsJson(findings: readonly Finding[]): object {
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  return { findings, counts: { error: count("error"), warning: count("warning"), info: count("info") } };
}

const levels: Record<Severity, Result.level> = { error: "error", warning: "warning", info: "note" };

/** Returns a SARIF 2.1.0 log (OASIS standard) of one run, with all rules and the findings' places. */
export function findingsSarif(findings: readonly Finding[], rules: readonly Rule[], version: string): Log {
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "trunkline",
            version,
            rules: rules.map((rule) => ({
              id: rule.id,
              name: rule.name,
              shortDescription: { text: rule.summary },
              fullDescription: { text: rule.explanation },
              defaultConfiguration: { level: levels[rule.severity] },
            })),
          },
        },
        columnKind: "utf16CodeUnits",
        results: findings.map((finding) => sarifResult(finding, rules)),
      },
    ],
  };
}

function sarifResult(finding: Finding, rules: readonly Rule[]): Result {
  const index = rules.findIndex((rule) => rule.id === finding.rule);
  const hint = [finding.fix, finding.corrected && `Corrected:\n${finding.corrected}`]
    .filter(Boolean)
    .join("\n");
  const logical = {
    fullyQualifiedName: `${finding.object}${finding.path === undefined ? "" : `#${finding.path}`}`,
    kind: "resource",
  };
  const physical: Location["physicalLocation"] = finding.position && {
    artifactLocation: { uri: uriOf(finding.position.file) },
    region: { startLine: finding.position.line, startColumn: finding.position.column },
  };
  return {
    ruleId: finding.rule,
    ...(index < 0 ? {} : { ruleIndex: index }),
    level: levels[finding.severity],
    message: { text: hint === "" ? finding.message : `${finding.message}\n${hint}` },
    ...(finding.edit ? { fixes: [sarifFix(finding.edit, finding.fix ?? finding.message)] } : {}),
    locations: [{ ...(physical ? { physicalLocation: physical } : {}), logicalLocations: [logical] }],
    properties: {
      object: finding.object,
      ...(finding.path === undefined ? {} : { path: finding.path }),
      ...(finding.corrected === undefined ? {} : { corrected: finding.corrected }),
    },
  };
}

/** SARIF counts an end's column like ours: the first that is not deleted any more. */
function sarifFix({ start, end, text }: TextEdit, why: string): Fix {
  const deletedRegion = {
    startLine: start.line,
    startColumn: start.column,
    endLine: end.line,
    endColumn: end.column,
  };
  return {
    description: { text: why },
    artifactChanges: [
      {
        artifactLocation: { uri: uriOf(start.file) },
        replacements: [{ deletedRegion, insertedContent: { text } }],
      },
    ],
  };
}

/** Relative names stay relative to where the command ran, with URI escapes; absolute ones become file URIs. */
function uriOf(file: string): string {
  if (file.startsWith("/")) return pathToFileURL(file).href;
  return file.split("/").map(encodeURIComponent).join("/");
}
