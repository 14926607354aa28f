// trunkline describe: all that is known of objects, in words, with their events.
import { Command } from "commander";
import { type Event, eventKind } from "../../../api/kinds/core.ts";
import { shown } from "../../../api/kinds/secret.ts";
import type { KubeObject } from "../../../api/object.ts";
import type { Store } from "../../../store/store.ts";
import { bodyOf, type Sources } from "../../describe/index.ts";
import { heading, type Lines, lines, nested } from "../../describe/lines.ts";
import {
  aboutObjects,
  find,
  type SelectionOptions,
  sayMissing,
  sayNone,
  type Target,
} from "../../objects/selection.ts";
import { ago, print, table } from "../../output.ts";

export function command(): Command {
  const describe = new Command("describe").description("tell all about objects, with their events");
  return aboutObjects<SelectionOptions>(describe, { run });
}

async function run(store: Store, targets: readonly Target[], options: SelectionOptions): Promise<void> {
  const { found, missing } = await find(store, targets, options);
  const objects: KubeObject[] = found.flatMap(({ items }) => items);
  const nowhere: Target[] = [];
  for (const target of missing) {
    const alike = await beginningWith(store, target);
    objects.push(...alike);
    if (alike.length === 0) nowhere.push(target);
  }
  if (objects.length === 0 && nowhere.length === 0) sayNone(targets);
  sayMissing(nowhere);
  const { items: events } = await store.list(eventKind);
  const sources: Sources = {
    store,
    blocks: async () => (await import("../../ipam/data.ts")).readBlocks(options),
  };
  const parts = [];
  for (const object of objects) parts.push(await describeOne(sources, object, events));
  if (parts.length > 0) print(parts.join("\n\n\n"));
}

/** Returns the objects whose names begin like the one that is not there: a pod of a workload is found by the latter's. */
async function beginningWith(store: Store, { kind, name = "", namespace }: Target): Promise<KubeObject[]> {
  const { items } = await store.list(kind, namespace);
  return items.filter(({ metadata }) => metadata.name.startsWith(name)).map(shown);
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
