// trunkline describe: all that is known of objects, in words, with their events.
import { Command } from "commander";
import { type Event, eventKind } from "../../api/kinds/core.ts";
import type { KubeObject } from "../../api/object.ts";
import { matchesSelector, parseSelector } from "../../api/selectors.ts";
import { TrunklineError } from "../../base/errors.ts";
import type { Store } from "../../store/store.ts";
import {
  listNamespace,
  type NamespaceOptions,
  namespaceFor,
  namespaceOptions,
  type StoreOptions,
  storeOptions,
  targetsOf,
  withStore,
} from "../context.ts";
import { bodyOf, type Sources } from "../describe/index.ts";
import { heading, type Lines, lines, nested } from "../describe/lines.ts";
import { ago, exit, print, say, table } from "../output.ts";

interface Options extends StoreOptions, NamespaceOptions {
  readonly selector?: string;
}

export function command(): Command {
  const describe = new Command("describe")
    .description("tell all about objects, with their events")
    .argument("<kind...>", "KIND, KIND NAME… or KIND/NAME…")
    .option("-l, --selector <labels>", "only objects with these labels")
    .action((words: string[], options: Options) => withStore(options, (store) => run(store, words, options)));
  return storeOptions(namespaceOptions(describe, "all"));
}

async function run(store: Store, words: readonly string[], options: Options): Promise<void> {
  const selector = parseSelector(options.selector ?? "");
  const objects: KubeObject[] = [];
  for (const { kind, name } of targetsOf(words)) {
    const namespace = name === undefined ? listNamespace(kind, options) : namespaceFor(kind, options);
    if (name === undefined) {
      const { items } = await store.list(kind, namespace);
      objects.push(...items.filter((item) => matchesSelector(selector, item.metadata.labels)));
      if (items.length === 0)
        say(`No ${kind.plural}${namespace === undefined ? "" : ` in namespace ${namespace}`}`);
      continue;
    }
    const object = await store.get(kind, name, namespace);
    if (object) objects.push(object);
    else {
      say(`trunkline: ${new TrunklineError("cli.not-found", { kind: kind.kind, name, namespace }).message}`);
      process.exitCode = exit.no;
    }
  }
  const { items: events } = await store.list(eventKind);
  const sources: Sources = {
    store,
    blocks: async () => (await import("../ipam-data.ts")).readBlocks(options),
  };
  const parts = [];
  for (const object of objects) parts.push(await describeOne(sources, object, events));
  if (parts.length > 0) print(parts.join("\n\n\n"));
}

async function describeOne(sources: Sources, object: KubeObject, events: readonly Event[]): Promise<string> {
  const { metadata } = object;
  const owner = metadata.ownerReferences?.find((one) => one.controller) ?? metadata.ownerReferences?.[0];
  const annotations = Object.entries(metadata.annotations ?? {}).filter(
    ([key]) => !key.startsWith("kubectl."),
  );
  const head: Lines = [
    ["Name", metadata.name],
    ...(metadata.namespace === undefined ? [] : ([["Namespace", metadata.namespace]] as const)),
    ["Kind", `${object.kind} (${object.apiVersion})`],
    ["Labels", pairs(Object.entries(metadata.labels ?? {}))],
    ["Annotations", pairs(annotations)],
    ["Created", `${metadata.creationTimestamp} (${ago(metadata.creationTimestamp)} ago)`],
    ...(metadata.deletionTimestamp === undefined
      ? []
      : ([
          ["Deletion", `since ${metadata.deletionTimestamp}, held by ${metadata.finalizers?.join(", ")}`],
        ] as const)),
    ...(owner ? ([["Controlled by", `${owner.kind}/${owner.name}`]] as const) : []),
  ];
  const body = await bodyOf(sources, object);
  return [lines([...head, ...body]), eventText(object, events)].join("\n");
}

function pairs(entries: readonly (readonly [string, string])[]): string {
  return entries.map(([key, value]) => `${key}=${value}`).join("\n") || "<none>";
}

function eventText(object: KubeObject, events: readonly Event[]): string {
  const about = events
    .filter(({ involvedObject: it }) =>
      it.uid === undefined
        ? it.kind === object.kind &&
          it.name === object.metadata.name &&
          it.namespace === object.metadata.namespace
        : it.uid === object.metadata.uid,
    )
    .toSorted((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1));
  if (about.length === 0) return lines([["Events", "<none>"]]);
  const rows = about.map((event) => [
    event.type,
    event.reason,
    `${ago(timeOf(event))}${(event.count ?? 1) > 1 ? ` (x${event.count})` : ""}`,
    event.source?.component ?? "",
    event.message,
  ]);
  return `${heading("Events")}\n${nested(table([["Type", "Reason", "Age", "From", "Message"], ...rows]))}`;
}

function timeOf(event: Event): string {
  return event.lastTimestamp ?? event.metadata.creationTimestamp;
}
