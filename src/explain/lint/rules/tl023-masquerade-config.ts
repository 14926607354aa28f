import type { ConfigMap } from "../../../api/kinds/core.ts";
import type { Problem } from "../../../base/problem.ts";
import { readMasqConfig } from "../../../plan/snat/masq-config.ts";
import type { Written } from "../../written.ts";
import type { Report, Rule } from "../rule.ts";

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
      for (const problem of errors) yield report(item, problem, "error");
      for (const problem of findings) yield report(item, problem, "warning");
    }
  },
};

function isMasqConfig(item: Written): item is Written<ConfigMap> {
  const { kind, metadata } = item.object;
  return kind === "ConfigMap" && metadata.name === "ip-masq-agent" && metadata.namespace === "kube-system";
}

function report(on: Written<ConfigMap>, problem: Problem, severity: "error" | "warning"): Report {
  const inside = problem.position ? ` (line ${problem.position.line} of the text)` : "";
  return {
    on,
    path: ["data", "config"],
    severity,
    message: `${problem.message}${inside}`,
    ...(problem.hint === undefined ? {} : { fix: problem.hint }),
  };
}
