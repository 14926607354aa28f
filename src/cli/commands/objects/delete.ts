// trunkline delete: objects by name, by label, by manifest, or all of a kind; what they own goes with them.
import { Command, InvalidArgumentError } from "commander";
import type { IPPool } from "../../../api/kinds/ip-pool.ts";
import type { Kind, KubeObject } from "../../../api/object.ts";
import { isError } from "../../../base/errors.ts";
import { collectGarbage } from "../../../store/garbage.ts";
import { Informer } from "../../../store/informer.ts";
import type { Store } from "../../../store/store.ts";
import { resourceName } from "../../objects/names.ts";
import {
  aboutObjects,
  find,
  refuseBareKinds,
  type SelectionOptions,
  sayMissing,
  sayNone,
  type Target,
} from "../../objects/selection.ts";
import { type DryRun, dryRunNote, dryRunOption, durationOption, outputOption } from "../../options.ts";
import { exit, print, say } from "../../output.ts";

interface Options extends SelectionOptions {
  readonly ignoreNotFound?: boolean;
  readonly dryRun: DryRun;
  readonly wait: boolean;
  readonly timeout: number;
  readonly output?: "name";
}

interface Doomed {
  readonly kind: Kind;
  readonly object: KubeObject;
}

export function command(): Command {
  const remove = new Command("delete")
    .description("delete objects, and what they own")
    .option("--ignore-not-found", "what does not exist is no error")
    .addOption(dryRunOption())
    .option("--wait [yes]", "wait until they are gone", yesOrNo, true)
    .option("--no-wait", "do not")
    .addOption(durationOption("--timeout <time>", "how long to wait until they are gone", "60s"))
    .option("--force", "as always: a pod here ends at once")
    .option("--now", "as --force")
    .option("--grace-period <seconds>", "as --force")
    .addOption(outputOption(["name"]));
  return aboutObjects<Options>(remove, { run, all: "all objects of the kind" });
}

function yesOrNo(text: string): boolean {
  if (text !== "true" && text !== "false") throw new InvalidArgumentError("It must be true or false.");
  return text === "true";
}

async function run(store: Store, targets: readonly Target[], options: Options): Promise<void> {
  refuseBareKinds(targets, options, "delete");
  const { found, missing } = await find(store, targets, options);
  const doomed = found.flatMap(({ target: { kind }, items }) => items.map((object) => ({ kind, object })));
  if (doomed.length === 0 && missing.length === 0) sayNone(targets);
  const begun = [];
  for (const one of doomed) if (await begin(store, one, options)) begun.push(one);
  if (!options.ignoreNotFound) sayMissing(missing);
  if (options.dryRun !== "none") return;
  // A store without a lab has nobody else who would do it.
  if (options.store !== undefined) await collectGarbage(store);
  if (options.wait) await waitUntilGone(store, begun, options.timeout);
}

/** Begins to delete an object; returns whether it was allowed. */
async function begin(store: Store, { kind, object }: Doomed, options: Options): Promise<boolean> {
  const { name, namespace, uid } = object.metadata;
  // Asked before: an empty pool's blocks go at once.
  const left = object.kind === "IPPool" ? await leftIn(store, object as IPPool) : undefined;
  try {
    if (options.dryRun === "none") await store.delete(kind, name, namespace, { uid });
  } catch (error) {
    if (!isError(error, "store.forbidden")) throw error;
    // The others are deleted all the same, as kubectl does it.
    say(`trunkline: ${error.message}`);
    process.exitCode = exit.no;
    return false;
  }
  const what = resourceName(kind, name);
  print(options.output === "name" ? what : `${what} deleted${dryRunNote(options.dryRun)}`);
  if (left !== undefined) say(`trunkline: ${left}`);
  return true;
}

async function leftIn(store: Store, pool: IPPool): Promise<string | undefined> {
  const { readResidents, wordResidents } = await import("../../../plan/addressing/residents.ts");
  return wordResidents(pool, await readResidents(store, pool));
}

async function waitUntilGone(store: Store, all: readonly Doomed[], timeoutMs: number): Promise<void> {
  const until = AbortSignal.timeout(timeoutMs);
  const left = [];
  for (const one of all) if (!(await isGone(store, one, until))) left.push(one);
  for (const { kind, object } of left) {
    const { name, namespace } = object.metadata;
    const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
    say(`trunkline: ${resourceName(kind, name)}${where} is still being deleted`);
  }
  if (left.length > 0) process.exitCode = exit.no;
}

/** Waits until that incarnation of the object is gone; returns whether it is. */
async function isGone(store: Store, { kind, object }: Doomed, until: AbortSignal): Promise<boolean> {
  const { name, namespace } = object.metadata;
  const same = (found: KubeObject | undefined) => found?.metadata.uid === object.metadata.uid;
  if (!same(await store.get(kind, name, namespace))) return true;
  const informer = new Informer(store, kind, namespace === undefined ? {} : { namespace });
  const gone = new Promise<boolean>((resolve) => {
    informer.on((change) => {
      if (change.type === "deleted" && same(change.object)) resolve(true);
    });
    until.addEventListener("abort", () => resolve(false));
    if (until.aborted) resolve(false);
  });
  informer.start();
  await informer.synced;
  // It may have gone between the look and the listing, and then nobody tells.
  const result = same(await store.get(kind, name, namespace)) ? await gone : true;
  await informer.stop();
  return result;
}
