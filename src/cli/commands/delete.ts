// trunkline delete: objects by name, by label, by manifest, or all of a kind; what they own goes with them.
import { Command } from "commander";
import { readManifests } from "../../api/manifest/files.ts";
import type { Kind, KubeObject } from "../../api/object.ts";
import { matchesSelector, parseSelector } from "../../api/selectors.ts";
import { TrunklineError } from "../../base/errors.ts";
import { collectGarbage } from "../../store/garbage.ts";
import { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import {
  defaultNamespace,
  listNamespace,
  type NamespaceOptions,
  namespaceFor,
  namespaceOptions,
  type StoreOptions,
  storeOptions,
  targetsOf,
  withStore,
} from "../context.ts";
import { resourceName } from "../names.ts";
import { durationOption, fileOption } from "../options.ts";
import { exit, print, say, sayProblems } from "../output.ts";

interface Options extends StoreOptions, NamespaceOptions {
  readonly filename?: readonly string[];
  readonly all?: boolean;
  readonly selector?: string;
  readonly ignoreNotFound?: boolean;
  readonly wait: boolean;
  readonly timeout: number;
}

interface Named {
  readonly kind: Kind;
  readonly name: string;
  readonly namespace: string | undefined;
}

export function command(): Command {
  const remove = new Command("delete")
    .description("delete objects, and what they own")
    .argument("[kind...]", "KIND NAME…, KIND/NAME…, or KIND with --all or -l")
    .addOption(fileOption())
    .option("--all", "all objects of the kind")
    .option("-l, --selector <labels>", "only objects with these labels")
    .option("--ignore-not-found", "what does not exist is no error")
    .option("--no-wait", "do not wait until they are gone")
    .addOption(durationOption("--timeout <time>", "how long to wait until they are gone", "60s"))
    .action((words: string[], options: Options) => withStore(options, (store) => run(store, words, options)));
  return storeOptions(namespaceOptions(remove, "all"));
}

async function run(store: Store, words: readonly string[], options: Options): Promise<void> {
  const wanted = await namesOf(store, words, options);
  const doomed: { readonly named: Named; readonly object: KubeObject }[] = [];
  for (const named of wanted) {
    const { kind, name, namespace } = named;
    const object = await store.get(kind, name, namespace);
    if (object) {
      await store.delete(kind, name, namespace, { uid: object.metadata.uid });
      print(`${resourceName(kind, name)} deleted`);
      doomed.push({ named, object });
    } else if (!options.ignoreNotFound) {
      say(`trunkline: ${new TrunklineError("cli.not-found", { kind: kind.kind, name, namespace }).message}`);
      process.exitCode = exit.no;
    }
  }
  // A store without a lab has nobody else who would do it.
  if (options.store !== undefined) await collectGarbage(store);
  if (!options.wait) return;
  const until = AbortSignal.timeout(options.timeout);
  const left = [];
  for (const { named, object } of doomed) if (!(await isGone(store, named, object, until))) left.push(named);
  for (const { kind, name, namespace } of left)
    say(
      `trunkline: ${resourceName(kind, name)}${namespace ? ` in namespace ${namespace}` : ""} is still being deleted`,
    );
  if (left.length > 0) process.exitCode = exit.no;
}

async function namesOf(store: Store, words: readonly string[], options: Options): Promise<Named[]> {
  if (options.filename !== undefined) {
    if (words.length > 0) throw new TrunklineError("cli.usage", { why: "either -f or names, not both" });
    return namesInFiles(options.filename, options);
  }
  const targets = targetsOf(words);
  const many = options.all === true || options.selector !== undefined;
  const out: Named[] = [];
  for (const { kind, name } of targets) {
    if (name !== undefined) out.push({ kind, name, namespace: namespaceFor(kind, options) });
    else if (many) out.push(...(await allOf(store, kind, options)));
    else throw new TrunklineError("cli.usage", { why: `name the ${kind.plural} to delete, or say --all` });
  }
  return out;
}

async function namesInFiles(files: readonly string[], options: Options): Promise<Named[]> {
  const { objects, errors, notes } = await readManifests(files);
  sayProblems(notes, "note");
  if (errors.length > 0)
    throw new TrunklineError("api.problems", { problems: errors, consequence: "Nothing was deleted." });
  return objects.flatMap(({ kind, draft }) => {
    if (!kind) return [];
    const { name, namespace = options.namespace ?? defaultNamespace } = draft.metadata;
    return [{ kind, name, namespace: kind.namespaced ? namespace : undefined }];
  });
}

async function allOf(store: Store, kind: Kind, options: Options): Promise<Named[]> {
  const selector = parseSelector(options.selector ?? "");
  const { items } = await store.list(kind, listNamespace(kind, options));
  const chosen = items.filter((item) => matchesSelector(selector, item.metadata.labels));
  if (chosen.length === 0) say(`No ${kind.plural} to delete`);
  return chosen.map(({ metadata: { name, namespace } }) => ({ kind, name, namespace }));
}

/** Waits until that incarnation of the object is gone; returns whether it is. */
async function isGone(store: Store, named: Named, object: KubeObject, until: AbortSignal): Promise<boolean> {
  const { kind, name, namespace } = named;
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
