import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { eventKind, type Pod, podKind } from "../api/kinds/core.ts";
import { type Subnet, subnetKind } from "../api/kinds/subnet.ts";
import { silent } from "../base/log.ts";
import { LabCloud } from "../cloud/lab/lab-cloud.ts";
import { emptyCloud } from "../cloud/lab/state.ts";
import { nodeTag, ourTags } from "../cloud/types.ts";
import { systemClock } from "../ipam/clock.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { SubnetKeeper } from "./subnet-keeper.ts";

const spec = { zone: "h", cidr: "10.2.1.0/29" };

describe("who looks after subnets", () => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0).toReversed()) await stop();
  });

  async function open(now = 0) {
    const store = memoryStore();
    const cloud = new LabCloud({
      state: emptyCloud(),
      subnets: [{ id: "vsw-1", ...spec }],
      securityGroupIDs: ["sg-1"],
      instances: [],
      now: () => 0,
    });
    await store.create(subnetKind, { ...subnetKind, metadata: { name: "vsw-1" }, spec } as never);
    const place = { provider: cloud.for("controller"), cluster: "test" };
    const keeper = () =>
      new SubnetKeeper({ store, logger: silent, cloud: place, clock: { ...systemClock, now: () => now } });
    const start = () => {
      const made = keeper();
      made.start();
      stops.push(() => made.stop());
    };
    stops.push(() => store.close());
    return { store, cloud, start };
  }
  async function until(holds: () => Promise<boolean>): Promise<void> {
    for (let left = 300; left > 0; left--) {
      if (await holds()) return;
      await pause(10);
    }
    throw new Error("it did not come about");
  }
  const condition = ({ status }: Subnet, type: string) =>
    status?.conditions?.find((one) => one.type === type);
  const pod = (name: string, podIP: string): Partial<Pod> => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "a" } as Pod["metadata"],
    spec: { nodeName: "n", containers: [{ name: "c" }] },
    status: { phase: "Running", podIP },
  });

  it("ends though the server never answered", async () => {
    const { store, cloud } = await open();
    const silentStore = Object.assign(Object.create(store) as Store, {
      list: () => new Promise<never>(() => {}),
    });
    const place = { provider: cloud.for("controller"), cluster: "test" };
    const keeper = new SubnetKeeper({ store: silentStore, logger: silent, cloud: place, clock: systemClock });
    keeper.start();
    await keeper.stop();
  });

  it("says how much is left, and warns with the very number that it is short by", async () => {
    const { store, cloud, start } = await open();
    cloud.addForeign("vsw-1", "10.2.1.4", {});
    start();
    const get = async () => (await store.get(subnetKind, "vsw-1"))!;
    await until(async () => (await get()).status?.availableAddresses === 3);
    expect(condition(await get(), "LowCapacity")?.status).toBe("False");
    expect(condition(await get(), "Found")?.status).toBe("True");
    for (const n of [1, 2, 3]) await store.create(podKind, pod(`p${n}`, `10.2.1.${n}`) as never);
    await until(async () => (await get()).status?.shortBy === 6);
    expect(condition(await get(), "LowCapacity")).toMatchObject({
      status: "True",
      message: expect.stringMatching(/6 short of twice/) as unknown,
    });
    expect(condition(await get(), "Exhausted")?.status).toBe("True");
    await until(async () => (await store.list(eventKind)).items.length >= 2);
    const reasons = (await store.list(eventKind)).items.map(({ reason }) => reason);
    expect(new Set(reasons)).toEqual(new Set(["VSwitchLowCapacity", "VSwitchExhausted"]));
    await store.delete(podKind, "p1", "a");
    await store.delete(podKind, "p2", "a");
    await until(async () => condition(await get(), "LowCapacity")?.status === "False");
    expect((await get()).status).toMatchObject({ availableAddresses: 2, servedPods: 1, shortBy: 0 });
  });

  it("says nothing of a subnet before it knows the pods", async () => {
    const { store, start } = await open();
    for (const n of [1, 2, 3]) await store.create(podKind, pod(`p${n}`, `10.2.1.${n}`) as never);
    const list = store.list.bind(store);
    vi.spyOn(store, "list").mockImplementation(async (kind, namespace, heard) => {
      if (kind.kind === "Pod") await pause(500);
      return list(kind, namespace, heard);
    });
    const said: (number | undefined)[] = [];
    const update = store.update.bind(store);
    vi.spyOn(store, "update").mockImplementation(async (kind, object) => {
      if (kind.kind === "Subnet") said.push((object as unknown as Subnet).status?.servedPods);
      return update(kind, object);
    });
    start();
    await until(async () => said.includes(3));
    expect(said).not.toContain(0);
  });

  it("takes away what is ours and nobody's, once it is old, and nothing of anybody else's", async () => {
    const age = 11 * 60_000;
    const { cloud, start } = await open(age);
    const leaked = cloud.addForeign("vsw-1", undefined, { ...ourTags("test"), [nodeTag]: "gone" });
    const theirs = cloud.addForeign("vsw-1", undefined, { ...ourTags("other"), [nodeTag]: "gone" });
    start();
    await until(async () => cloud.interfaces().every(({ id }) => id !== leaked));
    expect(cloud.interfaces().map(({ id }) => id)).toEqual([theirs]);
  });

  it("leaves what is new", async () => {
    const { store, cloud, start } = await open(60_000);
    const fresh = cloud.addForeign("vsw-1", undefined, { ...ourTags("test"), [nodeTag]: "gone" });
    start();
    await until(async () => condition((await store.get(subnetKind, "vsw-1"))!, "Found") !== undefined);
    expect(cloud.interfaces().map(({ id }) => id)).toEqual([fresh]);
  });
});
