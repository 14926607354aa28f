// What of a lab's machines stands in no object: others' rules, and the configuration that a node's agent remembers.

import { LastGood, lastGoodFile } from "../agent/managers/last-good.ts";
import { type ForeignTexts, readForeignTables } from "../kernel/foreign-tables.ts";
import { OWN_TABLES } from "../kernel/own-tables.ts";
import type { Lab } from "./lab.ts";
import { ADMISSION_TABLE } from "./outside/admission.ts";

export interface MachineKnowledge {
  readonly role: "node" | "router" | "host";
  readonly texts: ForeignTexts;
  /** Of nodes: ip-masq-agent's configuration that was last usable. */
  readonly lastGood: string | null;
}

/** Tables that are ours; all others are somebody else's. */
const own = [...OWN_TABLES, ADMISSION_TABLE];

/**
 * Looks at all machines of a lab that runs in this process.
 * @param stateDir of a node
 * @throws `kernel.nft`, `kernel.command`
 */
export async function machineKnowledge(
  lab: Lab,
  stateDir: (node: string) => string,
): Promise<Record<string, MachineKnowledge>> {
  const out: Record<string, MachineKnowledge> = {};
  for (const [name, { kernel, plan }] of lab.members) {
    const { role } = plan;
    const texts = await readForeignTables(kernel, { name: plan.netns }, own);
    const lastGood = role === "node" ? (new LastGood(lastGoodFile(stateDir(name))).text ?? null) : null;
    out[name] = { role, texts, lastGood };
  }
  return out;
}
