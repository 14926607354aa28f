// What of a lab's machines stands in no object: others' rules, and the configuration that a node's agent remembers.

import { LastGood, lastGoodFile } from "../../agent/managers/last-good.ts";
import { type ForeignTexts, readForeignTables } from "../../kernel/foreign-tables.ts";
import { OWN_TABLES } from "../../kernel/own-tables.ts";
import type { Lab } from "../lab.ts";
import { whyNotReady } from "../life/readiness.ts";
import type { nodePaths } from "../life/state.ts";
import { ADMISSION_TABLE } from "../outside/admission.ts";
import { nodeRules } from "./nat-knowledge.ts";

export interface MachineKnowledge {
  readonly role: "node" | "router" | "host";
  readonly texts: ForeignTexts;
  /** Of nodes: ip-masq-agent's configuration that was last usable. */
  readonly lastGood: string | null;
  /** Of nodes whose agent does not serve: why, and our own rules as the kernel has them, as nft prints them (null: none). */
  readonly unattended?: { readonly why: string; readonly rules: string | null };
}

/** How long an agent has to answer, in milliseconds. */
const PATIENCE_MS = 1000;

/** Tables that are ours; all others are somebody else's. */
const own = [...OWN_TABLES, ADMISSION_TABLE];

/**
 * Looks at all machines of a lab that runs in this process.
 * @param pathsOf a node's files
 * @throws `kernel.nft`, `kernel.command`
 */
export async function machineKnowledge(
  lab: Lab,
  pathsOf: (node: string) => Pick<ReturnType<typeof nodePaths>, "folder" | "healthSocket">,
): Promise<Record<string, MachineKnowledge>> {
  const members = [...lab.members];
  // Asked all at once: one that is stuck is waited for.
  const silence = members.map(async ([name, { plan }]) =>
    plan.role === "node" ? whyNotReady(pathsOf(name).healthSocket, PATIENCE_MS) : undefined,
  );
  const out: Record<string, MachineKnowledge> = {};
  for (const [at, [name, { kernel, plan }]] of members.entries()) {
    const { role } = plan;
    const texts = await readForeignTables(kernel, { name: plan.netns }, own);
    const lastGood = role === "node" ? (new LastGood(lastGoodFile(pathsOf(name).folder)).text ?? null) : null;
    const why = await silence[at];
    const unattended = why !== undefined && { why, rules: await nodeRules(lab, name) };
    out[name] = { role, texts, lastGood, ...(unattended && { unattended }) };
  }
  return out;
}
