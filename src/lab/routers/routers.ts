// The routers of a running lab that run a daemon.
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { LabFile } from "../file/lab-file.ts";
import type { LabRouter } from "../file/router.ts";
import type { LabPaths } from "../life/state.ts";
import { Supervisor } from "../life/supervisor.ts";
import { netnsName } from "../topology/plan.ts";
import { type RouterPlace, reconfigureBird, startBird } from "./bird-router.ts";
import { configurationOf, type RouterConfiguration } from "./configuration.ts";
import { routerFolder } from "./folders.ts";
import { reconfigureFrr, startFrr } from "./frr-router.ts";

/** A router's daemon, kept running. */
export class RunningRouter {
  readonly supervisor: Supervisor;
  readonly #place: RouterPlace;
  #configuration: RouterConfiguration;

  constructor(place: RouterPlace, configuration: RouterConfiguration, logger: Logger) {
    this.#place = place;
    this.#configuration = configuration;
    const router = place.name;
    this.supervisor = new Supervisor({
      start: () =>
        this.#configuration.daemon === "bird"
          ? startBird(place, this.#configuration.text)
          : startFrr(place, this.#configuration.text),
      onExit: (pid) => logger.warn({ router, pid }, "the router's daemon has ended"),
      onRestart: () => logger.info({ router }, "the router's daemon runs again"),
      onFailure: (error) =>
        logger.error({ router, error: textOf(error) }, "the router's daemon does not start"),
    });
  }

  /** Follows the lab's nodes; the daemon's sessions with those that stay are not touched. @throws `kernel.command` */
  async reconfigure(next: RouterConfiguration): Promise<void> {
    const before = this.#configuration;
    this.#configuration = next;
    if (!this.supervisor.running || before.text === next.text) return;
    if (next.daemon === "bird") await reconfigureBird(this.#place, next.text);
    else if (before.speaker && next.speaker) {
      await reconfigureFrr(this.#place, before.speaker, next.speaker, next.text);
    }
  }
}

/**
 * Makes what runs the daemon of a router, not started yet; undefined for a router without one.
 * @throws TrunklineError `lab.router-config`, `lab.router-rootless`
 */
export function routerOf(
  router: LabRouter,
  facts: {
    readonly lab: LabFile;
    readonly source: string;
    readonly paths: LabPaths;
    readonly rootless: boolean;
    readonly logger: Logger;
  },
): RunningRouter | undefined {
  const { lab, source, paths, rootless, logger } = facts;
  const configuration = configurationOf(router, lab, source);
  if (!configuration) return undefined;
  if (configuration.daemon === "frr" && rootless)
    throw new TrunklineError("lab.router-rootless", { router: router.name });
  const place = {
    name: router.name,
    netns: netnsName(lab.name, router.name),
    folder: routerFolder(paths, router),
  };
  return new RunningRouter(place, configuration, logger);
}
