// Where the page's answers come from: a running lab, which knows its machines and sends packets, or objects alone.
import type { DeniedAnswer } from "../../agent/denied/refusal-log.ts";
import { addressListKind } from "../../api/kinds/address-list.ts";
import { TrunklineError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { askLab } from "../../lab/control/client.ts";
import { findLab, nodePaths, readLab } from "../../lab/life/state.ts";
import type { ProbeAnswer } from "../../lab/probe/prober.ts";
import { collectServices } from "../../plan/services.ts";
import type { Store } from "../../store/store.ts";
import { LiveCluster, type Look, remembered } from "../../ui/live.ts";
import { type AskNode, RefusalWatch } from "../../ui/refusals.ts";
import type { Sources } from "../../ui/sources.ts";
import { isKubernetes, isLab, type StoreOptions } from "../context.ts";
import { askAgent } from "../facts/ask-agent.ts";
import { staleEgress } from "../facts/egress-leases.ts";
import { groundOf, lookAtMachines } from "../facts/node-knowledge.ts";
import { probeRequest } from "../facts/probe-request.ts";
import { journalsOf } from "../ipam/data.ts";
import { version } from "../version.ts";

/** A page asks several things at once; an answer must not be of another minute. Milliseconds. */
const LOOK_MS = 500;
const LEASES_MS = 10_000;
const SERVICES_MS = 500;

export interface UiSources {
  readonly sources: Sources;
  stop(): Promise<void>;
}

/** Follows the objects that the options name; settles once they are known. `store` stays the caller's. */
export async function uiSources(options: StoreOptions, store: Store, logger: Logger): Promise<UiSources> {
  const live: LiveCluster = new LiveCluster(
    store,
    logger,
    isLab(options) ? labLook(options) : leasesOf(store, () => live),
  );
  await live.start();
  const services = remembered(SERVICES_MS, () => collectServices(store));
  const own = isLab(options) ? labParts(options, services) : clusterParts(options);
  return {
    sources: {
      revision: () => live.revision,
      facts: () => live.facts,
      picture: () => live.picture(),
      services,
      lists: async () => (await store.list(addressListKind)).items,
      ledgers: () => journalsOf(options, live.facts),
      onChange: (listener) => live.onChange(listener),
      ...own,
    },
    stop: () => live.stop(),
  };
}

type Parts = Pick<Sources, "about" | "probe" | "refused" | "onRefused">;

/** What only machines tell. */
function labLook(options: StoreOptions): () => Promise<Look> {
  return remembered(LOOK_MS, async () => {
    const [known, ground] = await Promise.all([lookAtMachines(options), groundOf(options)]);
    return { known, ...(ground && { ground }) };
  });
}

function leasesOf(store: Store, live: () => LiveCluster): () => Promise<Look> {
  return remembered(LEASES_MS, async () => ({ known: { stale: await staleEgress(store, live().facts) } }));
}

function labParts(options: StoreOptions, services: Sources["services"]): Parts {
  const { name } = findLab(options.lab).record;
  const refusals = new RefusalWatch(() => agentsOf(name));
  return {
    about: { version, kind: "lab", name, probe: true, refused: true },
    probe: async ({ from, to, namespace }) => {
      const request = await probeRequest(from, to, namespace, services);
      return askLab<ProbeAnswer>(findLab(name), "probe", request);
    },
    refused: () => refusals.all(),
    onRefused: (listener) => refusals.on(listener),
  };
}

/** Nodes may come and go. */
function agentsOf(lab: string): ReadonlyMap<string, AskNode> {
  const entry = readLab(lab);
  if (!entry) return new Map();
  const nodes = entry.record.members.filter(({ role }) => role === "node");
  return new Map(
    nodes.map(({ name }) => {
      const socket = nodePaths(entry.paths, name).healthSocket;
      return [
        name,
        async (query: string) => JSON.parse(await askAgent(socket, `/denied?${query}`)) as DeniedAnswer,
      ];
    }),
  );
}

function clusterParts(options: StoreOptions): Parts {
  const why = "only a lab's packets are ours to send";
  const refused =
    "agents tell of refused packets at their sockets on their nodes, where `trunkline denied --socket` asks them; pods have events of them";
  const kind = isKubernetes(options) ? "cluster" : "store";
  return {
    about: { version, kind, name: nameOf(options), probe: why, refused },
    probe: () => Promise.reject(new TrunklineError("ui.no-probe", { why })),
    refused: async () => ({ refusals: [], silent: [] }),
    onRefused: () => () => {},
  };
}

/** Addresses of stores may hold what is nobody's business, paths do not. */
function nameOf({ kubeconfig, context, store }: StoreOptions): string {
  if (kubeconfig !== undefined) return context ?? "the cluster of the kubeconfig";
  if (store === undefined || store === "kubernetes:") return "this cluster";
  return store.split(":")[0] === "etcd" ? "etcd" : store;
}
