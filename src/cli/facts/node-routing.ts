// What the agents of a lab tell of routes and sessions, asked at their health sockets.
import { textOf } from "../../base/errors.ts";
import type { NodeRouting } from "../../explain/routing/types.ts";
import { findLab, nodePaths } from "../../lab/life/state.ts";
import { isLab, type StoreOptions } from "../context.ts";
import { say } from "../output.ts";
import { askAgent } from "./ask-agent.ts";

/** Returns what each of these nodes tells; nodes whose agents do not answer are left out, with a warning. */
export async function askRouting(
  options: StoreOptions,
  nodes: Iterable<string>,
): Promise<ReadonlyMap<string, NodeRouting>> {
  const out = new Map<string, NodeRouting>();
  if (!isLab(options)) return out;
  const { paths } = findLab(options.lab);
  await Promise.all(
    [...nodes].map(async (node) => {
      try {
        out.set(
          node,
          JSON.parse(await askAgent(nodePaths(paths, node).healthSocket, "/routing")) as NodeRouting,
        );
      } catch (error) {
        say(`warning: the agent of ${node} does not say how its routes stand: ${textOf(error)}`);
      }
    }),
  );
  return out;
}
