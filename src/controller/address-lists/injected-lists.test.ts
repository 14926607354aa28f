import { afterEach, beforeEach, expect, it } from "vitest";
import { type AddressList, addressListKind } from "../../api/kinds/address-list.ts";
import { type Event, eventKind, nodeKind, podKind } from "../../api/kinds/core.ts";
import { silent } from "../../base/log.ts";
import { openStandIn, type StandIn } from "../../cloud/alibaba/stand-in.suite.ts";
import { pod } from "../../explain/cluster.suite.ts";
import { systemClock } from "../../ipam/clock.ts";
import { clusterNode } from "../../plan/snat/facts.suite.ts";
import { isAtController } from "../../sinks/places.ts";
import type { SinkPlace } from "../../sinks/sink.ts";
import { SinkKeeper } from "../../sinks/sink-keeper.ts";
import { change } from "../../store/change.ts";
import { memoryStore } from "../../store/memory.ts";
import { InjectedLists } from "./injected-lists.ts";
import { ListKeeper } from "./list-keeper.ts";

let standIn: StandIn;
let place: SinkPlace;
beforeEach(async () => {
  const opened = await openStandIn();
  standIn = opened.standIn;
  place = { netns: "self", folders: [], cloud: opened.cloud };
});
afterEach(() => standIn.close());

it("makes AddressLists of annotations while pods have them, towards where the instance is", async () => {
  standIn.admitting.lists.set("rm-1", new Map([["app", "10.9.9.9"]]));
  standIn.admitting.addresses.set("rm-1", "172.17.0.9");
  const store = memoryStore();
  const keeper = new ListKeeper({ store, logger: silent, clock: systemClock });
  const { lists } = keeper;
  const options = { store, logger: silent, clock: systemClock };
  const cloud = place.cloud!("cn-test");
  const injected = new InjectedLists({ ...options, region: "cn-test", cloud, lists });
  const keeping = new SinkKeeper({
    ...options,
    at: "controller",
    isHere: isAtController,
    place: { ...place, store },
    lists,
  });
  const annotations = { "ack.aliyun.com/rds_id": "rm-1, rm-none", "ack.aliyun.com/white_list_name": "app" };
  const asking = pod("a", "10.1.0.4", "n1");
  await store.create(nodeKind, clusterNode("n1", ["192.168.18.3"], {}));
  await store.create(podKind, { ...asking, metadata: { ...asking.metadata, annotations } });
  await store.create(podKind, pod("b", "10.1.0.9", "n1"));
  keeper.start();
  keeping.start();
  injected.start();
  const instance = () => Object.fromEntries(standIn.admitting.lists.get("rm-1") ?? []);
  await expect.poll(instance).toEqual({ app: "10.9.9.9", trunkline_app: "10.1.0.4" });
  const [made, ...others] = (await store.list<AddressList>(addressListKind)).items;
  expect(others).toEqual([]);
  expect(made?.spec.to).toBe("172.17.0.9");
  expect(made?.metadata.name).toMatch(/^rds-rm-1-app-[0-9a-f]{6}$/);
  // Of the other instance the cloud knows nothing: the pod is told.
  await expect
    .poll(async () => (await store.list<Event>(eventKind)).items.map(({ message }) => message))
    .toEqual([
      expect.stringMatching(/there is no AddressList rds-rm-none-app-.*InvalidDBInstanceId.NotFound/),
    ]);
  await change(store, addressListKind, { name: made?.metadata.name ?? "" }, (one) => ({
    ...one,
    spec: { ...one.spec, rest: "0s" },
  }));
  await store.delete(podKind, "a", "default");
  await expect.poll(async () => (await store.list(addressListKind)).items).toEqual([]);
  expect(instance()).toEqual({ app: "10.9.9.9", trunkline_app: "127.0.0.1" });
  await injected.stop();
  await keeping.stop();
  await keeper.stop();
  await store.close();
});
