// trunkline controller: the cluster's daemon.
import { Command } from "commander";
import { startController } from "../../controller/controller.ts";
import { openStore, type StoreOptions, storeOptions } from "../context.ts";
import { askedToEnd, assertMeant, keepPrivate } from "../daemon.ts";
import { jsonLogger, logLevels } from "../json-logger.ts";
import { type ProviderOptions, providerOf, providerOptions } from "../provider.ts";

interface Options extends StoreOptions, ProviderOptions {
  readonly logLevel: (typeof logLevels)[number];
}

export function command(): Command {
  const controller = new Command("controller")
    .description(
      "run the cluster's daemon: collects what owners, namespaces and nodes that are gone have left, looks after subnets",
    )
    .option("--log-level <level>", logLevels.join(", "), "info")
    .action((options: Options) => run(options));
  return storeOptions(providerOptions(controller));
}

async function run(options: Options): Promise<void> {
  assertMeant("controller", options);
  keepPrivate();
  const logger = jsonLogger(options.logLevel, { component: "controller" });
  const stopping = askedToEnd(logger);
  const store = await openStore(options);
  const controller = await startController({ store, logger, cloud: providerOf(options, "controller") });
  logger.info({ signal: await stopping }, "stopping");
  await controller.stop();
  await store.close();
}
