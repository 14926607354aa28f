// `disable_network_policy` in kube-system/eni-config switches enforcement off, and on again.
import type { Problem } from "../../base/problem.ts";
import type { ClusterFacts } from "../facts.ts";

/**
 * Returns whether policies are enforced: unless `disable_network_policy` in the JSON of kube-system/eni-config is
 * anything but absent, empty, "0" or "false". What cannot be read leaves enforcement on.
 */
export function readSwitch(facts: Pick<ClusterFacts, "configMaps">): {
  readonly enforced: boolean;
  readonly problems: readonly Problem[];
} {
  const text = facts.configMaps.get("kube-system/eni-config")?.data?.["eni_conf"];
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
  const value = (parsed as Record<string, unknown>)["disable_network_policy"];
  const said = value === undefined || value === null ? "" : String(value).trim().toLowerCase();
  return { enforced: said === "" || said === "0" || said === "false", problems: [] };
}

function unreadable(why: string): Problem {
  return {
    code: "policy.switch",
    message: `eni_conf in ConfigMap kube-system/eni-config is not JSON (${why}); policies are enforced`,
    path: "data.eni_conf",
  };
}
