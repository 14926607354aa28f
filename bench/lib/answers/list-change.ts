// One of ten thousand addresses of an AddressList changes: how long until who reads the list's file finds the new text, through the
// controller's own parts: informers, plan, the object's status, and the sink.
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type AddressList, addressListKind } from "../../../src/api/kinds/address-list.ts";
import { nodeKind, type Pod, podKind } from "../../../src/api/kinds/core.ts";
import { type Host, hostKind } from "../../../src/api/kinds/host.ts";
import { silent } from "../../../src/base/log.ts";
import { ListKeeper } from "../../../src/controller/address-lists/list-keeper.ts";
import { systemClock } from "../../../src/ipam/clock.ts";
import { isAtController } from "../../../src/sinks/places.ts";
import { SinkKeeper } from "../../../src/sinks/sink-keeper.ts";
import { memoryStore } from "../../../src/store/memory.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { ipOf, podObject } from "../policy/cluster.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";

const PODS = 10_000;
const CHANGES = rounds(60, 20);
const WARM_UP = 10;

export async function listChangeRows(folder: string): Promise<Row[]> {
  const text = "one of 10,000 addresses of a list changes: CPU time to the new text in its file";
  const inMemory = await measure(memoryStore(), path.join(folder, "memory.txt"));
  const inFile = await measure(
    openSqliteStore(path.join(folder, "lists.db")),
    path.join(folder, "sqlite.txt"),
  );
  return [
    row("answers.list.change", `${text}, p50`, "ms", quantile(inMemory, 0.5), null, {
      of: "ours",
      at: "most",
      value: 10,
    }),
    row(
      "answers.list.change.sqlite",
      `${text}, with the object in an SQLite file, p50`,
      "ms",
      quantile(inFile, 0.5),
    ),
  ];
}

/** Returns milliseconds of processor time for each change, of all threads: others share the machine. */
async function measure(store: Store, file: string): Promise<number[]> {
  await fill(store, file);
  const options = { store, logger: silent, clock: systemClock };
  const keeper = new ListKeeper(options);
  const place = { netns: "self", folders: [path.dirname(file)] } as const;
  const sinks = new SinkKeeper({
    ...options,
    at: "controller",
    isHere: isAtController,
    place,
    lists: keeper.lists,
  });
  keeper.start();
  sinks.start();
  const times: number[] = [];
  try {
    while (statSync(file, { throwIfNoEntry: false }) === undefined) await pause(20);
    await pause(500);
    for (let i = 0; i < CHANGES + WARM_UP; i++) {
      // What is left to do behind the text is not counted to the next one.
      await pause(100);
      times.push(await change(store, file, i));
    }
  } finally {
    await sinks.stop();
    await keeper.stop();
    await store.close();
  }
  return times.slice(WARM_UP);
}

async function change(store: Store, file: string, i: number): Promise<number> {
  const pod = (await store.get(podKind, `pod-${7000 + i}`, "default")) as Pod;
  const ip = ipOf(50_000 + 2 * i);
  const { ino } = statSync(file);
  const before = process.cpuUsage();
  await store.update(podKind, { ...pod, status: { ...pod.status, podIP: ip, podIPs: [{ ip }] } });
  while (statSync(file).ino === ino) await pause(0);
  const { user, system } = process.cpuUsage(before);
  if (!readFileSync(file, "utf8").includes(`${ip}/32\n`)) throw new Error(`${file} has no ${ip}`);
  return (user + system) / 1000;
}

async function fill(store: Store, file: string): Promise<void> {
  const status = { addresses: [{ type: "InternalIP" as const, address: "192.168.18.1" }] };
  await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata: { name: "n1" }, status });
  await store.create<Host>(hostKind, {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "Host",
    metadata: { name: "db" },
    spec: { addresses: ["172.17.0.9"] },
  });
  // Every second address, so that no two are one range.
  for (let i = 0; i < PODS; i++)
    await store.create(podKind, podObject("default", `pod-${i}`, ipOf(2 * i), { app: "a" }, "n1"));
  await store.create<AddressList>(addressListKind, {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "AddressList",
    metadata: { name: "l" },
    spec: { for: [{}], to: "host/db", rest: "0s", sinks: [{ name: "f", file: { path: file } }] },
  });
}
