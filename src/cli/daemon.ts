// What the daemons' commands share: they must be told which cluster is meant, end in time, and write for nobody else's eyes.
import { isError, TrunklineError, textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { StoreOptions } from "./context.ts";

/** Longer than a pod's ADD may still take; shorter than Kubernetes waits (30 s). */
const GRACE_MS = 10_000;

/**
 * A daemon changes machines and clusters: unlike other commands it never takes the lab that happens to run.
 * @param netns namespace that a daemon of one machine is told to be in; a lab's objects are about namespaces, never about the machine itself
 * @throws `cli.daemon-cluster`, `cli.daemon-netns`
 */
export function assertMeant(
  daemon: "agent" | "controller" | "sinks",
  options: StoreOptions,
  netns?: string,
): void {
  const { lab, store, kubeconfig } = options;
  if (store === undefined && lab === undefined && kubeconfig === undefined)
    throw new TrunklineError("cli.daemon-cluster", { daemon });
  if (daemon !== "controller" && lab !== undefined && netns === undefined)
    throw new TrunklineError("cli.daemon-netns", { lab });
}

/**
 * Settles with the signal that asks the process to end; from then on it has a grace, and ends without order after it: a
 * store or a client that does not answer must not keep it.
 */
export function askedToEnd(logger: Logger): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => {
      resolve(signal);
      setTimeout(() => {
        logger.error({ graceMs: GRACE_MS }, "not stopped in time: ending all the same");
        process.exit(1);
      }, GRACE_MS).unref();
    });
  return promise;
}

/**
 * Ends the process with status 1 at an error that nobody has caught, also of a promise that nobody waits for: what the process would do
 * next is not known, and whoever started it starts it again. It is told as a line like all others.
 */
export function endOnBug(logger: Logger): void {
  process.on("uncaughtException", (error: unknown, origin) => {
    try {
      const code = isError(error) ? error.code : undefined;
      const stack = error instanceof Error ? error.stack : undefined;
      logger.error({ error: textOf(error), code, stack, origin }, "an unexpected error: ending");
    } finally {
      process.exit(1);
    }
  });
}

/** What a daemon writes is for its own user alone, whatever umask it was started with. */
export function keepPrivate(): void {
  process.umask(0o077);
}
