// A look at the nodes of a running lab, for answers that depend on more than the objects: what other programs' rules
// do, and which configuration an agent remembers.
import { readForeignRules } from "../agent/foreign-rules.ts";
import { LastGood, lastGoodFile } from "../agent/last-good.ts";
import { isError } from "../base/errors.ts";
import type { NodeKnowledge } from "../explain/plans.ts";
import { linuxMachine } from "../kernel/index.ts";
import { type LabEntry, listLabs, nodePaths } from "../lab/state.ts";
import type { StoreOptions } from "./context.ts";
import { say } from "./output.ts";

/** Returns what the nodes themselves tell; nothing where there is no lab, or it cannot be looked into from here. */
export async function lookAtNodes(
  options: StoreOptions,
  nodes: readonly string[],
): Promise<ReadonlyMap<string, NodeKnowledge>> {
  const out = new Map<string, NodeKnowledge>();
  const lab = options.store === undefined ? runningLab(options.lab) : undefined;
  if (!lab || lab.record.rootless) return out;
  for (const node of new Set(nodes)) {
    const member = lab.record.members.find((one) => one.role === "node" && one.name === node);
    if (!member) continue;
    try {
      out.set(node, await lookAt(lab, node, member.netns));
    } catch (error) {
      // The answer is still good as far as the objects go.
      if (!isError(error) || !error.code.startsWith("kernel.")) throw error;
      say(`warning: other programs' rules on ${node} are not taken into account: ${error.message}`);
    }
  }
  return out;
}

function runningLab(name: string | undefined): LabEntry | undefined {
  const running = listLabs().filter((lab) => lab.running && (name === undefined || lab.record.name === name));
  return running.length === 1 ? running[0] : undefined;
}

async function lookAt(lab: LabEntry, node: string, netns: string): Promise<NodeKnowledge> {
  const { text } = new LastGood(lastGoodFile(nodePaths(lab.paths, node).folder));
  const kernel = linuxMachine().open({ name: netns });
  try {
    const { rules } = await readForeignRules(kernel, { name: netns });
    return { foreign: rules, ...(text !== undefined && { lastGood: text }) };
  } finally {
    kernel.close();
  }
}
