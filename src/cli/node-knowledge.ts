// A look at the nodes of a running lab, for answers that depend on more than the objects: what other programs' rules
// do, and which configuration an agent remembers. The lab's own process looks: it may, and it has the handles open.
import { understand } from "../agent/foreign-texts.ts";
import { isError } from "../base/errors.ts";
import type { Ground } from "../explain/ground/ground.ts";
import type { NodeKnowledge } from "../explain/plans.ts";
import { askLab } from "../lab/control/client.ts";
import type { NatKnowledge } from "../lab/nat-knowledge.ts";
import { type LabEntry, listLabs } from "../lab/state.ts";
import type { StoreOptions } from "./context.ts";
import { say } from "./output.ts";

/** Returns the whole network, where the options name a lab: what is not there is not there. */
export function groundOf(options: StoreOptions): Ground | undefined {
  return options.store === undefined ? runningLab(options.lab)?.record.ground : undefined;
}

const PATIENCE_MS = 5000;

/** Returns what the nodes themselves tell; nothing where there is no lab, or it does not answer. */
export async function lookAtNodes(
  options: StoreOptions,
  nodes: readonly string[],
): Promise<ReadonlyMap<string, NodeKnowledge>> {
  const out = new Map<string, NodeKnowledge>();
  const lab = options.store === undefined ? runningLab(options.lab) : undefined;
  if (!lab) return out;
  for (const node of new Set(nodes)) {
    try {
      const { texts, lastGood } = await askLab<NatKnowledge>(lab, "nat", { node }, PATIENCE_MS);
      out.set(node, { foreign: understand(texts).rules, ...(lastGood !== null && { lastGood }) });
    } catch (error) {
      if (!isError(error)) throw error;
      // The answer is still good as far as the objects go.
      say(`warning: other programs' rules on ${node} are not taken into account: ${error.message}`);
    }
  }
  return out;
}

function runningLab(name: string | undefined): LabEntry | undefined {
  const running = listLabs().filter((lab) => lab.running && (name === undefined || lab.record.name === name));
  return running.length === 1 ? running[0] : undefined;
}
