import { expect, it } from "vitest";
import { type Pod, podKind } from "../../api/kinds/core.ts";
import type { Kind, KubeObject } from "../../api/object.ts";
import { TrunklineError } from "../../base/errors.ts";
import { silent } from "../../base/log.ts";
import { memoryStore } from "../../store/memory.ts";
import type { Store } from "../../store/store.ts";
import { PodWaits } from "./pod-waits.ts";

async function waits(patienceMs: number) {
  const store = memoryStore();
  const created = await store.create<Pod>(podKind, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "default" },
    spec: { nodeName: "n", containers: [{ name: "c", image: "i" }] },
  });
  const gate = Promise.withResolvers<void>();
  const reads: string[] = [];
  const slow = {
    async get<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string) {
      reads.push(name);
      await gate.promise;
      return store.get(kind, name, namespace);
    },
    update: store.update.bind(store),
  } as Store;
  const options = { store: slow, events: { record() {} }, logger: silent, pods: new Map(), now: Date.now };
  const { name, uid } = created.metadata;
  const pod = { name, namespace: "default", uid };
  return { store, gate, reads, pod, waits: new PodWaits({ ...options, patienceMs }) };
}

const fault = (why: string) => new TrunklineError("subnet.pod-eni", { pod: "p", lacks: why });

it("writes only the last of what a pod was told while the store was slow", async () => {
  const { store, gate, reads, pod, waits: told } = await waits(10_000);
  for (const why of ["one", "two", "three", "four"]) told.failed(pod, fault(why));
  gate.resolve();
  await told.stop();
  const found = await store.get(podKind, "p", "default");
  expect(found?.status?.conditions?.[0]?.message).toContain("four");
  expect(reads.length).toBeLessThan(4);
});

it("ends though the store never answers", async () => {
  const { pod, reads, waits: told } = await waits(1);
  told.failed(pod, fault("one"));
  await expect.poll(() => reads.length).toBe(1);
  await told.stop();
  told.failed(pod, fault("two"));
  expect(reads).toHaveLength(1);
});
