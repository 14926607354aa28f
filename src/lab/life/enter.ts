// Running a command inside a lab: in a node's, host's, router's or pod's namespace, with this terminal.
import { runAttached } from "../../kernel/exec/index.ts";
import { askLab } from "../control/client.ts";
import { type DaemonPlaces, toolEnvironment } from "../routers/tools.ts";
import { LAB_VARIABLE } from "./clear-away.ts";
import type { LabEntry } from "./state.ts";

/**
 * Runs a command where `word` (NODE, HOST, POD or KIND/NAME) lives; returns its exit code.
 * @throws TrunklineError `lab.no-member`, `lab.party`, `lab.no-ready-pod`, `lab.control`
 */
export async function execInLab(
  lab: LabEntry,
  word: string,
  namespace: string | undefined,
  command: readonly string[],
): Promise<number> {
  const { netns, ...daemons } = await askLab<{ netns?: string } & DaemonPlaces>(lab, "member", {
    word,
    namespace,
  });
  const inside = ["nsenter", `--net=/run/netns/${netns}`, "--", ...command];
  // A rootless lab's names for namespaces exist only in its own mount namespace, so that is entered first.
  const { rootless, process: owner } = lab.record;
  const outside = [
    "nsenter",
    "--target",
    String(owner.pid),
    "--user",
    "--mount",
    "--preserve-credentials",
    "--",
  ];
  const [first = "", ...rest] = rootless ? [...outside, ...inside] : inside;
  return runAttached(first, rest, {
    env: { ...toolEnvironment(lab.paths, daemons), [LAB_VARIABLE]: lab.paths.folder },
  });
}
