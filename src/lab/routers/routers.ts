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
class RunningRouter {
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

export interface RoutersOptions {
  readonly lab: LabFile;
  /** The lab file's path. */
  readonly source: string;
  readonly paths: LabPaths;
  readonly rootless: boolean;
  readonly logger: Logger;
}

/** All of them, by name. */
export class RunningRouters {
  readonly #source: string;
  readonly #routers = new Map<string, RunningRouter>();

  /** Starts nothing yet. @throws TrunklineError `lab.router-config`, `lab.router-rootless` */
  constructor(options: RoutersOptions) {
    this.#source = options.source;
    for (const router of options.lab.routers) {
      const running = routerOf(router, options);
      if (running) this.#routers.set(router.name, running);
    }
  }

  get size(): number {
    return this.#routers.size;
  }

  get supervisors(): readonly (readonly [name: string, supervisor: Supervisor])[] {
    return [...this.#routers].map(([name, { supervisor }]) => [name, supervisor]);
  }

  /** Settles when all daemons run. @throws what keeps one of them from starting */
  async start(): Promise<void> {
    await Promise.all(this.supervisors.map(([, supervisor]) => supervisor.start()));
  }

  async stop(): Promise<void> {
    for (const [, supervisor] of this.supervisors.toReversed()) await supervisor.stop();
  }

  /** Gives daemons what follows from a lab with other nodes. @throws `kernel.command` */
  async follow(lab: LabFile): Promise<void> {
    for (const router of lab.routers) {
      const next = configurationOf(router, lab, this.#source);
      if (next) await this.#routers.get(router.name)?.reconfigure(next);
    }
  }
}

/** Makes what runs the daemon of a router, not started yet; undefined for a router without one. */
function routerOf(
  router: LabRouter,
  { lab, source, paths, rootless, logger }: RoutersOptions,
): RunningRouter | undefined {
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
