// Writes deploy/chart: the Helm chart with the same objects as `trunkline manifests`, settings as its values. Run it after a
// change of src/cli/deploy or of a kind's schema; a test compares. `node scripts/chart.ts`
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { chartFiles } from "../src/cli/deploy/chart.ts";

const folder = path.resolve(import.meta.dirname, "../deploy/chart");
rmSync(folder, { recursive: true, force: true });
for (const [name, text] of chartFiles()) {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}
