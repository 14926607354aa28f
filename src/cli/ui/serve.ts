// Starting the page: where it listens, with which token, and under which address people find it.
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { TrunklineError } from "../../base/errors.ts";
import { tryParseIp } from "../../base/ip.ts";
import type { Logger } from "../../base/log.ts";
import { installationRoot } from "../../lab/life/installation.ts";
import { isToken, newToken } from "../../ui/server/guard.ts";
import { readPages } from "../../ui/server/pages.ts";
import { serveUi } from "../../ui/server/server.ts";
import type { Sources } from "../../ui/sources.ts";

export interface ListenOptions {
  readonly listen?: string;
  readonly hostName?: readonly string[];
  readonly tokenFile?: string;
}

const USUAL = "127.0.0.1:0";

/** Adds --listen, --host-name and --token-file. */
export function listenOptions(command: Command): Command {
  return command
    .option("--listen <address:port>", "where to listen; port 0: any free one; default: 127.0.0.1:0")
    .option(
      "--host-name <name...>",
      "further names under which browsers find it, such as a proxy's; others are refused",
    )
    .option("--token-file <file>", "file that holds the token; default: a new one at each start");
}

export interface StartedPage {
  /** With the token behind `#`, which browsers send to nobody. */
  readonly address: string;
  /** Without it. */
  readonly origin: string;
  close(): Promise<void>;
}

/**
 * Serves the page until `close`.
 * @throws TrunklineError `ui.listen`, `ui.token-file`, `ui.not-built`; what the system says of the place
 */
export async function startPage(
  options: ListenOptions,
  sources: Sources,
  logger: Logger,
): Promise<StartedPage> {
  const token = options.tokenFile === undefined ? newToken() : tokenIn(options.tokenFile);
  const { address, port } = placeOf(options.listen ?? USUAL);
  const pages = readPages(path.join(installationRoot(), "dist/web"));
  const served = await serveUi({
    sources,
    pages,
    token,
    address,
    port,
    logger,
    ...(options.hostName && { names: options.hostName }),
  });
  return { address: `${served.origin}/#token=${token}`, origin: served.origin, close: () => served.close() };
}

/** Returns the token that a file holds. @throws TrunklineError `ui.token-file` */
export function tokenIn(file: string): string {
  let token = "";
  try {
    token = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new TrunklineError("ui.token-file", { path: file }, { cause: error });
  }
  if (!isToken(token)) throw new TrunklineError("ui.token-file", { path: file });
  return token;
}

/** Returns address and port of a place to listen at. @throws TrunklineError `ui.listen` */
export function placeOf(text: string): { address: string; port: number } {
  const [, six, four, digits = ""] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = six ?? four ?? "";
  const port = Number(digits);
  if (!tryParseIp(address) || digits === "" || port > 65_535) throw new TrunklineError("ui.listen", { text });
  return { address, port };
}
