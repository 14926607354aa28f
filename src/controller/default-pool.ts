// The pool that a cluster begins with, so that its first pods have addresses: made at the first start, and only then. Who
// deletes it later has meant it; a ConfigMap remembers that the first start has been.
import { configMapKind, nodeKind } from "../api/kinds/core.ts";
import { hostKind } from "../api/kinds/host.ts";
import { type IPPool, ipPoolKind } from "../api/kinds/ip-pool.ts";
import type { Draft } from "../api/object.ts";
import type { Surroundings } from "../api/pools.ts";
import { isError, TrunklineError } from "../base/errors.ts";
import { formatCidr } from "../base/ip.ts";
import type { Logger } from "../base/log.ts";
import { importSettings } from "../explain/import/import.ts";
import { truth } from "../explain/import/variables.ts";
import { settingsNamespace } from "../plan/collect.ts";
import { emptyFacts } from "../plan/facts.ts";
import { readServiceRanges, SERVICE_CONFIG_MAP } from "../plan/snat/ranges.ts";
import { listServiceCidrs } from "../store/service-cidrs.ts";
import type { Store } from "../store/store.ts";

export const firstStartName = "trunkline-first-start";

/** Variables that say what the pool is like: Calico's own names. */
export type PoolVariables = Readonly<Record<string, string | undefined>>;

const origin = { object: "the controller's environment", file: "", line: 0, column: 0 };

/**
 * Returns the pools that the variables ask for: `CALICO_IPV4POOL_CIDR` and `CALICO_IPV6POOL_CIDR`, with
 * `…_BLOCK_SIZE`, `…_IPIP`, `…_VXLAN`, `…_NAT_OUTGOING`, `…_NODE_SELECTOR` and `…_DISABLE_BGP_EXPORT`. What they do not
 * say is as in an IPPool that does not say it, but that IPv4 leaves the pools with its node's address, as in Calico.
 * @param around what the pools must fit in with
 * @throws TrunklineError `controller.default-pool`
 */
export function defaultPools(variables: PoolVariables, around: Surroundings): readonly Draft<IPPool>[] {
  if (truth(variables["NO_DEFAULT_POOLS"] ?? "") === true) return [];
  const asked = [4, 6].filter((digit) => (variables[`CALICO_IPV${digit}POOL_CIDR`] ?? "") !== "");
  const settings = asked.flatMap((digit) => {
    const prefix = `CALICO_IPV${digit}POOL_`;
    const usual = digit === 4 ? { [`${prefix}NAT_OUTGOING`]: "true" } : {};
    const given = Object.entries(variables).filter(([name, value]) => name.startsWith(prefix) && value);
    return Object.entries({ ...usual, ...Object.fromEntries(given) }).map(([name, value]) => ({
      name,
      value: value ?? "",
      from: origin,
    }));
  });
  const none = { keys: [], fields: [], node: undefined, errors: [] };
  const { objects, settings: told } = importSettings({ ...none, variables: settings }, around);
  const wrong = told.filter(({ verdict }) => verdict === "refused" || verdict === "no-equivalent");
  if (wrong.length > 0) {
    const why = wrong.map(({ name, value, why: reason }) => `${name}=${value}: ${reason}`).join("; ");
    throw new TrunklineError("controller.default-pool", { why });
  }
  return objects as unknown as readonly Draft<IPPool>[];
}

/** Makes the pools at the first start of a cluster; settles with the names of those that it made. */
export async function makeDefaultPools(
  store: Store,
  variables: PoolVariables,
  logger: Logger,
): Promise<readonly string[]> {
  if (await store.get(configMapKind, firstStartName, settingsNamespace)) return [];
  const [pools, around] = await Promise.all([store.list(ipPoolKind), surroundings(store)]);
  const drafts = defaultPools(variables, around);
  if (drafts.length === 0) return [];
  const names = new Set(drafts.map(({ metadata }) => metadata.name));
  // Pools of these names alone: an earlier start ended between making them and remembering that.
  const isOwnWork = pools.items.every(({ metadata }) => names.has(metadata.name));
  const made: string[] = [];
  for (const draft of isOwnWork ? drafts : [])
    if (await makeOnce(store, draft)) made.push(draft.metadata.name ?? "");
  const why = made.length > 0 ? `made ${made.join(", ")}` : "pools were there already";
  await remember(store, why);
  logger.info({ made }, "first start of this cluster");
  return made;
}

/** What a first pool must fit in with: no more is read than a controller may read. */
async function surroundings(store: Store): Promise<Surroundings> {
  const [nodes, hosts, services, settings] = await Promise.all([
    store.list(nodeKind),
    store.list(hostKind),
    listServiceCidrs(store),
    store.get(configMapKind, SERVICE_CONFIG_MAP.split("/")[1] ?? "", settingsNamespace),
  ]);
  const facts = {
    ...emptyFacts(),
    serviceCidrs: new Map(services.map((one) => [one.metadata.name, one])),
    configMaps: new Map(settings ? [[SERVICE_CONFIG_MAP, settings]] : []),
  };
  return {
    nodes: nodes.items,
    hosts: hosts.items,
    pools: [],
    serviceRanges: readServiceRanges(facts).map(formatCidr),
  };
}

async function makeOnce(store: Store, draft: Draft<IPPool>): Promise<boolean> {
  try {
    await store.create(ipPoolKind, draft);
    return true;
  } catch (error) {
    if (!isError(error, "store.exists")) throw error;
    return false;
  }
}

async function remember(store: Store, why: string): Promise<void> {
  try {
    await store.create(configMapKind, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: firstStartName, namespace: settingsNamespace },
      data: { pools: why, note: "while this object is there, no default pool is made" },
    });
  } catch (error) {
    if (!isError(error, "store.exists")) throw error;
  }
}
