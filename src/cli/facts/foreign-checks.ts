// Rules of other programs that act against the configuration, on each node of a running lab, with what mends them.
import { understand } from "../../agent/managers/foreign-texts.ts";
import { isError } from "../../base/errors.ts";
import { parseCidr } from "../../base/ip.ts";
import type { Diagnosis } from "../../explain/doctor/diagnose.ts";
import { askLab } from "../../lab/control/client.ts";
import { findLab } from "../../lab/life/state.ts";
import type { NatKnowledge } from "../../lab/now/nat-knowledge.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { deletionCommand, type JudgedRule, planTakeover, ruleName } from "../../plan/snat/foreign/index.ts";
import { planSnat } from "../../plan/snat/index.ts";

const PATIENCE_MS = 5000;
const idle = { flanneld: [], daemonSets: [], pods: [] };

/** Returns what others' NAT rules do against the plan, node by node. @throws TrunklineError `lab.none`, `lab.unknown`, … */
export async function checkForeignRules(lab: string | undefined, facts: ClusterFacts): Promise<Diagnosis[]> {
  const entry = findLab(lab);
  const found: Diagnosis[] = [];
  for (const node of [...facts.nodes.keys()].toSorted()) {
    if (!entry.record.members.some(({ role, name }) => role === "node" && name === node)) continue;
    const object = `Node/${node}`;
    try {
      const known = await askLab<NatKnowledge>(entry, "nat", { node }, PATIENCE_MS);
      found.push(...inTheWay(facts, node, known));
      for (const what of known.texts.unreadable)
        found.push({ code: "snat.unreadable", severity: "warning", object, message: `not read: ${what}` });
    } catch (error) {
      if (!isError(error)) throw error;
      const message = `other programs' rules cannot be read: ${error.message}`;
      found.push({ code: "snat.unreadable", severity: "warning", object, message });
    }
  }
  return found;
}

function inTheWay(facts: ClusterFacts, name: string, { texts, lastGood, exits }: NatKnowledge): Diagnosis[] {
  const node = facts.nodes.get(name);
  const own = { node: name, addresses: node ? nodeIps(node) : [], uplink: "", endpoints: new Map() };
  const plan = planSnat(facts, own, lastGood === null ? {} : { lastGood });
  const routes = exits.map(({ destination, link }) => ({ destination: parseCidr(destination), link }));
  const { rules } = planTakeover(facts, plan, understand(texts).rules, idle, routes);
  return rules
    .filter((judged) => judged.inTheWay !== false)
    .map((judged) => ({
      code: "snat.in-the-way",
      severity: judged.inTheWay ? "error" : "warning",
      object: `Node/${name}`,
      message: worded(judged, name),
    }));
}

function worded({ rule, owner, verdict, inTheWay }: JudgedRule, node: string): string {
  const whose = owner.name === "unknown" ? "nobody known has put it there" : `it is ${owner.name}'s`;
  const does = inTheWay ? "translates" : "may translate";
  const mend =
    verdict === "delete"
      ? `trunkline snat clean --node ${node}`
      : `${deletionCommand(rule)} (on the node, if nobody needs it)`;
  return `${ruleName(rule)} ${does} connections of pods that the configuration leaves as they are; ${whose}; to mend it: ${mend}`;
}
