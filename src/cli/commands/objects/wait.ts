// trunkline wait: until objects are ready, fulfil a condition, or are gone.
import { Command, InvalidArgumentError } from "commander";
import { podKind } from "../../../api/kinds/core.ts";
import {
  deploymentKind,
  replicaSetKind,
  replicationControllerKind,
  statefulSetKind,
} from "../../../api/kinds/workloads.ts";
import { type Kind, type KubeObject, keyOf } from "../../../api/object.ts";
import { TrunklineError } from "../../../base/errors.ts";
import { Informer } from "../../../store/informer.ts";
import type { Store } from "../../../store/store.ts";
import { lastWarnings } from "../../objects/last-warnings.ts";
import { resourceName } from "../../objects/names.ts";
import { hasReadiness, whyNotCondition, whyNotReady } from "../../objects/readiness.ts";
import {
  aboutObjects,
  chooser,
  refuseBareKinds,
  type SelectionOptions,
  type Target,
} from "../../objects/selection.ts";
import { durationOption } from "../../options.ts";
import { exit, print, say } from "../../output.ts";

type Goal =
  /** `isCondition`: asked for as a condition, which objects of any kind may have. */
  | { readonly type: "ready"; readonly isCondition?: boolean }
  | { readonly type: "created" }
  | { readonly type: "deleted" }
  | { readonly type: "condition"; readonly condition: string; readonly status: string };

interface Options extends SelectionOptions {
  readonly for: Goal;
  readonly timeout: number;
}

/** Something that the goal is not reached for, and why. */
interface Lacking {
  readonly name: string;
  readonly why: string;
  /** Absent of what does not exist. */
  readonly uid?: string | undefined;
}

interface Check {
  /** Objects that were looked at. */
  readonly count: number;
  readonly lacking: readonly Lacking[];
}

export function command(): Command {
  const wait = new Command("wait")
    .description("wait until objects are ready, fulfil a condition, exist, or are gone")
    .requiredOption("--for <goal>", "ready, condition=TYPE[=STATUS], create or delete", goal)
    .addOption(durationOption("--timeout <time>", "how long to wait at most", "60s"));
  const all = "all objects of the kind; without a kind all pods and workloads of all namespaces";
  return aboutObjects<Options>(wait, { run, all, kindsOfAll });
}

function goal(text: string): Goal {
  const [, condition, status = "True"] = /^condition=(\w+)(?:=(\w+))?$/.exec(text) ?? [];
  if (text === "delete" || text === "deleted") return { type: "deleted" };
  if (text === "create") return { type: "created" };
  if (text === "ready") return { type: "ready" };
  if (condition === undefined)
    throw new InvalidArgumentError("It must be ready, condition=TYPE[=STATUS], create or delete.");
  const isReady = condition.toLowerCase() === "ready" && status.toLowerCase() === "true";
  return isReady ? { type: "ready", isCondition: true } : { type: "condition", condition, status };
}

const kindsOfAll: readonly Kind[] = [
  podKind,
  replicationControllerKind,
  replicaSetKind,
  deploymentKind,
  statefulSetKind,
];

async function run(store: Store, targets: readonly Target[], options: Options): Promise<void> {
  refuseBareKinds(targets, options, "wait for");
  refuseNeverReady(targets, options);
  const kinds = [...new Set(targets.map((target) => target.kind))];
  const informers = new Map(kinds.map((kind) => [kind, new Informer<KubeObject>(store, kind)]));
  try {
    const check = await reached(informers, () => checkAll(informers, targets, options), options.timeout);
    conclude(check, options, check.lacking.length > 0 ? await lastWarnings(store) : new Map());
  } finally {
    for (const informer of informers.values()) await informer.stop();
  }
}

function refuseNeverReady(targets: readonly Target[], options: Options): void {
  const senseless = targets.find(({ kind }) => !hasReadiness(kind));
  if (senseless && options.for.type === "ready" && options.for.isCondition !== true)
    throw new TrunklineError("cli.usage", {
      why: `a ${senseless.kind.kind} is never ready or not; pods, nodes and workloads are`,
    });
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
  const checks = targets.map((target) => {
    const cache = informers.get(target.kind)?.cache ?? new Map<string, KubeObject>();
    return target.name === undefined ? checkMany(target, cache, options) : checkOne(target, cache, options);
  });
  return {
    count: checks.reduce((sum, one) => sum + one.count, 0),
    lacking: checks.flatMap((one) => one.lacking),
  };
}

function checkMany(
  { kind, namespace }: Target,
  cache: ReadonlyMap<string, KubeObject>,
  options: Options,
): Check {
  const isChosen = chooser(options);
  const chosen = [...cache.values()].filter(
    (object) =>
      (namespace === undefined || object.metadata.namespace === namespace) &&
      isChosen(object) &&
      // What is on its way out does not become ready.
      (object.metadata.deletionTimestamp === undefined || options.for.type === "deleted"),
  );
  const lacking = chosen.flatMap((object) => {
    const why = whyNot(object, options.for);
    const name = namespace === undefined ? keyOf(object) : object.metadata.name;
    return why === undefined
      ? []
      : [{ name: `${kind.kind.toLowerCase()}/${name}`, why, uid: object.metadata.uid }];
  });
  return { count: chosen.length, lacking };
}

function checkOne(
  { kind, name = "", namespace }: Target,
  cache: ReadonlyMap<string, KubeObject>,
  options: Options,
): Check {
  const object = cache.get(namespace === undefined ? name : `${namespace}/${name}`);
  const absent = options.for.type === "deleted" ? undefined : "it does not exist";
  const why = object ? whyNot(object, options.for) : absent;
  return {
    count: 1,
    lacking: why === undefined ? [] : [{ name: resourceName(kind, name), why, uid: object?.metadata.uid }],
  };
}

function whyNot(object: KubeObject, wanted: Goal): string | undefined {
  switch (wanted.type) {
    case "ready":
      return whyNotReady(object);
    case "created":
      return undefined;
    case "deleted":
      return "it still exists";
    case "condition":
      return whyNotCondition(object, wanted.condition, wanted.status);
  }
}

const mostNamed = 20;

function conclude({ count, lacking }: Check, options: Options, warnings: ReadonlyMap<string, string>): void {
  const goalWord = { ready: "ready", created: "there", deleted: "gone", condition: "as wanted" }[
    options.for.type
  ];
  if (lacking.length > 0) {
    say(`trunkline: after ${options.timeout / 1000} s ${lacking.length} of ${count} are not ${goalWord}:`);
    for (const { name, why, uid = "" } of lacking.slice(0, mostNamed)) {
      const warning = warnings.get(uid);
      say(`  ${name}: ${why}${warning === undefined || why.includes(warning) ? "" : ` (${warning})`}`);
    }
    if (lacking.length > mostNamed) say(`  … and ${lacking.length - mostNamed} more`);
    process.exitCode = exit.no;
  } else if (count > 0 || options.for.type === "deleted") {
    print(`${count} ${count === 1 ? "object is" : "objects are"} ${goalWord}`);
  } else {
    say("trunkline: there is nothing to wait for");
    process.exitCode = exit.no;
  }
}
