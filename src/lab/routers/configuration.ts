// A router's configuration: its own file's text, or a generated one.
import { readFileSync } from "node:fs";
import path from "node:path";
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { LabFile } from "../file/lab-file.ts";
import type { LabRouter } from "../file/router.ts";
import { planTopology } from "../topology/plan.ts";
import { birdText } from "./bird-text.ts";
import { frrText } from "./frr-text.ts";
import { type DaemonType, daemonRefusal } from "./packages.ts";
import { type Speaker, speakerOf } from "./speaker.ts";

export interface RouterConfiguration {
  readonly daemon: DaemonType;
  readonly text: string;
  /** What a generated text says. */
  readonly speaker?: Speaker;
}

/** Protocols that FRR knows and a lab does not run: their lines would be taken and do nothing. */
const NOT_RUN = /^\s*(router (?:ospf6?|isis|eigrp|babel|openfabric)|segment-routing|pbr-map|bfd|mpls ldp)\b/m;

/**
 * Returns the configuration of a router that runs a daemon; undefined for a plain one. `source` is the lab file's path.
 * @throws TrunklineError `lab.router-config` where its file cannot be read
 */
export function configurationOf(
  router: LabRouter,
  lab: LabFile,
  source: string,
): RouterConfiguration | undefined {
  const { type, config } = router;
  if (type === "static") return undefined;
  if (config !== undefined) return { daemon: type, text: readConfig(router, config, source) };
  const plan = planTopology(lab).members.find(({ name }) => name === router.name);
  // Every router of a lab file has a place in its topology.
  const speaker = speakerOf(router, lab, plan!);
  return { daemon: type, text: type === "bird" ? birdText(speaker) : frrText(speaker), speaker };
}

function readConfig({ name }: LabRouter, config: string, source: string): string {
  try {
    return readFileSync(path.resolve(path.dirname(source), config), "utf8");
  } catch (error) {
    throw new TrunklineError("lab.router-config", { router: name, file: config, why: textOf(error) });
  }
}

/**
 * Has every daemon read its router's configuration before anything of the lab is made.
 * @throws TrunklineError `lab.router-config` (in the daemon's words), `lab.router-package`
 */
export async function checkConfigurations(lab: LabFile, source: string): Promise<void> {
  for (const router of lab.routers) {
    const found = configurationOf(router, lab, source);
    if (!found) continue;
    const file = router.config ?? "(generated)";
    const unrun = found.daemon === "frr" ? NOT_RUN.exec(found.text)?.[1] : undefined;
    const why =
      unrun === undefined
        ? await daemonRefusal(found.daemon, found.text, file)
        : `a lab runs zebra, bgpd, ripd, ripngd and staticd, none of which is for '${unrun}'`;
    if (why !== undefined) throw new TrunklineError("lab.router-config", { router: router.name, file, why });
  }
}
