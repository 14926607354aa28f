// get --watch: objects as they are, and then every change of them.
import { setTimeout as sleep } from "node:timers/promises";
import { shown } from "../../api/kinds/secret.ts";
import { type Kind, type KubeObject, keyOf } from "../../api/object.ts";
import { TrunklineError } from "../../base/errors.ts";
import { findLab } from "../../lab/life/state.ts";
import { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import { isLab } from "../context.ts";
import { print } from "../output.ts";
import type { Form } from "./get-form.ts";
import { fillTemplate } from "./jsonpath.ts";
import { resourceName } from "./names.ts";
import { objectTable, type TableOptions } from "./object-table.ts";
import { chooser, type SelectionOptions, type Target } from "./selection.ts";

/** How soon it is seen that a lab has ended. */
const LOOK_MS = 1000;

interface WatchOptions extends SelectionOptions {
  readonly output: Form;
  readonly watchOnly?: boolean;
}

/**
 * Prints the objects, then each that is added, changed or deleted, until the process ends.
 * @throws TrunklineError `cli.usage` where it is not one kind, or one object, that is meant; `lab.unknown`, `lab.dead`
 * once the lab has ended
 */
export async function watchObjects(
  store: Store,
  targets: readonly Target[],
  options: WatchOptions,
  shape: TableOptions,
): Promise<never> {
  const [target, ...others] = targets;
  if (!target || others.length > 0)
    throw new TrunklineError("cli.usage", { why: "--watch takes one kind, or one object" });
  const { kind, name, namespace } = target;
  const tell = await printer(target, options, shape);
  const show = (objects: readonly KubeObject[]) => tell(objects.map(shown));
  const chosen = chooser(options);
  const isMeant = (object: KubeObject) =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    (name === undefined || object.metadata.name === name) &&
    chosen(object);
  // The one that is meant now: another may start meanwhile.
  const lab = isLab(options) ? findLab(options.lab).record.name : undefined;
  const informer = new Informer<KubeObject>(store, kind);
  let listed = false;
  informer.on(({ object, previous }) => {
    // An object whose labels do not fit any more is told once, with what they are now.
    if (listed && (isMeant(object) || (previous && isMeant(previous)))) show([object]);
  });
  informer.start();
  try {
    await informer.synced;
    const first = [...informer.cache.values()].filter(isMeant);
    if (!options.watchOnly && first.length > 0)
      show(first.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)));
    listed = true;
    // A store's file does not tell that its lab has gone.
    for (;;) {
      await sleep(LOOK_MS);
      if (lab !== undefined) findLab(lab);
    }
  } finally {
    await informer.stop();
  }
}

async function printer(
  { kind }: Target,
  { output }: WatchOptions,
  shape: TableOptions,
): Promise<(objects: readonly KubeObject[]) => void> {
  const each = await textOfOne(kind, output);
  if (each) return (objects) => print(objects.map(each).join("\n"));
  const asTable = objectTable(kind, shape);
  return (objects) => print(asTable(objects));
}

/** Returns what makes text of a single object, or undefined if the form is a table. */
async function textOfOne(kind: Kind, form: Form): Promise<((object: KubeObject) => string) | undefined> {
  switch (form.type) {
    case "json":
      return (object) => JSON.stringify(object, undefined, 2);
    case "yaml": {
      const { stringify } = await import("./yaml.ts");
      return (object) => `---\n${stringify(object).trimEnd()}`;
    }
    case "name":
      return ({ metadata }) => resourceName(kind, metadata.name);
    case "jsonpath":
      return (object) => fillTemplate(form.template, object);
    default:
      return undefined;
  }
}
