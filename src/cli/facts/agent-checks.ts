// Whether the agents of a lab serve, asked at their health sockets as a kubelet would.
import type { Diagnosis } from "../../explain/doctor/diagnose.ts";
import { whyNotReady } from "../../lab/life/readiness.ts";
import { findLab, nodePaths } from "../../lab/life/state.ts";

const patienceMs = 2_000;

/** Returns what keeps agents of that lab from serving. @throws TrunklineError `lab.none`, `lab.unknown`, … */
export async function checkAgents(lab: string | undefined): Promise<{ asked: number; found: Diagnosis[] }> {
  const { record, paths } = findLab(lab);
  const nodes = record.members.filter(({ role }) => role === "node").map(({ name }) => name);
  const found = await Promise.all(
    nodes.map(async (node): Promise<Diagnosis[]> => {
      const reason = await whyNotReady(nodePaths(paths, node).healthSocket, patienceMs);
      if (reason === undefined) return [];
      return [{ code: "agent.not-ready", severity: "error", object: `Node/${node}`, message: reason }];
    }),
  );
  return { asked: nodes.length, found: found.flat() };
}
