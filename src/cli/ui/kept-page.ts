// The controller's page: offered beside its work, and never in its way. Its token may not be there yet (a Secret that somebody
// makes later), its port may be taken, and the objects that it shows may not be readable: it is tried again until it is served.
import { setTimeout as sleep } from "node:timers/promises";
import { textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Store } from "../../store/store.ts";
import type { StoreOptions } from "../context.ts";
import { type ListenOptions, placeOf, startPage, tokenIn } from "./serve.ts";
import { uiSources } from "./sources.ts";

const RETRY_MS = 15_000;

/** Without a token file nobody would know the token. */
export interface KeptPageOptions extends ListenOptions {
  readonly listen: string;
  readonly tokenFile: string;
}

export interface KeptPage {
  close(): Promise<void>;
}

/**
 * Serves the page as soon as that is possible, until `close`. `store` stays the caller's.
 * @throws TrunklineError `ui.listen`
 */
export function keepPage(
  listen: KeptPageOptions,
  options: StoreOptions,
  store: Store,
  logger: Logger,
): KeptPage {
  placeOf(listen.listen);
  const over = new AbortController();
  const running = (async () => {
    while (!over.signal.aborted) {
      const page = await tryPage(listen, options, store, logger).catch((error: unknown) => {
        logger.error({ error: textOf(error), againMs: RETRY_MS }, "the page is not served");
        return undefined;
      });
      if (page !== undefined) return page;
      await sleep(RETRY_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
    return undefined;
  })();
  return {
    close: async () => {
      over.abort();
      // One that still waits for objects waits for ever where the server refuses them.
      const page = await Promise.race([running, sleep(0)]);
      await page?.close();
    },
  };
}

async function tryPage(
  listen: KeptPageOptions,
  options: StoreOptions,
  store: Store,
  logger: Logger,
): Promise<KeptPage> {
  // Before all objects are read for nothing.
  tokenIn(listen.tokenFile);
  const { sources, stop } = await uiSources(options, store, logger);
  try {
    const page = await startPage(listen, sources, logger);
    logger.info({ origin: page.origin }, "the page is served");
    return {
      close: async () => {
        await page.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
