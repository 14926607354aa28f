// A node's CNI configuration, as `install-cni` writes it on a real node.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { conflist } from "../../agent/install-cni.ts";
import type { nodePaths } from "../state.ts";

const FILE = "10-trunkline.conflist";

/** Writes the list of plugins: ours, and those chained behind it. The node's agent must be serving. */
export function writeCniConfig(
  { cniConf, agentSocket, cniQueue }: ReturnType<typeof nodePaths>,
  chained: readonly string[],
): void {
  mkdirSync(cniConf, { recursive: true, mode: 0o700 });
  const text = JSON.stringify(
    conflist({ network: "trunkline", agentSocket, queueDir: cniQueue }, chained),
    undefined,
    2,
  );
  const fresh = path.join(cniConf, `.${FILE}`);
  writeFileSync(fresh, `${text}\n`, { mode: 0o600 });
  renameSync(fresh, path.join(cniConf, FILE));
}
