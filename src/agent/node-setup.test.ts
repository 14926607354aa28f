import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { type Node, nodeKind } from "../api/kinds/core.ts";
import { silent } from "../base/log.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { NodeSetup } from "./node-setup.ts";

const taint = { key: "trunkline.dev/agent-not-ready", effect: "NoExecute" as const };
const other = { key: "dedicated", value: "db", effect: "NoSchedule" as const };

function nodeWith(part: Partial<Pick<Node, "spec" | "status">>) {
  return { apiVersion: "v1", kind: "Node" as const, metadata: { name: "n1" }, ...part };
}

function setupOf(store: Store, startupTaint: string | undefined = taint.key) {
  const setup = new NodeSetup({ node: "n1", store, logger: silent, startupTaint });
  onTestFinished(() => setup.stop());
  return setup;
}

async function nodeThat(store: Store, holds: (node: Node) => boolean): Promise<Node> {
  for (;;) {
    const node = await store.get(nodeKind, "n1");
    if (node && holds(node)) return node;
    await sleep(5);
  }
}

const conditionOf = (node: Node) =>
  node.status?.conditions?.find(({ type }) => type === "NetworkUnavailable");

it("says nothing before the agent is ready, then clears the condition and takes its own taint away", async () => {
  const store = memoryStore();
  const ready = { type: "Ready", status: "True" as const };
  const node = await store.create(
    nodeKind,
    nodeWith({
      spec: { taints: [other, taint] },
      status: {
        conditions: [ready, { type: "NetworkUnavailable", status: "True", reason: "NoRouteCreated" }],
      },
    }),
  );
  const setup = setupOf(store);
  setup.look(node);
  await sleep(20);
  expect(await store.get(nodeKind, "n1")).toEqual(node);
  setup.ready(node);
  const after = await nodeThat(store, (one) => one.spec?.taints?.length === 1);
  expect(after.spec?.taints).toEqual([other]);
  expect(conditionOf(after)).toMatchObject({ status: "False", reason: "TrunklineIsReady" });
  expect(after.status?.conditions).toContainEqual(ready);
});

it("says it again when somebody undoes it, and writes nothing where all is said", async () => {
  const store = memoryStore();
  const setup = setupOf(store);
  setup.ready(await store.create(nodeKind, nodeWith({})));
  const said = await nodeThat(store, (one) => conditionOf(one)?.status === "False");
  setup.look(said);
  await sleep(20);
  expect((await store.get(nodeKind, "n1"))?.metadata.resourceVersion).toBe(said.metadata.resourceVersion);
  const undone = await store.update(nodeKind, { ...said, spec: { taints: [taint] }, status: {} });
  setup.look(undone);
  await nodeThat(store, (one) => conditionOf(one)?.status === "False" && one.spec?.taints === undefined);
});

it("leaves taints alone where none is named", async () => {
  const store = memoryStore();
  const setup = new NodeSetup({ node: "n1", store, logger: silent, startupTaint: undefined });
  onTestFinished(() => setup.stop());
  setup.ready(await store.create(nodeKind, nodeWith({ spec: { taints: [taint] } })));
  const node = await nodeThat(store, (one) => conditionOf(one)?.status === "False");
  expect(node.spec?.taints).toEqual([taint]);
});

it("tries again after a failure without being asked", async () => {
  const store = memoryStore();
  const node = await store.create(nodeKind, nodeWith({ spec: { taints: [taint] } }));
  let conflicts = 2;
  const busy: Store = {
    get: store.get.bind(store),
    list: store.list.bind(store),
    create: store.create.bind(store),
    delete: store.delete.bind(store),
    watch: store.watch.bind(store),
    close: store.close.bind(store),
    async update(kind, object) {
      if (conflicts-- > 0)
        await store.update(nodeKind, {
          ...(await store.get(nodeKind, "n1"))!,
          metadata: {
            ...node.metadata,
            labels: { c: String(conflicts) },
            resourceVersion: (await store.get(nodeKind, "n1"))!.metadata.resourceVersion,
          },
        });
      return store.update(kind, object);
    },
  };
  setupOf(busy).ready(node);
  await nodeThat(store, (one) => one.spec?.taints === undefined);
});
