import { expect, it } from "vitest";
import { configMapKind, namespaceKind, podKind } from "../api/kinds/core.ts";
import { memoryStore } from "../store/memory.ts";
import { collectFacts } from "./collect.ts";

it("collects objects by key, and only the ConfigMaps that may configure the network", async () => {
  const store = memoryStore();
  await store.create(namespaceKind, { apiVersion: "v1", kind: "Namespace", metadata: { name: "a" } });
  const spec = { containers: [{ name: "c" }] };
  await store.create(podKind, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "a" },
    spec,
  });
  for (const namespace of ["kube-system", "a"])
    await store.create(configMapKind, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "c", namespace },
    });
  const facts = await collectFacts(store);
  expect([...facts.namespaces.keys()]).toEqual(["a"]);
  expect([...facts.pods.keys()]).toEqual(["a/p"]);
  expect([...facts.configMaps.keys()]).toEqual(["kube-system/c"]);
  expect(facts.nodes.size).toBe(0);
});
