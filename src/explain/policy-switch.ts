// Whether policies are enforced at all: `disable_network_policy` of ConfigMap kube-system/eni-config.
import type { ConfigMap } from "../api/kinds/core.ts";
import type { ClusterFacts } from "../plan/facts.ts";

/** Returns whether the cluster's configuration switches policies off. */
export function isSwitchedOff(facts: ClusterFacts): boolean {
  const config = facts.configMaps.get("kube-system/eni-config");
  return config !== undefined && saysSwitchedOff(config);
}

/** Returns whether a ConfigMap says so, as a key of its own or inside eni_conf; text that is no JSON says nothing. */
export function saysSwitchedOff(config: ConfigMap): boolean {
  const own = config.data?.["disable_network_policy"];
  if (own !== undefined) return own.trim() === "true";
  return /"disable_network_policy"\s*:\s*"?true\b/.test(config.data?.["eni_conf"] ?? "");
}
