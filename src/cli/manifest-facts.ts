// Manifests as facts, for commands that need no lab.
import { readManifests } from "../api/manifest/files.ts";
import type { KubeObject } from "../api/object.ts";
import { factsOf } from "../explain/manifests/facts-of.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { sayProblems } from "./output.ts";

/** Reads manifests; tells what is wrong with them and returns undefined if anything is. @throws `api.file` */
export async function readObjects(paths: readonly string[]): Promise<readonly KubeObject[] | undefined> {
  const { objects, errors, warnings } = await readManifests(paths, { unknownKinds: "warning" });
  // Other kinds are no concern of policies: only what may be a slip is told.
  sayProblems(
    warnings.filter((warning) => !warning.code.startsWith("manifest.") || warning.hint !== undefined),
    "warning",
  );
  sayProblems(errors, "error");
  return errors.length > 0 ? undefined : objects.map((item) => item.object);
}

/** Reads the cluster that manifests describe; tells what is wrong with them and returns undefined if anything is. */
export async function readFacts(paths: readonly string[]): Promise<ClusterFacts | undefined> {
  const objects = await readObjects(paths);
  return objects && factsOf(objects);
}
