import { afterEach, beforeEach, expect, it } from "vitest";
import { type AddressList, addressListKind } from "../../api/kinds/address-list.ts";
import { nodeKind, podKind } from "../../api/kinds/core.ts";
import { hostKind } from "../../api/kinds/host.ts";
import { ipPoolKind } from "../../api/kinds/ip-pool.ts";
import { sourceNatKind } from "../../api/kinds/source-nat.ts";
import { silent } from "../../base/log.ts";
import { host, pod, pool } from "../../explain/cluster.suite.ts";
import { systemClock } from "../../ipam/clock.ts";
import { clusterNode, sourceNat } from "../../plan/snat/facts.suite.ts";
import { change } from "../../store/change.ts";
import { memoryStore } from "../../store/memory.ts";
import { ListKeeper } from "./list-keeper.ts";

let store: ReturnType<typeof memoryStore>;
let keeper: ListKeeper;
beforeEach(() => {
  store = memoryStore();
  keeper = new ListKeeper({ store, logger: silent, clock: systemClock });
});
afterEach(async () => {
  await keeper.stop();
  await store.close();
});

const create = (spec: Partial<AddressList["spec"]> = {}) =>
  store.create<AddressList>(addressListKind, {
    ...addressListKind,
    metadata: { name: "l" },
    spec: { for: [{}], to: "host/db", rest: "0s", ...spec },
  } as never);
const status = async () => (await store.get(addressListKind, "l"))?.status;
const ranges = async () => (await status())?.ranges;
const ready = async () => (await status())?.conditions?.find(({ type }) => type === "Ready")?.reason;

it("follows pods as they come and go, and what is made of their addresses", async () => {
  await store.create(nodeKind, clusterNode("n1", ["192.168.18.3"], {}));
  await store.create(hostKind, host("db", "172.17.0.9"));
  keeper.start();
  await create();
  await expect.poll(ready).toBe("Current");
  await store.create(podKind, pod("a", "10.1.0.4", "n1"));
  await expect.poll(ranges).toEqual(["10.1.0.4/32"]);
  await store.create(podKind, pod("b", "10.1.0.9", "n1"));
  await expect.poll(ranges).toEqual(["10.1.0.4/32", "10.1.0.9/32"]);
  await store.create(sourceNatKind, sourceNat("nat", [{ action: { type: "Masquerade" } }]));
  await expect.poll(ranges).toEqual(["192.168.18.3/32"]);
  await store.delete(sourceNatKind, "nat");
  await store.delete(podKind, "a", "default");
  await expect.poll(ranges).toEqual(["10.1.0.9/32"]);
});

it("takes up what agents ask for, and keeps the list as it was while the destination is nobody", async () => {
  await store.create(hostKind, host("db", "172.17.0.9"));
  await store.create(nodeKind, clusterNode("n1", ["192.168.18.3"], {}));
  await store.create(ipPoolKind, pool("pods", "10.1.0.0/16", false));
  const waiting = await store.create(podKind, pod("a", undefined, "n1"));
  keeper.start();
  await create({ sinks: [{ name: "f", file: { path: "/x" } }] });
  await expect.poll(ready).toBe("SinkFails");
  await change(store, addressListKind, { name: "l" }, (list) => ({
    ...list,
    status: {
      ...list.status,
      asked: [
        {
          pod: "default/a",
          uid: waiting.metadata.uid,
          node: "n1",
          addresses: ["10.1.0.4"],
          at: new Date().toISOString(),
        },
      ],
    },
  }));
  await expect.poll(ranges).toEqual(["10.1.0.4/32"]);
  expect((await status())?.sinks).toMatchObject([{ name: "f", at: "controller", revision: 0 }]);
  await store.delete(hostKind, "db");
  await expect.poll(ready).toBe("NoDestination");
  expect(await ranges()).toEqual(["10.1.0.4/32"]);
});
