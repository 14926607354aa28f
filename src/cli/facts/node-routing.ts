// What the agents of a lab tell of routes and sessions, asked at their health sockets.
import { TrunklineError, textOf } from "../../base/errors.ts";
import { http } from "../../base/http.ts";
import type { NodeRouting } from "../../explain/routing/tables.ts";
import { findLab, nodePaths } from "../../lab/state.ts";
import type { StoreOptions } from "../context.ts";
import { say } from "../output.ts";

const PATIENCE_MS = 5000;

/** Returns what each of these nodes tells; nodes whose agents do not answer are left out, with a warning. */
export async function askRouting(
  options: StoreOptions,
  nodes: Iterable<string>,
): Promise<ReadonlyMap<string, NodeRouting>> {
  const out = new Map<string, NodeRouting>();
  if (options.store !== undefined) return out;
  const { paths } = findLab(options.lab);
  await Promise.all(
    [...nodes].map(async (node) => {
      try {
        out.set(node, JSON.parse(await get(nodePaths(paths, node).healthSocket, "/routing")) as NodeRouting);
      } catch (error) {
        say(`warning: the agent of ${node} does not say how its routes stand: ${textOf(error)}`);
      }
    }),
  );
  return out;
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = http.request({ socketPath, path, timeout: PATIENCE_MS }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(body);
        else
          reject(
            new TrunklineError("cli.agent-answer", { status: response.statusCode ?? 0, body: body.trim() }),
          );
      });
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
    asked.on("error", reject);
    asked.end();
  });
}
