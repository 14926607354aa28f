// Which of its addresses a node sends with, as far as objects tell: of several it takes that of the link by which it reaches the
// other side (RFC 6724, and the kernel's routes), and no object says which link has which.
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { isOnNode, nodeOf } from "../ends.ts";
import type { PlacedFlow } from "../fate.ts";
import type { SourceDecision } from "../judges/judge.ts";
import { tunnelSource } from "./way.ts";

/** Returns the addresses of the sender's node that may be seen instead of the one that was decided on; none: that is sure. */
export function otherSources(
  facts: ClusterFacts,
  { from, to, destination }: PlacedFlow,
  { action, sourceSeen }: SourceDecision,
): readonly string[] {
  const name = nodeOf(from);
  const node = name === undefined ? undefined : facts.nodes.get(name);
  if (!node || sourceSeen === undefined || nodeOf(to) === name) return [];
  if (action !== "Masquerade" && !isFree(facts, from, destination)) return [];
  const isSix = sourceSeen.includes(":");
  return nodeIps(node).filter((one) => one !== sourceSeen && one.includes(":") === isSix);
}

/** Whether it sends from its node's addresses, and nothing has chosen one. */
function isFree(facts: ClusterFacts, from: PlacedFlow["from"], destination: string): boolean {
  return (
    isOnNode(from) && from.pinned !== true && tunnelSource(facts, nodeOf(from), destination) === undefined
  );
}
