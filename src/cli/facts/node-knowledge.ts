// A look at the machines of a running lab, for answers that depend on more than the objects: what other programs' rules
// do, and which configuration an agent remembers. The lab's own process looks: it may, and it has the handles open.
import { isError } from "../../base/errors.ts";
import type { Ground } from "../../explain/ground/ground.ts";
import type { Knowledge } from "../../explain/judges/plans.ts";
import { askLab } from "../../lab/control/client.ts";
import { type LabEntry, type LabMember, listLabs } from "../../lab/life/state.ts";
import type { MachineKnowledge } from "../../lab/now/machine-knowledge.ts";
import { rulesetOf } from "../../plan/foreign/index.ts";
import { readListing, type TraceTable } from "../../plan/trace/table.ts";
import { isLab, type StoreOptions } from "../context.ts";
import { say } from "../output.ts";

/** A lab on a machine that does much else takes seconds, and without its answer hardly anything can be told. */
const PATIENCE_MS = 20_000;

/** Returns the whole network as it is now, where the options name a lab: what is not there is not there. */
export async function groundOf(options: StoreOptions): Promise<Ground | undefined> {
  const lab = isLab(options) ? runningLab(options.lab) : undefined;
  if (!lab) return undefined;
  try {
    return await askLab<Ground>(lab, "ground", {}, PATIENCE_MS);
  } catch (error) {
    if (!isError(error)) throw error;
    say(`warning: what was changed by hand on machines is not known: ${error.message}`);
    return unseenGround(lab.record.ground, error.message);
  }
}

/** Returns what the machines themselves tell, and of a lab that does not answer that it is not known; nothing where there is no lab. */
export async function lookAtMachines(options: StoreOptions): Promise<Knowledge> {
  const lab = isLab(options) ? runningLab(options.lab) : undefined;
  if (!lab) return {};
  try {
    return knowledgeOf(await askLab<Record<string, MachineKnowledge>>(lab, "machines", {}, PATIENCE_MS));
  } catch (error) {
    if (!isError(error)) throw error;
    say(`warning: other programs' rules are not known: ${error.message}`);
    return unseenRules(lab.record.members, error.message);
  }
}

/** Returns the network as it was built, where nobody can look: which way packets go is not known for sure. */
export function unseenGround(ground: Ground, why: string): Ground {
  const rules = ([4, 6] as const).map((family) => ({ family, text: `nobody could look: ${why}` }));
  return { ...ground, machines: ground.machines.map((machine) => ({ ...machine, rules })) };
}

/** Returns what is known of machines that nobody could look at: not whether other programs' rules let something pass. */
export function unseenRules(members: readonly Pick<LabMember, "name" | "role">[], why: string): Knowledge {
  return {
    rules: new Map(
      members.map(({ name, role }) => {
        const unreadable = [`other programs' rules of ${name}, as nobody could look: ${why}`];
        return [ruleKey(role, name), { chains: new Map(), unreadable }];
      }),
    ),
  };
}

function ruleKey(role: LabMember["role"], name: string): string {
  return `${role === "node" ? "node" : "host"}/${name}`;
}

/** Returns what a look at a lab's machines tells, understood. */
export function knowledgeOf(looked: Readonly<Record<string, MachineKnowledge>>): Knowledge {
  const machines = Object.entries(looked);
  return {
    lastGood: new Map(
      machines.flatMap(([name, { lastGood }]) => (lastGood === null ? [] : [[name, lastGood] as const])),
    ),
    unattended: new Map(
      machines.flatMap(([name, { unattended }]) =>
        unattended ? [[name, { why: unattended.why, table: tableIn(unattended.rules) }] as const] : [],
      ),
    ),
    rules: new Map(machines.map(([name, { role, texts }]) => [ruleKey(role, name), rulesetOf(texts)])),
  };
}

/** Without a table nothing of ours meets a packet. */
function tableIn(text: string | null): TraceTable {
  return text === null ? { chains: new Map(), sets: new Map() } : readListing(text);
}

function runningLab(name: string | undefined): LabEntry | undefined {
  const running = listLabs().filter((lab) => lab.running && (name === undefined || lab.record.name === name));
  return running.length === 1 ? running[0] : undefined;
}
