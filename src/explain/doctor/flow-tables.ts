// Nodes whose kernels have flow tables, or that were asked to use them, and that hand no connection to them.
import type { ClusterFacts } from "../../plan/facts.ts";
import { flowSetting, flowStateOf } from "../../plan/flow/setting.ts";
import type { Diagnosis } from "./diagnosis.ts";

/** Returns a finding for each: a warning where flow tables are asked for, else a note. */
export function flowTableFindings(facts: Pick<ClusterFacts, "nodes" | "routingConfigurations">): Diagnosis[] {
  const setting = flowSetting(facts);
  if (setting === "Disabled") return [];
  const severity = setting === "Enabled" ? "warning" : "note";
  const nodes = [...facts.nodes].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return nodes.flatMap(([name, node]): Diagnosis[] => {
    const state = flowStateOf(node);
    if (state === undefined || state.on) return [];
    const message = `open connections of its pods do not go through flow tables: ${state.why}`;
    return [{ code: "node.flow-tables", severity, object: `Node/${name}`, message }];
  });
}
