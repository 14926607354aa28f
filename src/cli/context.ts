// What most commands share: which cluster, which namespace, which objects.
import { type Command, Option } from "commander";
import { allKinds, kindNamed } from "../api/kinds/index.ts";
import type { Kind } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import { nearest } from "../base/suggest.ts";
import { findLab } from "../lab/state.ts";
import { parseStoreAddress, type StoreAddress } from "../store/address.ts";
import type { Store } from "../store/store.ts";

export interface StoreOptions {
  readonly lab?: string;
  readonly store?: string;
}

/** Adds --lab and --store, which say whose objects a command is about. */
export function storeOptions(command: Command): Command {
  return command
    .option("--lab <name>", "the lab; default: the one that runs")
    .addOption(
      new Option(
        "--store <address>",
        "objects of a store instead of a lab: sqlite:PATH or etcd:URL[,URL…]",
      ).conflicts("lab"),
    );
}

/**
 * Opens the objects that the options name; the caller closes them.
 * @throws TrunklineError `lab.unknown`, `lab.none`, `lab.several`, `lab.dead`, `cli.store`, `store.open`
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const address: StoreAddress =
    options.store === undefined
      ? { driver: "sqlite", path: findLab(options.lab).paths.store }
      : parseStoreAddress(options.store, process.env);
  if (address.driver === "etcd") {
    const { etcdStore } = await import("../store/etcd/store.ts");
    return etcdStore(address);
  }
  const { openSqliteStore } = await import("../store/sqlite/store.ts");
  return openSqliteStore(address.path);
}

/** Runs `body` with the objects that the options name. */
export async function withStore<T>(options: StoreOptions, body: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(options);
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
