// What most commands share: which cluster, which namespace, which objects.
import { existsSync } from "node:fs";
import { type Command, Option } from "commander";
import { allKinds, kindNamed } from "../api/kinds/index.ts";
import type { Kind } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import { nearest } from "../base/suggest.ts";
import { findLab } from "../lab/life/state.ts";
import { parseStoreAddress, type StoreAddress } from "../store/address.ts";
import type { Access } from "../store/kubernetes/access.ts";
import type { Keep } from "../store/kubernetes/kept.ts";
import type { PluginCall } from "../store/kubernetes/token.ts";
import type { Store } from "../store/store.ts";

export interface StoreOptions {
  readonly lab?: string;
  readonly store?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** Adds --lab, --store, --kubeconfig and --context, which say whose objects a command is about. */
export function storeOptions(command: Command): Command {
  return command
    .option("--lab <name>", "the lab; default: the one that runs")
    .addOption(
      new Option(
        "--store <address>",
        "objects of a store instead of a lab: sqlite:PATH, etcd:URL[,URL…] or kubernetes: (within a pod)",
      ).conflicts("lab"),
    )
    .addOption(
      new Option("--kubeconfig <file>", "objects of the cluster that the file names").conflicts([
        "lab",
        "store",
      ]),
    )
    .addOption(
      new Option("--context <name>", "with --kubeconfig: the context; default: the file's current one"),
    );
}

/**
 * Opens the objects that the options name; the caller closes them.
 * @param missing whether a store's file that is not there is made: a name that was mistyped is no empty cluster
 * @param keep what is kept of a cluster's objects: a daemon holds them all, and needs of them what a network is made of
 * @throws TrunklineError `lab.unknown`, `lab.none`, `lab.several`, `lab.dead`, `cli.store`, `cli.no-store`, `cli.context`,
 *   `store.open`, `store.access`
 */
export async function openStore(
  options: StoreOptions,
  missing: "refuse" | "make" = "refuse",
  keep: Keep = "all",
): Promise<Store> {
  if (options.kubeconfig !== undefined) return openCluster(options.kubeconfig, options.context, keep);
  if (options.context !== undefined) throw new TrunklineError("cli.context", {});
  const ofLab = options.store === undefined;
  const address: StoreAddress =
    options.store === undefined
      ? { driver: "sqlite", path: findLab(options.lab).paths.store }
      : parseStoreAddress(options.store, process.env);
  if (address.driver === "etcd") {
    const { etcdStore } = await import("../store/etcd/store.ts");
    return etcdStore(address);
  }
  if (address.driver === "kubernetes") {
    const [{ kubernetesStore }, { podAccess }] = await Promise.all([
      import("../store/kubernetes/store.ts"),
      import("../store/kubernetes/access.ts"),
    ]);
    return kubernetesStore(podAccess(process.env), { keep });
  }
  if (missing === "refuse" && options.store !== undefined && !existsSync(address.path))
    throw new TrunklineError("cli.no-store", { path: address.path });
  const { openSqliteStore } = await import("../store/sqlite/store.ts");
  return openSqliteStore(address.path, { outlives: ofLab ? "processes" : "machine" });
}

async function openCluster(file: string, context: string | undefined, keep: Keep): Promise<Store> {
  const { kubernetesStore } = await import("../store/kubernetes/store.ts");
  return kubernetesStore(await fileAccess(file, context), { keep });
}

async function fileAccess(file: string, context: string | undefined): Promise<Access> {
  const [{ kubeconfigAccess }, { run }] = await Promise.all([
    import("../store/kubernetes/access.ts"),
    import("../kernel/exec/index.ts"),
  ]);
  const plugin = async (call: PluginCall) => (await run(call.command, call.args, { env: call.env })).stdout;
  return kubeconfigAccess(file, { run: plugin, ...(context !== undefined && { context }) });
}

/** Returns how the API server is reached that the options name; undefined: they name none. @throws `store.access` */
export async function accessOf({ kubeconfig, context, store }: StoreOptions): Promise<Access | undefined> {
  if (kubeconfig !== undefined) return fileAccess(kubeconfig, context);
  if (store !== "kubernetes:") return undefined;
  const { podAccess } = await import("../store/kubernetes/access.ts");
  return podAccess(process.env);
}

/** Returns whether a lab is meant: no other place of objects is named. What a lab tells is true of no other cluster. */
export function isLab({ kubeconfig, store }: StoreOptions): boolean {
  return kubeconfig === undefined && store === undefined;
}

/** Returns whether the options name a Kubernetes cluster. */
export function isKubernetes({ kubeconfig, store }: StoreOptions): boolean {
  return kubeconfig !== undefined || store === "kubernetes:";
}

/** Runs `body` with the objects that the options name. */
export async function withStore<T>(
  options: StoreOptions,
  body: (store: Store) => Promise<T>,
  missing: "refuse" | "make" = "refuse",
): Promise<T> {
  const store = await openStore(options, missing);
  try {
    return await body(store);
  } finally {
    await store.close();
  }
}

export interface NamespaceOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
}

export const defaultNamespace = "default";

/** Adds -n; with `all`, -A too. */
function namespaceOptions(command: Command, all: "all" | "one"): Command {
  const option = new Option("-n, --namespace <name>", `namespace; default: ${defaultNamespace}`);
  if (all === "one") return command.addOption(option);
  return command
    .addOption(option.conflicts("allNamespaces"))
    .option("-A, --all-namespaces", "all namespaces");
}

export interface ClusterOptions extends StoreOptions, NamespaceOptions {}

/** Adds --lab, --store and -n; with `all`, -A too. */
export function clusterOptions(command: Command, all: "all" | "one"): Command {
  return storeOptions(namespaceOptions(command, all));
}

/**
 * Returns the kind that a word means: pods, po, pod, Pod.
 * @throws TrunklineError `cli.kind`
 */
export function kindOfWord(word: string): Kind {
  const kind = kindNamed(word);
  if (kind) return kind;
  const known = allKinds.map((one) => one.plural);
  const words = allKinds.flatMap((one) => [one.plural, one.kind.toLowerCase()]);
  throw new TrunklineError("cli.kind", { word, suggestion: nearest(word, words), known });
}
