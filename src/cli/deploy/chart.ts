// The Helm chart, made from the same objects: where a setting stands, its place among the chart's values.
import { stringify } from "../objects/yaml.ts";
import { version } from "../version.ts";
import { parts } from "./objects.ts";
import type { Part } from "./rights.ts";
import { type Condition, type SettingName, settings } from "./settings.ts";

const mark = (name: SettingName) => `@@${name}@@`;
/** A value that is a setting and nothing else; YAML quotes it. */
const whole = /(["'])@@([\w.]+)@@\1/g;
const within = /@@([\w.]+)@@/g;

function placed(name: string): string {
  const { type } = settings[name as SettingName];
  const value = `.Values.${name}`;
  if (type === "text") return `{{ ${value} | quote }}`;
  if (type === "number") return `{{ ${value} | int }}`;
  return type === "truth" ? `{{ ${value} }}` : `{{ ${value} | toJson }}`;
}

function template({ object, when }: Part): string {
  // Lines must not be folded: a placeholder is one word to Helm.
  const text = stringify(object)
    .replaceAll(whole, (_, _quote: string, name: string) => placed(name))
    .replaceAll(within, (_, name: string) => {
      const number = settings[name as SettingName].type === "number";
      return `{{ .Values.${name}${number ? " | int" : ""} }}`;
    });
  return when === undefined ? text : `{{- if ${conditionOf(when)} }}\n${text}{{- end }}\n`;
}

function conditionOf(when: Condition): string {
  return typeof when === "string"
    ? `.Values.${when}`
    : `hasPrefix ${JSON.stringify(when.begins)} .Values.${when.setting}`;
}

function fileOf({ object }: Part): string {
  const kind = String(object["kind"]);
  if (kind === "CustomResourceDefinition") return "templates/definitions.yaml";
  if (kind.startsWith("Validating")) return "templates/admission.yaml";
  if (/^(Cluster)?Role|^ServiceAccount/.test(kind)) return "templates/rights.yaml";
  return kind === "DaemonSet" ? "templates/agent.yaml" : "templates/controller.yaml";
}

function values(): string {
  const tree: Record<string, unknown> = {};
  const lines: string[] = ["# Values of the chart; `trunkline manifests --set` takes the same names."];
  for (const [name, { usual, about }] of Object.entries(settings)) {
    const steps = name.split(".");
    for (const [at, step] of steps.entries()) {
      const here = steps.slice(0, at + 1).join(".");
      const indent = "  ".repeat(at);
      if (at < steps.length - 1) {
        if (tree[here] === undefined) lines.push(`${indent}${step}:`);
        tree[here] = true;
      } else lines.push(`${indent}# ${about}`, `${indent}${step}: ${JSON.stringify(usual)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Returns the chart's files: name and text. */
export function chartFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>([
    [
      "Chart.yaml",
      stringify({
        apiVersion: "v2",
        name: "trunkline",
        description:
          "A pod network for Kubernetes that can say, and prove, which address the other side will see",
        type: "application",
        version,
        appVersion: version,
        kubeVersion: ">=1.33.0-0",
      }),
    ],
    ["values.yaml", values()],
  ]);
  for (const part of parts(mark)) {
    const name = fileOf(part);
    const before = files.get(name);
    files.set(name, `${before === undefined ? "" : `${before}---\n`}${template(part)}`);
  }
  return files;
}
