// trunkline wait: until objects are ready, fulfil a condition, or are gone.
import { Command, InvalidArgumentError } from "commander";
import { podKind } from "../../api/kinds/core.ts";
import {
  deploymentKind,
  replicaSetKind,
  replicationControllerKind,
  statefulSetKind,
} from "../../api/kinds/workloads.ts";
import { type Kind, type KubeObject, keyOf } from "../../api/object.ts";
import { matchesSelector, parseSelector } from "../../api/selectors.ts";
import { TrunklineError } from "../../base/errors.ts";
import { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import {
  listNamespace,
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
import { durationOption } from "../options.ts";
import { exit, print, say } from "../output.ts";
import { hasReadiness, whyNotCondition, whyNotReady } from "../readiness.ts";

type Goal =
  | { readonly type: "ready" }
  | { readonly type: "deleted" }
  | { readonly type: "condition"; readonly condition: string };

interface Options extends StoreOptions, NamespaceOptions {
  readonly for: Goal;
  readonly all?: boolean;
  readonly selector?: string;
  readonly timeout: number;
}

/** Something that the goal is not reached for, and why. */
interface Lacking {
  readonly name: string;
  readonly why: string;
}

interface Check {
  /** Objects that were looked at. */
  readonly count: number;
  readonly lacking: readonly Lacking[];
}

export function command(): Command {
  const wait = new Command("wait")
    .description("wait until objects are ready, fulfil a condition, or are gone")
    .argument("[object...]", "KIND/NAME…, KIND NAME…, or KIND with --all or -l")
    .requiredOption("--for <goal>", "ready, condition=TYPE or delete", goal)
    .option("--all", "all objects of the kind; without a kind all pods and workloads of all namespaces")
    .option("-l, --selector <labels>", "only objects with these labels")
    .addOption(durationOption("--timeout <time>", "how long to wait at most", "60s"))
    .action((words: string[], options: Options) => withStore(options, (store) => run(store, words, options)));
  return storeOptions(namespaceOptions(wait, "all"));
}

function goal(text: string): Goal {
  const condition = /^condition=(\w+)(=[Tt]rue)?$/.exec(text)?.[1];
  if (text === "ready" || condition?.toLowerCase() === "ready") return { type: "ready" };
  if (text === "delete" || text === "deleted") return { type: "deleted" };
  if (condition !== undefined) return { type: "condition", condition };
  throw new InvalidArgumentError("It must be ready, condition=TYPE or delete.");
}

const kindsOfAll: readonly Kind[] = [
  podKind,
  replicationControllerKind,
  replicaSetKind,
  deploymentKind,
  statefulSetKind,
];

async function run(store: Store, words: readonly string[], options: Options): Promise<void> {
  const everything = words.length === 0 && options.all === true;
  const targets: readonly Target[] = everything ? kindsOfAll.map((kind) => ({ kind })) : targetsOf(words);
  refuseSenseless(targets, options);
  // Who says --all and no namespace means the whole lab.
  const scope = everything && options.namespace === undefined ? { ...options, allNamespaces: true } : options;
  const kinds = [...new Set(targets.map((target) => target.kind))];
  const informers = new Map(kinds.map((kind) => [kind, new Informer<KubeObject>(store, kind)]));
  try {
    const check = await reached(informers, () => checkAll(informers, targets, scope), options.timeout);
    conclude(check, options);
  } finally {
    for (const informer of informers.values()) await informer.stop();
  }
}

function refuseSenseless(targets: readonly Target[], options: Options): void {
  for (const { kind, name } of targets) {
    if (name === undefined && !options.all && options.selector === undefined)
      throw new TrunklineError("cli.usage", { why: `name the ${kind.plural} to wait for, or say --all` });
    if (options.for.type === "ready" && !hasReadiness(kind))
      throw new TrunklineError("cli.usage", {
        why: `a ${kind.kind} is never ready or not; pods, nodes and workloads are`,
      });
  }
}

/** Settles with the first check that lacks nothing, or with the last one when the time is up. */
async function reached(
  informers: ReadonlyMap<Kind, Informer<KubeObject>>,
  check: () => Check,
  timeoutMs: number,
): Promise<Check> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(() => late.resolve(), timeoutMs);
  let changed = Promise.withResolvers<void>();
  for (const informer of informers.values()) {
    informer.on(() => changed.resolve());
    informer.start();
  }
  await Promise.race([late.promise, Promise.all([...informers.values()].map((informer) => informer.synced))]);
  let over = false;
  void late.promise.then(() => (over = true));
  for (;;) {
    const found = check();
    if (found.lacking.length === 0 || over) {
      clearTimeout(timer);
      return found;
    }
    await Promise.race([changed.promise, late.promise]);
    // Changes come in bursts; one look after each is enough.
    await new Promise((resolve) => setImmediate(resolve));
    changed = Promise.withResolvers();
  }
}

function checkAll(
  informers: ReadonlyMap<Kind, Informer<KubeObject>>,
  targets: readonly Target[],
  options: Options,
): Check {
  const checks = targets.map(({ kind, name }) => {
    const cache = informers.get(kind)?.cache ?? new Map<string, KubeObject>();
    return name === undefined ? checkMany(kind, cache, options) : checkOne(kind, name, cache, options);
  });
  return {
    count: checks.reduce((sum, one) => sum + one.count, 0),
    lacking: checks.flatMap((one) => one.lacking),
  };
}

function checkMany(kind: Kind, cache: ReadonlyMap<string, KubeObject>, options: Options): Check {
  const namespace = listNamespace(kind, options);
  const selector = parseSelector(options.selector ?? "");
  const chosen = [...cache.values()].filter(
    ({ metadata }) =>
      (namespace === undefined || metadata.namespace === namespace) &&
      matchesSelector(selector, metadata.labels) &&
      // What is on its way out does not become ready.
      (metadata.deletionTimestamp === undefined || options.for.type === "deleted"),
  );
  const lacking = chosen.flatMap((object) => {
    const why = whyNot(object, options.for);
    const home = object.metadata.namespace;
    const name = `${kind.kind.toLowerCase()}/${home === undefined || namespace !== undefined ? object.metadata.name : keyOf(object)}`;
    return why === undefined ? [] : [{ name, why }];
  });
  return { count: chosen.length, lacking };
}

function checkOne(kind: Kind, name: string, cache: ReadonlyMap<string, KubeObject>, options: Options): Check {
  const namespace = namespaceFor(kind, options);
  const object = cache.get(namespace === undefined ? name : `${namespace}/${name}`);
  const absent = options.for.type === "deleted" ? undefined : "it does not exist";
  const why = object ? whyNot(object, options.for) : absent;
  return { count: 1, lacking: why === undefined ? [] : [{ name: resourceName(kind, name), why }] };
}

function whyNot(object: KubeObject, wanted: Goal): string | undefined {
  if (wanted.type === "ready") return whyNotReady(object);
  return wanted.type === "deleted" ? "it still exists" : whyNotCondition(object, wanted.condition);
}

const mostNamed = 20;

function conclude({ count, lacking }: Check, options: Options): void {
  const goalWord = { ready: "ready", deleted: "gone", condition: "as wanted" }[options.for.type];
  if (lacking.length > 0) {
    say(`trunkline: after ${options.timeout / 1000} s ${lacking.length} of ${count} are not ${goalWord}:`);
    for (const { name, why } of lacking.slice(0, mostNamed)) say(`  ${name}: ${why}`);
    if (lacking.length > mostNamed) say(`  … and ${lacking.length - mostNamed} more`);
    process.exitCode = exit.no;
  } else if (count > 0 || options.for.type === "deleted") {
    print(`${count} ${count === 1 ? "object is" : "objects are"} ${goalWord}`);
  } else {
    say("trunkline: there is nothing to wait for");
    process.exitCode = exit.no;
  }
}
