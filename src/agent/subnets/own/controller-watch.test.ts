import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Lease, leaseKind } from "../../../api/kinds/lease.ts";
import { memoryStore } from "../../../store/memory.ts";
import type { Store } from "../../../store/store.ts";
import { ControllerWatch } from "./controller-watch.ts";

const metadata = { name: "trunkline-controller", namespace: "kube-system" };

describe("whether the controller acts", () => {
  let store: Store;
  let now = 0;
  let watch: ControllerWatch;
  beforeEach(() => {
    store = memoryStore();
    now = 0;
    watch = new ControllerWatch(store, () => now);
  });
  afterEach(() => store.close());
  const make = (holderIdentity: string) =>
    store.create(leaseKind, { ...leaseKind, kind: "Lease", metadata, spec: { holderIdentity } } as never);
  const renew = async () => {
    const lease = (await store.get(leaseKind, metadata.name, metadata.namespace)) as Lease;
    const renewTime = new Date(now).toISOString();
    await store.update(leaseKind, { ...lease, spec: { ...lease.spec, renewTime } });
  };

  it("cannot be told where there is no Lease, nor at a first look", async () => {
    expect(await watch.look()).toEqual({ is: "unknown" });
    await make("one");
    expect(await watch.look()).toEqual({ is: "unknown" });
  });

  it("is so once the Lease was renewed between two looks", async () => {
    await make("one");
    await watch.look();
    now = 4000;
    await renew();
    expect(await watch.look()).toEqual({ is: "acting", holder: "one" });
  });

  it("is not so while nobody holds it, or the holder has stopped renewing it", async () => {
    await make("one");
    await watch.look();
    now = 14_000;
    expect(await watch.look()).toEqual({ is: "unknown" });
    now = 15_000;
    expect(await watch.look()).toMatchObject({
      is: "away",
      why: expect.stringMatching(/^one has not renewed/) as unknown,
    });
    const lease = (await store.get(leaseKind, metadata.name, metadata.namespace)) as Lease;
    await store.update(leaseKind, { ...lease, spec: { ...lease.spec, holderIdentity: "" } });
    expect(await watch.look()).toMatchObject({
      is: "away",
      why: expect.stringMatching(/^nobody holds/) as unknown,
    });
  });

  it("does not wait for a store that is away", async () => {
    const gone = new ControllerWatch({ get: () => Promise.reject(new Error("away")) }, () => now);
    expect(await gone.look()).toEqual({ is: "unknown" });
  });
});
