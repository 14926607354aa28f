import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AddressList, addressListKind, type SinkState } from "../../api/kinds/address-list.ts";
import { type Pod, podKind } from "../../api/kinds/core.ts";
import { TrunklineError } from "../../base/errors.ts";
import { silent } from "../../base/log.ts";
import { cluster, host, pod } from "../../explain/cluster.suite.ts";
import { change } from "../../store/change.ts";
import { memoryStore } from "../../store/memory.ts";
import { ListGate } from "./list-gate.ts";

const ip = "10.1.0.9";
const entry = { range: `${ip}/32`, revision: 4, pods: 1, neededBy: ["default/new"] };
const sink = (revision: number, more: Partial<SinkState> = {}): SinkState => ({
  name: "f",
  at: "controller",
  revision,
  ranges: 1,
  ...more,
});

describe("a pod that is about to start", () => {
  let store: ReturnType<typeof memoryStore>;
  let gate: ListGate;
  let told: string[];
  let uid: string;
  beforeEach(async () => {
    store = memoryStore();
    told = [];
    const created = await store.create(podKind, pod("new", undefined, "n1", { labels: { app: "web" } }));
    uid = created.metadata.uid;
    const facts = cluster(host("db", "172.17.0.9"), created as Pod);
    const events = {
      record: ({ reason, message }: { reason: string; message: string }) =>
        void told.push(`${reason}: ${message}`),
    };
    gate = new ListGate({ node: "n1", store, facts, events, logger: silent, now: Date.now });
  });
  afterEach(async () => {
    await gate.stop();
    await store.close();
  });

  async function list(spec: Partial<AddressList["spec"]>, status?: AddressList["status"]): Promise<void> {
    await store.create<AddressList>(addressListKind, {
      ...addressListKind,
      metadata: { name: "l" },
      spec: {
        for: [{ podSelector: { matchLabels: { app: "web" } } }],
        // Within the pods' own range nothing is translated.
        to: "10.1.0.65",
        sinks: [{ name: "f", file: { path: "/f" } }],
        ...spec,
      },
      ...(status && { status }),
    } as never);
    gate.start();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const passes = () => gate.passed({ namespace: "default", name: "new", uid }, [ip]);
  const set = (status: Partial<AddressList["status"]>) =>
    change(store, addressListKind, { name: "l" }, (object) => ({
      ...object,
      status: { ...object.status, ...status },
    }));
  const asked = async () => (await store.get(addressListKind, "l"))?.status?.asked;

  it("asks again where the list could not be written, as long as it waits", async () => {
    await list({});
    const update = vi.spyOn(store, "update");
    update.mockRejectedValueOnce(new TrunklineError("store.unreachable", { place: "test", why: "test" }));
    const passing = passes();
    await expect.poll(asked, { timeout: 3000 }).toMatchObject([{ pod: "default/new" }]);
    expect(update).toHaveBeenCalledTimes(2);
    await set({ revision: 4, entries: [entry], sinks: [sink(4)] });
    await passing;
  });

  it("waits for the list, and for every sink to take it", async () => {
    await list({});
    let passed = false;
    const passing = passes().then(() => {
      passed = true;
    });
    await expect.poll(asked).toMatchObject([{ pod: "default/new", uid, node: "n1", addresses: [ip] }]);
    await set({ revision: 4, entries: [entry], sinks: [sink(3)] });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(passed).toBe(false);
    await set({ sinks: [sink(5)] });
    await passing;
    expect(told).toEqual([]);
  });

  it("asks nobody where its address is admitted already, by whatever range", async () => {
    await list({}, { revision: 9, entries: [{ ...entry, range: "10.1.0.0/26" }], sinks: [sink(4)] });
    await passes();
    expect(await asked()).toBeUndefined();
  });

  it.each([
    ["another's", { for: [{ podSelector: { matchLabels: { app: "other" } } }] }],
    ["without sinks", { sinks: [] }],
    ["that pods do not wait for", { wait: "0s" }],
  ])("does not wait for a list %s", async (_what, spec) => {
    await list(spec);
    await passes();
    expect(await asked()).toBeUndefined();
  });

  it("starts without it when the time is up, and says so", async () => {
    await list(
      { wait: "100ms" },
      {
        revision: 4,
        entries: [entry],
        sinks: [sink(3, { error: "no answer", errorSince: new Date().toISOString() })],
      },
    );
    await passes();
    expect(told).toEqual([
      `AddressListNotReady: it starts without ${ip}/32 in AddressList l: not taken yet by f (controller: no answer); pods wait for 0.1 s at most`,
    ]);
  });

  it("does not wait for a sink that has failed for longer, and says so", async () => {
    await list(
      { wait: "1h" },
      {
        revision: 4,
        entries: [entry],
        sinks: [sink(3, { error: "no answer", errorSince: "2020-01-01T00:00:00Z" })],
      },
    );
    await passes();
    expect(told).toEqual([expect.stringMatching(/^AddressListNotReady: .*no answer/)]);
  });

  it("goes on where nothing can be told, and says why", async () => {
    await list({ to: "host/nobody" });
    await passes();
    expect(told).toEqual([expect.stringMatching(/^AddressListUnknown: .*nobody/)]);
  });

  it("stops waiting with the agent", async () => {
    await list({ wait: "1h" });
    const passing = passes();
    await expect.poll(asked).toHaveLength(1);
    await gate.stop();
    await passing;
    expect(told).toEqual([]);
  });
});
