// Whether the agents of a lab serve, asked at their health sockets as a kubelet would.
import { textOf } from "../../base/errors.ts";
import { http } from "../../base/http.ts";
import type { Diagnosis } from "../../explain/doctor/diagnose.ts";
import { findLab, nodePaths } from "../../lab/state.ts";

const patienceMs = 2_000;

/** Returns what keeps agents of that lab from serving. @throws TrunklineError `lab.none`, `lab.unknown`, … */
export async function checkAgents(lab: string | undefined): Promise<{ asked: number; found: Diagnosis[] }> {
  const { record, paths } = findLab(lab);
  const nodes = record.members.filter(({ role }) => role === "node").map(({ name }) => name);
  const found = await Promise.all(
    nodes.map(async (node): Promise<Diagnosis[]> => {
      const reason = await whyNotReady(nodePaths(paths, node).healthSocket);
      if (reason === undefined) return [];
      return [{ code: "agent.not-ready", severity: "error", object: `Node/${node}`, message: reason }];
    }),
  );
  return { asked: nodes.length, found: found.flat() };
}

function whyNotReady(socketPath: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = http.request({ socketPath, path: "/readyz", timeout: patienceMs }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => {
        resolve(
          response.statusCode === 200
            ? undefined
            : `its agent is not ready: ${body.trim().replaceAll("\n", "; ")}`,
        );
      });
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${patienceMs} ms`)));
    asked.on("error", (error) => resolve(`its agent does not answer: ${textOf(error)}`));
    asked.end();
  });
}
