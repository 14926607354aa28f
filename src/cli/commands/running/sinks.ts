// trunkline sinks: the daemon on a machine that is no node, whose programs read AddressLists: a database's, a proxy's.
import { Command } from "commander";
import { systemClock } from "../../../ipam/clock.ts";
import { linuxMachine } from "../../../kernel/index.ts";
import { isAtHost } from "../../../sinks/places.ts";
import { SinkKeeper } from "../../../sinks/sink-keeper.ts";
import { openStore, type StoreOptions, storeOptions } from "../../context.ts";
import { askedToEnd, assertMeant, endOnBug } from "../../daemon.ts";
import { jsonLogger, logLevels } from "../../json-logger.ts";
import { sinkFolderOption } from "../../options.ts";

interface Options extends StoreOptions {
  readonly host: string;
  readonly sinkFolder?: readonly string[];
  readonly netns?: string;
  readonly logLevel: (typeof logLevels)[number];
}

export function command(): Command {
  const sinks = new Command("sinks")
    .description("run the daemon of a machine outside of the cluster whose programs read AddressLists")
    .requiredOption("--host <name>", "name of its Host object, by which sinks name it")
    .addOption(sinkFolderOption())
    .option(
      "--netns <name>",
      "network namespace of its firewall and programs; default: the one that it is started in",
    )
    .option("--log-level <level>", logLevels.join(", "), "info")
    .action((options: Options) => run(options));
  return storeOptions(sinks);
}

async function run(options: Options): Promise<void> {
  assertMeant("sinks", options, options.netns);
  const { host, sinkFolder: folders = [] } = options;
  const logger = jsonLogger(options.logLevel, { component: "sinks", host });
  endOnBug(logger);
  const stopping = askedToEnd(logger);
  const store = await openStore(options, "refuse", "network");
  const netns = options.netns === undefined ? "self" : { name: options.netns };
  const kernel = linuxMachine().open(netns);
  const keeper = new SinkKeeper({
    store,
    logger,
    clock: systemClock,
    at: `host/${host}`,
    isHere: isAtHost(host),
    place: { nft: kernel.nft, netns, folders },
  });
  keeper.start();
  logger.info({ folders }, "sinks are kept");
  logger.info({ signal: await stopping }, "stopping");
  await keeper.stop();
  kernel.close();
  await store.close();
}
