import { afterAll, beforeAll } from "vitest";
import { configMapKind, namespaceKind } from "../../src/api/kinds/core.ts";
import { deploymentKind } from "../../src/api/kinds/workloads.ts";
import type { Kind, KubeObject } from "../../src/api/object.ts";
import { kubernetesStore } from "../../src/store/kubernetes/store.ts";
import { storeSuite } from "../../src/store/store.suite.ts";
import { type ApiServer, apiServerBinary, startApiServer } from "./api-server.ts";

let server: ApiServer | undefined;
beforeAll(async () => {
  server = await startApiServer(apiServerBinary());
}, 60_000);
afterAll(() => server?.close());

storeSuite("kubernetes, two clients of one API server", async () => {
  const open = () => kubernetesStore(server!.access);
  const stores = [open(), open()] as const;
  const [store] = stores;
  for (const name of ["a", "b"])
    if (!(await store.get(namespaceKind, name)))
      await store.create(namespaceKind, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  // What an earlier test left, and what the server made by itself.
  for (const kind of [configMapKind, deploymentKind] as readonly Kind[])
    for (const { metadata } of (await store.list(kind)).items) {
      const current = await store.get(kind, metadata.name, metadata.namespace);
      if (current?.metadata.finalizers)
        await store.update(kind, {
          ...current,
          metadata: { ...current.metadata, finalizers: [] },
        } as KubeObject);
      await store.delete(kind, metadata.name, metadata.namespace);
    }
  return {
    stores,
    history: 300,
    forget: () => server!.forget(),
    async close() {
      for (const one of stores) await one.close();
    },
  };
});
