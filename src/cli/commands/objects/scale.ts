// trunkline scale: how many pods a workload has.
import { Command, InvalidArgumentError } from "commander";
import type { Kind, KubeObject } from "../../../api/object.ts";
import { TrunklineError } from "../../../base/errors.ts";
import { change } from "../../../store/change.ts";
import type { Store } from "../../../store/store.ts";
import { resourceName } from "../../objects/names.ts";
import {
  aboutObjects,
  find,
  notFound,
  refuseBareKinds,
  type SelectionOptions,
  sayMissing,
  sayNone,
  type Target,
} from "../../objects/selection.ts";
import { print } from "../../output.ts";

interface Options extends SelectionOptions {
  readonly replicas: number;
}

const scalable = new Set(["ReplicationController", "ReplicaSet", "Deployment", "StatefulSet"]);

export function command(): Command {
  const scale = new Command("scale")
    .description("set how many pods a workload has")
    .requiredOption("--replicas <count>", "how many pods", count);
  return aboutObjects<Options>(scale, { run, all: "all workloads of the kind" });
}

function count(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError("It must be a whole number, 0 or more.");
  return Number(text);
}

async function run(store: Store, targets: readonly Target[], options: Options): Promise<void> {
  for (const { kind } of targets) {
    if (scalable.has(kind.kind)) continue;
    const have = [...scalable].join(", ");
    throw new TrunklineError("cli.usage", { why: `a ${kind.kind} has no replicas; ${have} have` });
  }
  refuseBareKinds(targets, options, "scale");
  const { found, missing } = await find(store, targets, options);
  for (const { target, items } of found) {
    for (const { metadata } of items) {
      await scaleOne(
        store,
        { ...target, name: metadata.name, namespace: metadata.namespace },
        options.replicas,
      );
      print(`${resourceName(target.kind, metadata.name)} scaled`);
    }
  }
  if (missing.length === 0 && found.every(({ items }) => items.length === 0)) sayNone(targets);
  sayMissing(missing);
}

async function scaleOne(store: Store, target: Required<Target>, replicas: number): Promise<void> {
  const { kind, name, namespace } = target;
  type Scaled = KubeObject & { readonly spec?: object };
  // Its controller may write the status in the same moment: once more over that.
  const edit = (object: Scaled): Scaled => ({ ...object, spec: { ...object.spec, replicas } });
  if (!(await change<Scaled>(store, kind as Kind<Scaled>, { name, namespace }, edit))) throw notFound(target);
}
