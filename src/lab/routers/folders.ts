// Where routers' daemons keep their files.
import { createHash } from "node:crypto";
import path from "node:path";
import type { LabPaths } from "../life/state.ts";

const FRR_FOLDERS = "/run/trunkline-frr";

/**
 * Where FRR's daemons of a lab keep their files. They become another user, who must be able to get there, so it is not
 * in the lab's own folder, which nobody else may enter; its name is made from that folder's.
 */
export function frrFolder({ folder }: LabPaths): string {
  return path.join(FRR_FOLDERS, createHash("sha256").update(folder).digest("hex").slice(0, 12));
}

/** The folder of a router that runs a daemon. */
export function routerFolder(lab: LabPaths, { name, type }: { name: string; type: string }): string {
  return path.join(type === "frr" ? frrFolder(lab) : path.join(lab.folder, "routers"), name);
}
