// trunkline scale: how many pods a workload has.
import { Command, InvalidArgumentError } from "commander";
import type { KubeObject } from "../../api/object.ts";
import { isError, TrunklineError } from "../../base/errors.ts";
import type { Store } from "../../store/store.ts";
import {
  type NamespaceOptions,
  namespaceFor,
  namespaceOptions,
  type StoreOptions,
  storeOptions,
  type Target,
  targetsOf,
  withStore,
} from "../context.ts";
import { resourceName } from "../names.ts";
import { print } from "../output.ts";

interface Options extends StoreOptions, NamespaceOptions {
  readonly replicas: number;
}

const scalable = new Set(["ReplicationController", "ReplicaSet", "Deployment", "StatefulSet"]);

export function command(): Command {
  const scale = new Command("scale")
    .description("set how many pods a workload has")
    .argument("<workload...>", "KIND/NAME…, or KIND NAME…")
    .requiredOption("--replicas <count>", "how many pods", count)
    .action((words: string[], options: Options) => withStore(options, (store) => run(store, words, options)));
  return storeOptions(namespaceOptions(scale, "one"));
}

function count(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError("It must be a whole number, 0 or more.");
  return Number(text);
}

async function run(store: Store, words: readonly string[], options: Options): Promise<void> {
  for (const target of targetsOf(words)) {
    await scaleOne(store, target, options);
    print(`${resourceName(target.kind, target.name ?? "")} scaled`);
  }
}

async function scaleOne(store: Store, { kind, name }: Target, options: Options): Promise<void> {
  if (!scalable.has(kind.kind))
    throw new TrunklineError("cli.usage", {
      why: `a ${kind.kind} has no replicas; ${[...scalable].join(", ")} have`,
    });
  if (name === undefined) throw new TrunklineError("cli.usage", { why: `name the ${kind.kind} to scale` });
  const namespace = namespaceFor(kind, options);
  for (;;) {
    const object = await store.get<KubeObject & { readonly spec?: object }>(kind, name, namespace);
    if (!object) throw new TrunklineError("cli.not-found", { kind: kind.kind, name, namespace });
    try {
      await store.update(kind, {
        ...object,
        spec: { ...object.spec, replicas: options.replicas },
      } as KubeObject);
      return;
    } catch (error) {
      // Its controller wrote the status in the same moment: once more over that.
      if (!isError(error, "store.conflict")) throw error;
    }
  }
}
