// trunkline ui: the page in the browser, for whoever sits at this machine.
import { Command } from "commander";
import { openStore, type StoreOptions, storeOptions } from "../../context.ts";
import { askedToEnd, endOnBug, keepPrivate } from "../../daemon.ts";
import { jsonLogger } from "../../json-logger.ts";
import { print, say } from "../../output.ts";
import { type ListenOptions, listenOptions, startPage } from "../../ui/serve.ts";
import { uiSources } from "../../ui/sources.ts";

interface Options extends StoreOptions, ListenOptions {}

export function command(): Command {
  const made = new Command("ui")
    .description("serve a page for the browser: map, ask, matrix, addresses, lists, refused packets")
    .addHelpText(
      "after",
      "\nPrints the address with its token, and serves until it is ended. Of a cluster it shows objects, and changes nothing;" +
        "\nof a lab it also sends probes. docs/ui.md has the JSON interface behind it.",
    )
    .action((options: Options) => run(options));
  return storeOptions(listenOptions(made));
}

async function run(options: Options): Promise<void> {
  keepPrivate();
  const logger = jsonLogger("warn", { component: "ui" });
  const store = await openStore(options);
  const { sources, stop } = await uiSources(options, store, logger);
  const page = await startPage(options, sources, logger);
  endOnBug(logger);
  const stopping = askedToEnd(logger);
  print(page.address);
  say("Ctrl-C ends it.");
  await stopping;
  await page.close();
  await stop();
  await store.close();
}
