import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { configMapKind, nodeKind, podKind } from "../api/kinds/core.ts";
import { secretKind } from "../api/kinds/secret.ts";
import type { KubeObject } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import { silent } from "../base/log.ts";
import { emptyFacts } from "../plan/facts.ts";
import type { ObjectChange } from "../store/informer.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { ClusterCopy } from "./cluster-copy.ts";
import { ClusterWatch } from "./cluster-watch.ts";

const { plural: PODS } = podKind;

let folder: string;
const open: ClusterCopy[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-copy-"));
});
afterEach(async () => {
  for (const copy of open.splice(0)) await copy.stop();
  rmSync(folder, { recursive: true });
});

const file = () => path.join(folder, "cluster.copy");
function opened(node = "node1"): ClusterCopy {
  const copy = new ClusterCopy(folder, node, silent);
  open.push(copy);
  return copy;
}
function object(name: string, more: Record<string, unknown> = {}, resourceVersion = "1"): KubeObject {
  const metadata = { namespace: "a", name, uid: name, resourceVersion, creationTimestamp: "" };
  return { apiVersion: "v1", kind: "Pod", metadata, ...more };
}
const added = (one: KubeObject): ObjectChange<KubeObject> => ({ type: "added", object: one });
const namesOf = (copy: ClusterCopy, kind = PODS) =>
  copy
    .read()
    ?.get(kind)
    ?.map(({ metadata }) => metadata.name);
const written = () => expect.poll(() => readFileSync(file(), "utf8"), { interval: 5 });

/** What there is, and a copy that has begun with it. */
async function begun(...objects: KubeObject[]) {
  const live = new Map(objects.map((one) => [one.metadata.name, one]));
  const copy = opened();
  copy.begin(emptyFacts(), () => [...live.values()].map((one) => [PODS, one] as const));
  await written().not.toBe("");
  return { copy, live };
}

