// Whether what a lab is made of runs: its controller, and routers' daemons. (Agents are asked at their health sockets, and
// nodes' BIRDs by their agents.)
import type { Diagnosis } from "../../explain/doctor/diagnose.ts";
import { askLab } from "../../lab/control/client.ts";
import type { ProcessRow } from "../../lab/life/processes.ts";
import { findLab } from "../../lab/life/state.ts";

const PATIENCE_MS = 5000;

/** Returns which processes of a lab are away. @throws TrunklineError `lab.none`, `lab.unknown`, … */
export async function checkProcesses(lab: string | undefined): Promise<Diagnosis[]> {
  const answer = await askLab<{ processes: ProcessRow[] }>(findLab(lab), "processes", {}, PATIENCE_MS);
  return awayFindings(answer.processes);
}

/** Returns a finding for each process that is away and that nobody else is asked about, with what starts it. */
export function awayFindings(processes: readonly ProcessRow[]): Diagnosis[] {
  return processes.flatMap(({ name, running }) => {
    const isController = name === "controller";
    if (running || !(isController || name.startsWith("router/"))) return [];
    const what = isController
      ? "the controller does not run: nothing is collected, no PodNetworking, list or egress address is served"
      : "its routing daemon does not run: it learns and announces nothing";
    return [
      {
        code: "lab.process-away",
        severity: "error",
        object: isController ? "Controller/lab" : `Host/${name.slice("router/".length)}`,
        message: `${what}; to mend it: trunkline lab process start ${name}`,
      },
    ];
  });
}
