// trunkline controller: the cluster's daemon.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { Command } from "commander";
import { Gauge, Registry } from "prom-client";
import { serveHealth } from "../../../agent/served/health-server.ts";
import { TrunklineError } from "../../../base/errors.ts";
import { tryParseCidr } from "../../../base/ip.ts";
import type { Logger } from "../../../base/log.ts";
import { type Controller, startController } from "../../../controller/controller.ts";
import { makeDefaultPools, type PoolVariables } from "../../../controller/default-pool.ts";
import { Leader } from "../../../controller/leader/leader.ts";
import type { FollowedClock } from "../../../lab/followed-clock.ts";
import type { Store } from "../../../store/store.ts";
import { isKubernetes, openStore, type StoreOptions, storeOptions } from "../../context.ts";
import { askedToEnd, assertMeant, endOnBug, keepPrivate } from "../../daemon.ts";
import { jsonLogger, logLevels } from "../../json-logger.ts";
import { labClockOption, portNumber, sinkFolderOption } from "../../options.ts";
import { type ProviderOptions, providerOf, providerOptions, sinkCloudOf } from "../../provider.ts";

interface Options extends StoreOptions, ProviderOptions {
  readonly logLevel: (typeof logLevels)[number];
  readonly leaderElect?: boolean;
  readonly leaseNamespace: string;
  readonly identity?: string;
  readonly defaultPool?: readonly string[];
  readonly sinkFolder?: readonly string[];
  readonly webhookInjector?: boolean;
  readonly labClock?: FollowedClock;
  readonly healthPort?: number;
  readonly healthAddress?: string;
  readonly uiListen?: string;
  readonly uiTokenFile?: string;
  readonly uiHostName?: readonly string[];
}

const leaseName = "trunkline-controller";

export function command(): Command {
  const controller = new Command("controller")
    .description(
      "run the cluster's daemon: collects what owners, namespaces and nodes that are gone have left, looks after subnets",
    )
    .option("--leader-elect", "act only while holding a Lease; default: yes where several can be started")
    .option("--no-leader-elect", "act at once: no other controller is started")
    .option("--lease-namespace <name>", `where the Lease '${leaseName}' is`, "kube-system")
    .option("--identity <name>", "holder of the Lease; default: this machine's name and a random part")
    .option(
      "--default-pool <cidr...>",
      "pool of a cluster that has none, made at its first start only; more about it: CALICO_IPV4POOL_…",
    )
    .addOption(sinkFolderOption())
    .option(
      "--webhook-injector",
      "make AddressLists of the annotations (ack.aliyun.com/rds_id, …) that Alibaba Cloud's webhook injector reads",
    )
    .addOption(labClockOption())
    .option("--health-port <port>", "TCP port for /livez, /readyz and /metrics; 0: any free one", portNumber)
    .option("--health-address <address>", "address of that port; default: 127.0.0.1")
    .option(
      "--ui-listen <address:port>",
      "serve the page for browsers there, such as 127.0.0.1:7080; default, or empty: not at all",
    )
    .option("--ui-token-file <file>", "file that holds the page's token; needed with --ui-listen")
    .option("--ui-host-name <name...>", "further names under which browsers find the page, such as a proxy's")
    .option("--log-level <level>", logLevels.join(", "), "info")
    .action((options: Options) => {
      if (options.webhookInjector === true && options.provider?.kind !== "alibaba")
        controller.error(
          "error: --webhook-injector needs --provider alibaba:REGION, which says where and has the keys",
        );
      return run(options);
    });
  return storeOptions(providerOptions(controller));
}

async function run(options: Options): Promise<void> {
  assertMeant("controller", options);
  keepPrivate();
  const logger = jsonLogger(options.logLevel, { component: "controller" });
  endOnBug(logger);
  const stopping = askedToEnd(logger);
  const store = await openStore(options, "refuse", "network");
  const variables = poolVariables(options);
  const { provider } = options;
  const work = async (given: Store): Promise<Controller> => {
    await makeDefaultPools(given, variables, logger);
    // Kubernetes' own controller manager collects what has lost its owners.
    const ownersAreKept = isKubernetes(options);
    return startController({
      store: given,
      logger,
      cloud: providerOf(options, "controller", given),
      ownersAreKept,
      sinkFolders: options.sinkFolder,
      clock: options.labClock,
      sinkCloud: sinkCloudOf(options),
      injectorRegion:
        options.webhookInjector === true && provider?.kind === "alibaba" ? provider.region : undefined,
    });
  };
  const running = isElected(options)
    ? new Leader(
        {
          store,
          logger,
          identity: options.identity ?? `${hostname()}_${randomUUID()}`,
          lease: { name: leaseName, namespace: options.leaseNamespace },
          // Whoever started it starts it again.
          onStuck: () => process.exit(1),
        },
        work,
      ).start()
    : await work(store);
  const health = await serve(options, () => !(running instanceof Leader) || running.leads);
  if (health?.port !== undefined) logger.info({ port: health.port }, "health is served");
  const page = await servePage(options, store, logger);
  logger.info({ signal: await stopping }, "stopping");
  await page?.close();
  await running.stop();
  await health?.close();
  await store.close();
}

/** It shows objects and changes nothing, so that one which waits for its turn may serve it too. */
async function servePage(options: Options, store: Store, logger: Logger) {
  const { uiListen: listen = "", uiTokenFile: tokenFile, uiHostName: names = [] } = options;
  if (listen === "") return undefined;
  // One that is made here nobody would know.
  if (tokenFile === undefined)
    throw new TrunklineError("cli.usage", { why: "--ui-listen needs --ui-token-file" });
  const { keepPage } = await import("../../ui/kept-page.ts");
  const hostName = names.flatMap((name) => name.split(",")).filter((name) => name !== "");
  return keepPage({ listen, tokenFile, hostName }, options, store, logger);
}

/** Only one process can be started beside a file; elsewhere nobody knows how many there are. */
function isElected(options: Options): boolean {
  return options.leaderElect ?? (isKubernetes(options) || options.store?.startsWith("etcd:") === true);
}

/** What pools a first start makes. A lab's objects are its user's: there, no variable of the environment counts. */
function poolVariables(options: Options): PoolVariables {
  const variables: Record<string, string | undefined> = isElected(options) ? { ...process.env } : {};
  for (const cidr of options.defaultPool ?? [])
    variables[`CALICO_IPV${tryParseCidr(cidr)?.family ?? 4}POOL_CIDR`] = cidr;
  return variables;
}

/** One that waits for its turn is as ready as one that acts: it is there. */
async function serve(options: Options, leads: () => boolean) {
  const { healthPort: port, healthAddress: address } = options;
  if (port === undefined) return undefined;
  const registry = new Registry();
  registry.registerMetric(
    new Gauge({
      name: "trunkline_controller_leads",
      help: "1 while this process acts for the cluster",
      registers: [],
      collect() {
        this.set(leads() ? 1 : 0);
      },
    }),
  );
  return serveHealth({ port, ...(address !== undefined && { address }) }, { notReady: () => [], registry });
}
