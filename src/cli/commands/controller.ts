// trunkline controller: the cluster's daemon.
import { Command } from "commander";
import { startController } from "../../controller/controller.ts";
import { openStore, type StoreOptions, storeOptions } from "../context.ts";
import { jsonLogger, logLevels } from "../json-logger.ts";

interface Options extends StoreOptions {
  readonly logLevel: (typeof logLevels)[number];
}

export function command(): Command {
  const controller = new Command("controller")
    .description(
      "run the cluster's daemon: collects what owners, namespaces and nodes that are gone have left",
    )
    .option("--log-level <level>", logLevels.join(", "), "info")
    .action((options: Options) => run(options));
  return storeOptions(controller);
}

async function run(options: Options): Promise<void> {
  const logger = jsonLogger(options.logLevel, { component: "controller" });
  const store = await openStore(options);
  const stopping = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.resolve(signal));
  const controller = await startController({ store, logger });
  logger.info({ signal: await stopping.promise }, "stopping");
  await controller.stop();
  await store.close();
}
