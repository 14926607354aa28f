import { beforeEach, describe, expect, it } from "vitest";
import { nodeKind } from "../../api/kinds/core.ts";
import { securityGroupKind } from "../../api/kinds/security-group.ts";
import { subnetKind } from "../../api/kinds/subnet.ts";
import { subnetLedgerKind } from "../../api/kinds/subnet-ledger.ts";
import { TrunklineError } from "../../base/errors.ts";
import { memoryStore } from "../../store/memory.ts";
import type { Store } from "../../store/store.ts";
import { providerSuite } from "../provider.suite.ts";
import { type CloudProvider, cloudCodeOf, isExhausted, isUnanswered } from "../provider.ts";
import { vlanProvider } from "./provider.ts";

let store: Store;
let provider: CloudProvider;

beforeEach(async () => {
  store = memoryStore();
  const subnets = { "vsw-1": "10.8.0.0/24", "vsw-small": "10.9.0.0/29" };
  for (const [name, cidr] of Object.entries(subnets))
    await store.create(subnetKind, {
      apiVersion: subnetKind.apiVersion,
      kind: "Subnet",
      metadata: { name },
      spec: { zone: "h", cidr, vlan: 101 },
    });
  for (const name of ["n1", "n2"])
    await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata: { name } });
  provider = vlanProvider({ store, securityGroupIDs: ["sg-1"] });
});

providerSuite("VLANs of one's own", () => ({
  provider,
  vSwitchID: "vsw-1",
  smallVSwitchID: "vsw-small",
  securityGroupID: "sg-1",
  instanceID: "n1",
}));

const wanted = (token: string, more: object = {}) => ({
  token,
  vSwitchID: "vsw-1",
  securityGroupIDs: [],
  type: "Secondary" as const,
  tags: {},
  ...more,
});
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("provider vlan", () => {
  it("tells the VLAN of a subnet", async () => {
    expect(await provider.describeSubnets(["vsw-1"])).toMatchObject([
      { vlan: 101, gateway: "10.8.0.253", total: 252 },
    ]);
  });

  it("gives no address twice, however many ask at once from however many nodes", async () => {
    const nodes = Array.from({ length: 12 }, () => vlanProvider({ store, securityGroupIDs: [] }));
    const made = await Promise.all(
      nodes.map(async (node, at) => {
        const one = await node.createInterface(wanted(`c${at}`, { addressCount: 10 }));
        const more = await node.assignAddresses({ token: `a${at}`, id: one.id, count: 5 });
        return [...one.addresses, ...more];
      }),
    );
    expect(new Set(made.flat()).size).toBe(12 * 15);
    expect((await provider.describeSubnets(["vsw-1"]))[0]?.available).toBe(252 - 180);
    const macs = (await provider.describeInterfaces({})).map(({ mac }) => mac);
    expect(new Set(macs).size).toBe(12);
    expect(macs.every((mac) => /^02(:[0-9a-f]{2}){5}$/.test(mac))).toBe(true);
  });

  it("gives an exhausted subnet's rest to one of those who ask, and nothing to the other", async () => {
    const both = await Promise.all(
      ["a", "b"].map((token) =>
        provider.createInterface(wanted(token, { vSwitchID: "vsw-small", addressCount: 3 })).then(
          () => "given",
          (error: unknown) => (isExhausted(error) ? "exhausted" : error),
        ),
      ),
    );
    expect(both.toSorted((a, b) => (String(a) < String(b) ? -1 : 1))).toEqual(["exhausted", "given"]);
  });

  it("keeps an interface to one node until it is let go", async () => {
    const { id } = await provider.createInterface(wanted("t"));
    await provider.attachInterface({ id, instanceID: "n1" });
    expect(cloudCodeOf(await failureOf(provider.attachInterface({ id, instanceID: "n2" })))).toBe(
      "InvalidOperation.InvalidEniState",
    );
    await provider.detachInterface({ id, instanceID: "n1" });
    await provider.attachInterface({ id, instanceID: "n2" });
    expect(cloudCodeOf(await failureOf(provider.attachInterface({ id: "eni-none", instanceID: "n1" })))).toBe(
      "InvalidEniId.NotFound",
    );
    expect(cloudCodeOf(await failureOf(provider.attachInterface({ id, instanceID: "nowhere" })))).toBe(
      "InvalidInstanceId.NotFound",
    );
  });

  it("answers a repeated call as the first time, although the store's own answer was lost", async () => {
    const update = store.update.bind(store);
    const { id } = await provider.createInterface(wanted("t"));
    store.update = async (kind, object) => {
      await update(kind, object);
      store.update = update;
      throw new TrunklineError("store.unreachable", { place: "here", why: "reset" });
    };
    const again = () => provider.assignAddresses({ token: "a", id, count: 2 });
    expect(isUnanswered(await failureOf(again()))).toBe(true);
    const given = await again();
    expect(given).toHaveLength(2);
    expect((await provider.describeInterfaces({ ids: [id] }))[0]?.addresses).toHaveLength(3);
    expect((await store.get(subnetLedgerKind, "vsw-1"))?.spec.interfaces).toHaveLength(1);
  });
});

it("knows groups that are objects, and those that the network is said to enforce", async () => {
  await store.create(securityGroupKind, {
    apiVersion: securityGroupKind.apiVersion,
    kind: "SecurityGroup",
    metadata: { name: "sg-ours" },
    spec: {},
  });
  expect(await provider.describeSecurityGroups(["sg-none", "sg-ours", "sg-1"])).toEqual(["sg-ours", "sg-1"]);
  const made = await provider.createInterface(wanted("t-groups", { securityGroupIDs: ["sg-ours"] }));
  expect(made.securityGroupIDs).toEqual(["sg-ours"]);
  const refusal = await failureOf(
    provider.createInterface(wanted("t-none", { securityGroupIDs: ["sg-none"] })),
  );
  expect(cloudCodeOf(refusal)).toBe("InvalidSecurityGroupId.NotFound");
});
