import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { configMapKind } from "../../api/kinds/core.ts";
import { leaseKind } from "../../api/kinds/lease.ts";
import { silent } from "../../base/log.ts";
import { memoryStore } from "../../store/memory.ts";
import type { Store } from "../../store/store.ts";
import { Leader } from "./leader.ts";

const lease = { name: "controller", namespace: "kube-system" };
const span = { leaseMs: 400, deadlineMs: 250, retryMs: 30 };

/** A candidate that keeps the store that its work was given, and says whether the work runs. */
function candidate(store: Store, identity: string) {
  const state: { works: boolean; given: Store | undefined; begun: number } = {
    works: false,
    given: undefined,
    begun: 0,
  };
  const leader = new Leader({ store, logger: silent, identity, lease, span }, async (given) => {
    Object.assign(state, { works: true, given, begun: state.begun + 1 });
    return {
      async stop() {
        state.works = false;
      },
    };
  }).start();
  onTestFinished(() => leader.stop());
  return { leader, state };
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await sleep(5);
}

async function takeLease(store: Store, holderIdentity: string): Promise<void> {
  await until(async () => {
    const stored = await store.get(leaseKind, lease.name, lease.namespace);
    if (!stored) return false;
    return store.update(leaseKind, { ...stored, spec: { ...stored.spec, holderIdentity } }).then(
      () => true,
      () => false,
    );
  });
}

const note = (name: string) => ({
  apiVersion: "v1",
  kind: "ConfigMap" as const,
  metadata: { name, namespace: "default" },
});

it("lets one of several act, and the next one as soon as that one gave the lease back", async () => {
  const store = memoryStore();
  const all = ["a", "b", "c"].map((name) => candidate(store, name));
  const working = () => all.filter(({ state }) => state.works);
  await until(() => working().length === 1);
  const [first] = working();
  await sleep(2 * span.leaseMs);
  expect(working()).toEqual([first]);
  await first?.leader.stop();
  expect(first?.state.works).toBe(false);
  await until(() => working().length === 1);
  expect((await store.get(leaseKind, lease.name, lease.namespace))?.spec?.leaseTransitions).toBeGreaterThan(
    0,
  );
  expect(first?.state.begun).toBe(1);
});

it("writes nothing once its time is over, and stops its work although the store hangs", async () => {
  const store = memoryStore();
  let hangs = false;
  const hanging: Store = {
    ...methodsOf(store),
    get: (...all) => (hangs ? new Promise(() => {}) : store.get(...all)),
  };
  const { leader, state } = candidate(hanging, "a");
  await until(() => state.works);
  await state.given?.create(configMapKind, note("while-leading"));
  hangs = true;
  await until(() => !leader.leads);
  await expect(state.given?.create(configMapKind, note("too-late"))).rejects.toMatchObject({
    code: "controller.not-leader",
  });
  await until(() => !state.works);
  expect(await store.get(configMapKind, "too-late", "default")).toBeUndefined();
  // Another one takes over.
  const other = candidate(store, "b");
  await until(() => other.state.works);
  hangs = false;
});

it("stops when somebody else has the lease although it still thinks that it leads", async () => {
  const store = memoryStore();
  const { state } = candidate(store, "a");
  await until(() => state.works);
  await takeLease(store, "b");
  await until(() => !state.works);
});

it("gives the lease up where its work cannot begin, and tries again", async () => {
  const store = memoryStore();
  let tries = 0;
  const leader = new Leader({ store, logger: silent, identity: "a", lease, span }, async () => {
    if (++tries === 1) throw new Error("not today");
    return { stop: async () => {} };
  }).start();
  await until(() => tries === 2);
  await leader.stop();
  expect((await store.get(leaseKind, lease.name, lease.namespace))?.spec?.holderIdentity).toBe("");
});

it("says so where its work does not end, and does not stand again before it has", async () => {
  const store = memoryStore();
  const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
  let [begun, stuck] = [0, 0];
  const options = {
    store,
    logger: silent,
    identity: "a",
    lease,
    span,
    workEndMs: 50,
    onStuck: () => void stuck++,
  };
  const leader = new Leader(options, async () => {
    begun++;
    return { stop: () => ended };
  }).start();
  await until(() => begun === 1);
  await takeLease(store, "b");
  await until(() => stuck === 1);
  expect(begun).toBe(1);
  end(undefined);
  await leader.stop();
  expect(stuck).toBe(1);
});

function methodsOf(store: Store): Store {
  return {
    get: store.get.bind(store),
    list: store.list.bind(store),
    create: store.create.bind(store),
    update: store.update.bind(store),
    delete: store.delete.bind(store),
    watch: store.watch.bind(store),
    close: store.close.bind(store),
  };
}