describe("the copy of the cluster's objects", () => {
  it("is none before there was one", () => {
    expect(opened().read()).toBeUndefined();
  });

  it("has what was there at the beginning, and what has changed since", async () => {
    const { copy } = await begun(object("one"), object("two"), object("three"));
    copy.note(PODS, added(object("four")));
    copy.note(PODS, { type: "deleted", object: object("two") });
    const next = object("one", { spec: { nodeName: "n" } }, "2");
    copy.note(PODS, { type: "modified", object: next, previous: object("one") });
    expect(namesOf(opened())?.toSorted()).toEqual(["four", "one", "three"]);
    expect(opened().read()?.get(PODS)).toContainEqual(next);
  });

  it("is written by nobody before all is known", () => {
    const copy = opened();
    copy.note(PODS, added(object("one")));
    expect(opened().read()).toBeUndefined();
  });

  it("does not grow by versions in which nothing that is planned from differs", async () => {
    const store = memoryStore();
    const draft = { apiVersion: "v1", kind: "Node", metadata: { name: "n" } } as const;
    let node = await store.create(nodeKind, draft);
    const watch = new ClusterWatch(store, silent, opened());
    const told: boolean[] = [];
    await watch.start();
    watch.on((_kind, _key, _change, isIdle) => told.push(isIdle));
    await written().toContain('"n"');
    const before = statSync(file()).size;
    const ready = { type: "Ready", status: "True", reason: "KubeletReady", message: "" } as const;
    const beats = (time: number) => [{ ...ready, lastHeartbeatTime: `${time}` }] as const;
    for (let time = 1; time < 50; time++)
      node = await store.update(nodeKind, { ...node, status: { conditions: beats(time) } });
    await expect.poll(() => told.length).toBe(49);
    // The first one says that the node is ready.
    expect(told.filter((isIdle) => !isIdle)).toHaveLength(1);
    expect(readFileSync(file(), "utf8").slice(before).trim().split("\n")).toHaveLength(1);
    await watch.stop();
    await store.close();
  });

  it.each([
    ["comes bit by bit", true, 121],
    ["is silent", false, 21],
  ])("is gone by where the first listing %s", async (_, speaks, seconds) => {
    const { copy } = await begun(object("one"));
    await copy.stop();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    const store = Object.assign(Object.create(memoryStore()) as Store, {
      list: (async (_kind, _namespace, heard) => {
        const bits = speaks ? setInterval(() => heard?.(), 5000) : undefined;
        return new Promise((_resolve, reject) => {
          ended.push(() => {
            clearInterval(bits);
            reject(new TrunklineError("store.closed", { place: "here" }));
          });
        });
      }) satisfies Store["list"],
    });
    const ended: (() => void)[] = [];
    const watch = new ClusterWatch(store, silent, opened());
    const fromCopy = vi.fn<() => void>();
    try {
      void watch.start(fromCopy);
      vi.advanceTimersByTime((seconds - 2) * 1000);
      expect(fromCopy).not.toHaveBeenCalled();
      vi.advanceTimersByTime(2000);
      expect(fromCopy).toHaveBeenCalledOnce();
      expect([...watch.facts.pods.keys()]).toEqual(["a/one"]);
    } finally {
      vi.useRealTimers();
      for (const end of ended) end();
      await watch.stop();
    }
  });

  it("is written anew when most of it is history, and loses nothing of what comes meanwhile", async () => {
    const { copy, live } = await begun();
    // More than a slice, so that others have their turn while it is written.
    for (let at = 0; at < 1500; at++) live.set(`p${at}`, object(`p${at}`));
    for (const one of live.values()) copy.note(PODS, added(one));
    for (let round = 0; round < 4; round++)
      for (const one of live.values())
        copy.note(PODS, {
          type: "modified",
          object: object(one.metadata.name, { round }, `${round + 2}`),
          previous: one,
        });
    for (let late = 0; late < 5; late++) {
      live.set(`late${late}`, object(`late${late}`));
      copy.note(PODS, added(object(`late${late}`)));
      live.delete(`p${late}`);
      copy.note(PODS, { type: "deleted", object: object(`p${late}`) });
      await new Promise(setImmediate);
    }
    // What came in a burst while the file was written is its history in turn.
    const lines = () => readFileSync(file(), "utf8").split("\n").length;
    await expect
      .poll(() => {
        copy.note(PODS, added(object("late4")));
        return lines();
      })
      .toBeLessThan(2000);
    expect(namesOf(opened())?.toSorted()).toEqual([...live.keys()].toSorted());
  });

  it("is as it was without a last line that a crash tore off, and none where another line is damaged", async () => {
    const { copy } = await begun(object("one"), object("two"));
    await copy.stop();
    const whole = readFileSync(file(), "utf8");
    appendFileSync(file(), '12345678 {"kind":"pods","obj');
    expect(namesOf(opened())).toEqual(["one", "two"]);
    writeFileSync(file(), whole.replace('"one"', '"onE"'));
    expect(opened().read()).toBeUndefined();
  });

  it("is the last run's, torn end and all, until this run's is written", async () => {
    const { copy } = await begun(object("one"), object("two"));
    await copy.stop();
    appendFileSync(file(), '12345678 {"kind":"pods","obj');
    const next = opened();
    next.begin(emptyFacts(), () => [[PODS, object("one")]]);
    for (const name of ["three", "four"]) next.note(PODS, added(object(name)));
    expect(namesOf(opened())).toEqual(["one", "two"]);
    await expect.poll(() => namesOf(opened())).toEqual(["one", "three", "four"]);
  });

  it("is not another node's", async () => {
    await begun(object("one"));
    expect(opened("node2").read()).toBeUndefined();
  });

  it("is read by nobody else, and has only those Secrets that settings name", async () => {
    const secret = (name: string, version = "1") =>
      ({
        ...object(name, { data: { key: "c2VjcmV0" } }, version),
        metadata: { ...object(name).metadata, namespace: "kube-system", resourceVersion: version },
      }) as KubeObject;
    const facts = emptyFacts();
    const secrets = new Map(
      [secret("bgp"), secret("other")].map((one) => [`kube-system/${one.metadata.name}`, one]),
    );
    const peers = new Map<string, KubeObject>();
    const copy = opened();
    copy.begin({ ...facts, secrets, bgpPeers: peers } as unknown as typeof facts, () => []);
    await written().not.toBe("");
    expect(statSync(file()).mode & 0o077).toBe(0);
    copy.note(secretKind.plural, added(secret("other")));
    expect(readFileSync(file(), "utf8")).not.toContain("c2VjcmV0");

    const peer = object("tor", { spec: { password: { secretKeyRef: { name: "bgp", key: "key" } } } });
    peers.set("tor", peer);
    copy.note("bgppeers", added(peer));
    expect(namesOf(opened(), secretKind.plural)).toEqual(["bgp"]);
    peers.delete("tor");
    copy.note("bgppeers", { type: "deleted", object: peer });
    expect(namesOf(opened(), secretKind.plural)).toEqual([]);
  });

  it("goes on where the disk refuses, and has all once it does not", async () => {
    const state = path.join(folder, "state");
    writeFileSync(state, "in the way");
    const live = new Map([["one", object("one")]]);
    const copy = new ClusterCopy(state, "node1", silent, 5);
    open.push(copy);
    copy.begin(emptyFacts(), () => [...live.values()].map((one) => [PODS, one] as const));
    await sleep(20);
    live.set("two", object("two"));
    copy.note(PODS, added(object("two")));
    expect(new ClusterCopy(state, "node1", silent).read()).toBeUndefined();
    rmSync(state);
    await expect
      .poll(() => namesOf(new ClusterCopy(state, "node1", silent))?.toSorted(), { interval: 5 })
      .toEqual(["one", "two"]);
    copy.note(PODS, added(object("three")));
    expect(namesOf(new ClusterCopy(state, "node1", silent))).toContain("three");
  });
});

it("keeps kinds apart", async () => {
  const { copy } = await begun(object("one"));
  copy.note(configMapKind.plural, added(object("one")));
  expect([...(opened().read()?.keys() ?? [])].toSorted()).toEqual(["configmaps", "pods"]);
});
