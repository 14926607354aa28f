import type { ConfigMap } from "../../../../api/kinds/core.ts";
import type { Problem } from "../../../../base/problem.ts";
import { readMasqConfig } from "../../../../plan/snat/masq-config.ts";
import type { Report, Rule } from "../../rule.ts";
import type { Written } from "../../written.ts";

export const masqueradeConfig: Rule = {
  id: "TL023",
  name: "masquerade-config",
  severity: "error",
  summary: "ip-masq-agent's configuration is broken, or does not say what it seems to",
  explanation:
    "A configuration with errors is not used at all: the last good one stays in force, or the defaults at a first " +
    "start. Unknown keys and repeated ranges are accepted by ip-masq-agent without a word.",
  *check(view) {
    for (const item of view.written) {
      if (!isMasqConfig(item)) continue;
      const text = item.object.data?.["config"] ?? "";
      const { errors, findings } = readMasqConfig(text);
      for (const problem of errors) yield report(item, text, problem, "error");
      for (const problem of findings) yield report(item, text, problem, "warning");
    }
  },
};

function isMasqConfig(item: Written): item is Written<ConfigMap> {
  const { kind, metadata } = item.object;
  return kind === "ConfigMap" && metadata.name === "ip-masq-agent" && metadata.namespace === "kube-system";
}

function report(
  on: Written<ConfigMap>,
  text: string,
  problem: Problem,
  severity: "error" | "warning",
): Report {
  const start = on.at(["data", "config"]);
  const line = problem.position?.line;
  // A text of several lines is a block that begins on the line after its key.
  const inside = start && line !== undefined && text.includes("\n");
  const place = line === undefined ? "" : ` (line ${line} of the text)`;
  return {
    on,
    path: ["data", "config"],
    severity,
    ...(inside ? { position: { file: start.file, line: start.line + line, column: 1 } } : {}),
    message: `${problem.message}${place}`,
    ...(problem.hint === undefined ? {} : { fix: problem.hint }),
  };
}
