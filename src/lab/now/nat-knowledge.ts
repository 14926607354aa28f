// What of a node's source translation stands in no object: others' rules, and the configuration that it remembers.
import { exitsOf } from "../../agent/managers/exits.ts";
import { LastGood, lastGoodFile } from "../../agent/managers/last-good.ts";
import { TrunklineError } from "../../base/errors.ts";
import { formatCidr } from "../../base/ip.ts";
import { type ForeignNatTexts, readForeignNat } from "../../kernel/foreign-nat.ts";
import type { ExitLink } from "../../plan/snat/foreign/index.ts";
import type { Lab } from "../lab.ts";

export interface NatKnowledge {
  readonly texts: ForeignNatTexts;
  readonly lastGood: string | null;
  /** By which links the node sends what is not for itself. */
  readonly exits: readonly { readonly destination: string; readonly link: ExitLink }[];
}

/** Returns a node's own table as nft prints it; null where there is none. @throws `lab.no-member`, `kernel.nft` */
export async function nodeRules(lab: Lab, node: string): Promise<string | null> {
  const member = lab.members.get(node);
  if (!member) throw new TrunklineError("lab.no-member", { word: node, known: [...lab.members.keys()] });
  return (await member.kernel.nft.text("list table inet trunkline")) ?? null;
}

/** Looks at a node of a lab that runs in this process. @throws `lab.no-member`, `kernel.nft`, `kernel.command` */
export async function natKnowledge(lab: Lab, node: string, stateDir: string): Promise<NatKnowledge> {
  const member = lab.members.get(node);
  if (!member) throw new TrunklineError("lab.no-member", { word: node, known: [...lab.members.keys()] });
  const texts = await readForeignNat(member.kernel, { name: member.plan.netns });
  const exits = exitsOf(member.kernel).map(({ destination, link }) => ({
    destination: formatCidr(destination),
    link,
  }));
  return { texts, lastGood: new LastGood(lastGoodFile(stateDir)).text ?? null, exits };
}
