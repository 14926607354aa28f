// Manifests as facts, for commands that need no lab.
import { readManifests } from "../../api/manifest/files.ts";
import type { KubeObject } from "../../api/object.ts";
import type { Problem } from "../../base/problem.ts";
import { ownerOf } from "../../explain/lint/manifests.ts";
import { factsOf } from "../../explain/manifests/facts-of.ts";
import { templateOf } from "../../explain/manifests/workloads.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { sayProblems } from "../output.ts";

/**
 * Reads manifests; tells what is wrong with them and returns undefined if that could change an answer. A workload with
 * a bad field still has its labels and ports, and a range that older servers took its addresses, so there it is only a
 * warning.
 * @throws TrunklineError `api.file`
 */
export async function readObjects(paths: readonly string[]): Promise<readonly KubeObject[] | undefined> {
  const { objects, errors, warnings, notes } = await readManifests(paths, {
    unknownKinds: "warning",
    badValues: "keep",
  });
  sayProblems(notes, "note");
  const harmless = (problem: Problem): boolean => {
    // What an older cluster exports: refused for new objects, and enforced where it is stored.
    if (problem.code === "networkpolicy.sloppy-range") return true;
    const owner = ownerOf(problem, objects);
    if (!owner || problem.code === "schema.type") return false;
    return owner.object.kind === "Pod" || templateOf(owner.object) !== undefined;
  };
  // Other kinds are no concern of policies: only what may be a slip is told.
  const slips = warnings.filter(({ code, hint }) => !code.startsWith("manifest.") || hint !== undefined);
  const grave = errors.filter((problem) => !harmless(problem));
  sayProblems([...slips, ...errors.filter(harmless)], "warning");
  sayProblems(grave, "error");
  return grave.length > 0 ? undefined : objects.map((item) => item.object);
}

/** Reads the cluster that manifests describe; tells what is wrong with them and returns undefined if anything is. */
export async function readFacts(paths: readonly string[]): Promise<ClusterFacts | undefined> {
  const objects = await readObjects(paths);
  return objects && factsOf(objects);
}
