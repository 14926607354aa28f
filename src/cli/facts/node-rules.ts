// Nodes' own rules for a trace: out of the kernels of a running lab, else as the plans would write them.
import { isError } from "../../base/errors.ts";
import { renderedRules } from "../../explain/trace/rendered.ts";
import type { NodeRules } from "../../explain/trace/stops.ts";
import { askLab } from "../../lab/control/client.ts";
import { listLabs } from "../../lab/life/state.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { readListing } from "../../plan/trace/table.ts";
import { isLab, type StoreOptions } from "../context.ts";
import { say } from "../output.ts";

const PATIENCE_MS = 5000;

/** Returns the rules of these nodes, by name. */
export async function nodeRules(
  options: StoreOptions,
  facts: ClusterFacts,
  nodes: readonly string[],
): Promise<ReadonlyMap<string, NodeRules>> {
  const labs = !isLab(options) ? [] : listLabs().filter(({ running }) => running);
  const named = labs.filter(({ record }) => options.lab === undefined || record.name === options.lab);
  const lab = named.length === 1 ? named[0] : undefined;
  const out = new Map<string, NodeRules>();
  for (const node of new Set(nodes)) {
    try {
      const answer = lab && (await askLab<{ text: string | null }>(lab, "rules", { node }, PATIENCE_MS));
      if (typeof answer?.text === "string")
        out.set(node, { table: readListing(answer.text), from: "kernel" });
    } catch (error) {
      if (!isError(error)) throw error;
      say(`warning: the rules of ${node} are traced as they would be written: ${error.message}`);
    }
    if (!out.has(node)) out.set(node, renderedRules(facts, node));
  }
  return out;
}
