// `disable_network_policy` in kube-system/eni-config switches enforcement off, and on again.
import type { Problem } from "../../base/problem.ts";
import type { ClusterFacts } from "../facts.ts";

interface Switch {
  readonly enforced: boolean;
  readonly problems: readonly Problem[];
}

const key = "disable_network_policy";

/**
 * Returns whether policies are enforced: unless `disable_network_policy` of kube-system/eni-config is anything but
 * absent, empty, "0" or "false". It is a key of the ConfigMap, as Terway has it; without that key, one of the JSON in
 * eni_conf counts as well. What cannot be read leaves enforcement on.
 */
export function readSwitch(facts: Pick<ClusterFacts, "configMaps">): Switch {
  const data = facts.configMaps.get("kube-system/eni-config")?.data;
  const own = data?.[key];
  return own === undefined ? readJson(data?.["eni_conf"]) : { enforced: isOff(own), problems: [] };
}

function readJson(text: string | undefined): Switch {
  if (text === undefined || text.trim() === "") return { enforced: true, problems: [] };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { enforced: true, problems: [unreadable(error.message)] };
  }
  if (parsed === null || typeof parsed !== "object")
    return { enforced: true, problems: [unreadable("not an object")] };
  return { enforced: isOff((parsed as Record<string, unknown>)[key]), problems: [] };
}

function isOff(value: unknown): boolean {
  const said = value === undefined || value === null ? "" : String(value).trim().toLowerCase();
  return said === "" || said === "0" || said === "false";
}

function unreadable(why: string): Problem {
  return {
    code: "policy.switch",
    message: `eni_conf in ConfigMap kube-system/eni-config is not JSON (${why}); policies are enforced`,
    path: "data.eni_conf",
  };
}
