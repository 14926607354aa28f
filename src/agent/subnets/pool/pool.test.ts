import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Pod } from "../../../api/kinds/core.ts";
import type { NodeConfig } from "../../../api/kinds/node-config.ts";
import type { Subnet } from "../../../api/kinds/subnet.ts";
import { isError } from "../../../base/errors.ts";
import { silent } from "../../../base/log.ts";
import { LabCloud } from "../../../cloud/lab/lab-cloud.ts";
import { emptyCloud } from "../../../cloud/lab/state.ts";
import type { CloudCall, CloudProvider } from "../../../cloud/provider.ts";
import { nodeTag, ourTags } from "../../../cloud/types.ts";
import { emptyFacts } from "../../../plan/facts.ts";
import type { NodeConfigResult } from "../../../plan/subnets/node-config.ts";
import { SubnetPool } from "./pool.ts";

const applied = (more: object = {}): NodeConfigResult => ({
  state: "applied",
  sources: [],
  hash: "h",
  config: {},
  zone: "h",
  vSwitchIDs: ["vsw-1"],
  securityGroupIDs: ["sg-1"],
  settings: { maxPoolSize: 2, minPoolSize: 0, selection: "ordered", tags: {}, trunking: false },
  findings: [],
  ...more,
});

describe("a node's pool of subnet addresses", () => {
  let folder = "";
  let cloud: LabCloud;
  let config: NodeConfigResult;
  let isExclusive = false;
  /** How many addresses were said to be there for pods that wait elsewhere than in the pool. */
  let came: number[] = [];
  const pools: SubnetPool[] = [];
  const nodeConfigs = new Map<string, NodeConfig>();
  const pods = new Map<string, Pod>();
  const subnets = new Map<string, Subnet>();
  const subnet: Subnet = {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "Subnet",
    metadata: { name: "vsw-1", uid: "vsw-1", resourceVersion: "1", creationTimestamp: "" },
    spec: { zone: "h", cidr: "10.8.0.0/28" },
  };
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "subnet-pool-"));
    config = applied();
    isExclusive = false;
    came = [];
    nodeConfigs.clear();
    pods.clear();
    subnets.clear();
    cloud = new LabCloud({
      state: emptyCloud(),
      subnets: [
        { id: "vsw-1", zone: "h", cidr: "10.8.0.0/28" },
        { id: "vsw-2", zone: "h", cidr: "10.9.0.0/29" },
      ],
      securityGroupIDs: ["sg-1"],
      instances: ["i-a", "i-b"].map((instanceID) => ({
        instanceID,
        adapters: 3,
        ipv4PerAdapter: 4,
        memberAdapterLimit: 0,
      })),
      now: () => 0,
    });
  });
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.stop();
    rmSync(folder, { recursive: true });
  });

  function open(node = "a", restMs = 0, provider: CloudProvider = cloud.for(node)): SubnetPool {
    const pool = new SubnetPool({
      node,
      cluster: "test",
      provider,
      facts: { ...emptyFacts(), nodeConfigs, pods, subnets },
      stateDir: path.join(folder, node),
      logger: silent,
      restMs,
      config: () => config,
      instanceID: () => `i-${node}`,
      isExclusive: () => isExclusive,
      changed: () => {},
      came: (count) => void came.push(count),
    });
    pools.push(pool);
    return pool;
  }
  const ask = (pool: SubnetPool, ...keys: string[]) =>
    Promise.all(keys.map((key) => pool.allocate({ key, uid: key })));
  const made = (call: CloudCall) => cloud.state.calls[call]?.made ?? 0;
  async function until(holds: () => boolean): Promise<void> {
    for (let left = 200; left > 0 && !holds(); left--) await pause(10);
    expect(holds()).toBe(true);
  }
  /** The provider has been asked for what there is. */
  const synced = (pool: SubnetPool) =>
    until(() => {
      pool.poke();
      return made("DescribeNetworkInterfaces") > 0;
    });
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => "given",
      (error: unknown) => (isError(error) ? error.code : "?"),
    );

  it("gets addresses for all who wait by few calls, and the same one for the same holder", async () => {
    const pool = open();
    const got = await ask(pool, "1", "2", "3", "4", "5", "6");
    expect(new Set(got).size).toBe(6);
    expect(made("CreateNetworkInterface")).toBe(2);
    expect(made("AssignPrivateIpAddresses")).toBe(0);
    expect(await ask(pool, "3")).toEqual([got[2]]);
  });

  it("keeps the last address for the older pod that waits for its next try, and says that it is there", async () => {
    const pod = (name: string, status: object = {}): Pod => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "x", uid: name, resourceVersion: "1", creationTimestamp: name },
      spec: { nodeName: "a", containers: [{ name: "c" }] },
      status,
    });
    const waits = { type: "trunkline.dev/NetworkReady", status: "False", reason: "VSwitchExhausted" };
    config = applied({
      settings: { maxPoolSize: 1, minPoolSize: 0, selection: "ordered", tags: {}, trunking: false },
    });
    const pool = open();
    await ask(pool, "first");
    // One is idle, and the vSwitch has no other.
    for (let at = 0; at < 10; at++) cloud.addForeign("vsw-1", undefined, {});
    pods.set("x/1-old", pod("1-old", { conditions: [waits] })).set("x/2-young", pod("2-young"));
    expect(await codeOf(ask(pool, "2-young"))).toBe("subnet.exhausted");
    expect(came).toContain(1);
    expect(await codeOf(ask(pool, "1-old"))).toBe("given");
  });

  it("gives one address to nobody twice, whoever comes and goes", async () => {
    const pool = open();
    for (let round = 0; round < 20; round++) {
      const keys = ["1", "2", "3", "4", "5"].map((key) => `${round}-${key}`);
      expect(new Set(await ask(pool, ...keys)).size).toBe(5);
      for (const key of keys) pool.release(key);
    }
  });

  it("lets what was freed rest", async () => {
    const pool = open("a", 60_000);
    const [first] = await ask(pool, "1");
    pool.release("1");
    expect(await ask(pool, "2")).not.toEqual([first]);
  });

  it("gives back what nobody uses beyond the most that it keeps, whole interfaces of an old configuration too", async () => {
    const pool = open();
    await ask(pool, "1", "2", "3", "4", "5", "6");
    for (const key of ["1", "2", "3", "4", "5", "6"]) pool.release(key);
    const idle = () => cloud.interfaces().reduce((sum, { addresses }) => sum + addresses.length, 0);
    await until(() => idle() <= 3);
    config = applied({ vSwitchIDs: ["vsw-2"] });
    const [moved] = await ask(pool, "7");
    expect(moved).toMatch(/^10\.9\.0\./);
    await until(() => cloud.interfaces({ vSwitchID: "vsw-1" }).length === 0);
  });

  it("says that a vSwitch is exhausted, asks seldom, and goes on when another node has given back", async () => {
    config = applied({
      vSwitchIDs: ["vsw-2"],
      settings: { maxPoolSize: 0, minPoolSize: 0, selection: "ordered", tags: {}, trunking: false },
    });
    const [mine, other] = [open("a"), open("b")];
    await ask(mine, "1", "2", "3");
    await ask(other, "4");
    expect(await codeOf(other.allocate({ key: "5", uid: "5" }))).toBe("subnet.exhausted");
    const before = made("AssignPrivateIpAddresses");
    for (let n = 0; n < 10; n++)
      expect(await codeOf(other.allocate({ key: "5", uid: "5" }))).toBe("subnet.exhausted");
    expect(made("AssignPrivateIpAddresses")).toBe(before);
  });

  it("gives every pod an interface of its own on a node of that mode", async () => {
    isExclusive = true;
    config = applied({ settings: { maxPoolSize: 0, minPoolSize: 0, selection: "ordered", tags: {} } });
    const pool = open();
    await ask(pool, "1", "2");
    expect(cloud.interfaces().map(({ addresses }) => addresses.length)).toEqual([1, 1]);
    expect(await codeOf(pool.allocate({ key: "3", uid: "3" }))).toBe("subnet.node-full");
  });

  // Terway wrote that a vSwitch was exhausted by what it had read before addresses came back (431647c).
  it("tries again at once what others have given back while the refused call was under way", async () => {
    config = applied({ vSwitchIDs: ["vsw-2"] });
    const told = (used: number): NodeConfig => ({
      apiVersion: "trunkline.dev/v1alpha1",
      kind: "NodeConfig",
      metadata: { name: "b", uid: "b", resourceVersion: "1", creationTimestamp: "" },
      status: {
        sources: [],
        findings: [],
        interfaces: [{ id: "x", vSwitchID: "vsw-2", securityGroupIDs: [], mac: "", hash: "", used, idle: 0 }],
      },
    });
    nodeConfigs.set("b", told(4));
    const theirs = cloud.for("b");
    const group = { securityGroupIDs: ["sg-1"], type: "Secondary" as const, tags: {} };
    const { id } = await theirs.createInterface({
      token: "b",
      vSwitchID: "vsw-2",
      addressCount: 4,
      ...group,
    });
    const mine = cloud.for("a");
    const provider = {
      ...mine,
      createInterface: async (request: Parameters<typeof mine.createInterface>[0]) => {
        try {
          return await mine.createInterface(request);
        } catch (error) {
          // The answer is on its way; meanwhile:
          const [all] = await theirs.describeInterfaces({ ids: [id] });
          await theirs.unassignAddresses(id, all?.addresses.slice(1) ?? []);
          nodeConfigs.set("b", told(1));
          throw error;
        }
      },
    };
    const pool = open("a", 0, provider);
    const first = await pool.allocate({ key: "1", uid: "1" }).catch(() => "refused");
    const second = first === "refused" ? await pool.allocate({ key: "1", uid: "1" }) : first;
    expect(second).toMatch(/^10\.9\.0\./);
  });

  // Terway handed a machine's own interface to pods (33538b6).
  it("never gives away addresses of a machine's own interface, whatever its tags say", async () => {
    const tags = { ...ourTags("test"), [nodeTag]: "a" };
    cloud.state.interfaces.push({
      id: "eni-primary",
      type: "Primary",
      status: "InUse",
      vSwitchID: "vsw-1",
      instanceID: "i-a",
      mac: "00:16:3e:ff:ff:ff",
      securityGroupIDs: ["sg-1"],
      addresses: ["10.8.0.9", "10.8.0.10"],
      tags,
      createdAt: "",
    });
    const pool = open();
    const got = await ask(pool, "1", "2");
    expect(got.filter((address) => ["10.8.0.9", "10.8.0.10"].includes(address))).toEqual([]);
    expect(pool.book.interfaces.has("eni-primary")).toBe(false);
  });

  // Terway made interface after interface for pods that never came to ask.
  it("keeps one address ready for a pod that never comes, and no more", async () => {
    config = applied({
      settings: { maxPoolSize: 0, minPoolSize: 0, selection: "ordered", tags: {}, trunking: false },
    });
    pods.set("x/p", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "x", uid: "p", resourceVersion: "1", creationTimestamp: "" },
      spec: { nodeName: "a", containers: [{ name: "c" }] },
    });
    const pool = open();
    for (let round = 0; round < 5; round++) {
      pool.poke();
      await pause(30);
    }
    await until(() => cloud.interfaces().length > 0);
    expect(cloud.interfaces().map(({ addresses }) => addresses.length)).toEqual([1]);
    pods.clear();
    await until(() => {
      pool.poke();
      return cloud.interfaces().length === 0;
    });
  });

  it("goes on with the interface that it has made when the provider asks for patience", async () => {
    const pool = open();
    await synced(pool);
    cloud.state.faults.push({ call: "AttachNetworkInterface", effect: "throttle", left: 2 });
    const got = await ask(pool, "1", "2", "3");
    expect(new Set(got).size).toBe(3);
    expect(made("CreateNetworkInterface")).toBe(1);
    expect(made("AttachNetworkInterface")).toBe(3);
    expect(cloud.interfaces().map(({ id }) => id)).toEqual([...pool.book.interfaces.keys()]);
  });

  it("waits for an interface that is on its way while the provider asks for patience", async () => {
    const pool = open();
    await synced(pool);
    cloud.state.faults.push({ call: "DescribeNetworkInterfaces", effect: "throttle", left: 1 });
    await ask(pool, "1");
    expect([made("CreateNetworkInterface"), made("AttachNetworkInterface")]).toEqual([1, 1]);
  });

  it("fills up what it keeps ready by one call for pods that come one after the other", async () => {
    config = applied({
      settings: { maxPoolSize: 4, minPoolSize: 2, selection: "ordered", tags: {}, trunking: false },
    });
    const pool = open();
    const idle = () => pool.status().reduce((sum, one) => sum + one.idle, 0);
    pool.poke();
    await until(() => idle() === 4);
    for (const key of ["1", "2", "3"]) {
      await ask(pool, key);
      await pause(20);
    }
    expect(made("CreateNetworkInterface")).toBe(1);
    await until(() => idle() === 4);
    expect([made("CreateNetworkInterface"), made("AssignPrivateIpAddresses")]).toEqual([2, 0]);
  });

  it("takes as many as it may keep idle along with those that are waited for, unless there are few", async () => {
    config = applied({
      settings: { maxPoolSize: 2, minPoolSize: 0, selection: "ordered", tags: {}, trunking: false },
    });
    const addresses = () => cloud.interfaces().map((one) => one.addresses.length);
    await ask(open("a"), "1");
    expect(addresses()).toEqual([3]);
    subnets.set("vsw-1", { ...subnet, status: { shortBy: 1 } });
    await ask(open("b"), "2");
    expect(addresses()).toEqual([3, 1]);
  });

  it("makes no call before the time that the provider asked for, and one for all who came meanwhile", async () => {
    const pool = open();
    await synced(pool);
    cloud.state.faults.push({ call: "CreateNetworkInterface", effect: "throttle", left: 1 });
    const first = ask(pool, "1");
    await until(() => made("CreateNetworkInterface") === 1);
    const got = await Promise.all([first, ask(pool, "2", "3")]);
    expect(new Set(got.flat()).size).toBe(3);
    expect(made("CreateNetworkInterface")).toBe(2);
  });

  it("says that a machine is full", async () => {
    const pool = open();
    await ask(pool, ...Array.from({ length: 8 }, (_, n) => `${n}`));
    expect(await codeOf(pool.allocate({ key: "more", uid: "more" }))).toBe("subnet.node-full");
    expect(cloud.interfaces().length).toBe(2);
  });

  it("goes on with what it had after it was killed, without the provider", async () => {
    const first = open();
    const [address] = await ask(first, "1", "2");
    await first.stop();
    cloud.state.settings.down = true;
    const again = open();
    expect([...again.book.interfaces.values()].flatMap(({ addresses }) => addresses)).toContain(address);
  });

  it.each([
    ["CreateNetworkInterface", "lost"],
    ["CreateNetworkInterface", "half"],
    ["CreateNetworkInterface", "throttle"],
    ["AttachNetworkInterface", "lost"],
    ["AssignPrivateIpAddresses", "half"],
    ["AssignPrivateIpAddresses", "timeout"],
    ["DescribeNetworkInterfaces", "error:InternalError"],
  ] as const)("leaks nothing and gives nothing twice when %s is %s", async (call, effect) => {
    const pool = open();
    await ask(pool, "0");
    cloud.state.faults.push({ call, effect, left: 1 });
    const wanted = ["1", "2", "3", "4", "5"];
    const got = new Map<string, string>();
    for (let left = 30; left > 0 && got.size < wanted.length; left--)
      for (const key of wanted) {
        const address = await pool.allocate({ key, uid: key }).catch(() => undefined);
        if (address !== undefined) got.set(key, address);
        else await pause(50);
      }
    expect(new Set(got.values()).size).toBe(5);
    const known = new Set(pool.book.interfaces.keys());
    expect(cloud.interfaces().filter(({ id }) => !known.has(id))).toEqual([]);
    for (const { id, addresses } of cloud.interfaces())
      expect(pool.book.interfaces.get(id)?.addresses).toEqual(addresses);
  });

  it("knows what its machine takes, also where it has no vSwitch", async () => {
    config = applied({ vSwitchIDs: [] });
    const pool = open();
    pool.poke();
    await until(() => pool.limits !== undefined);
    expect(pool.limits).toMatchObject({ adapters: 3, ipv4PerAdapter: 4 });
    expect(made("CreateNetworkInterface")).toBe(0);
  });

  it("asks for as many again where pods keep coming, and keeps those for a while", async () => {
    const wide = new LabCloud({
      state: emptyCloud(),
      subnets: [{ id: "vsw-1", zone: "h", cidr: "10.8.0.0/24" }],
      securityGroupIDs: ["sg-1"],
      instances: [{ instanceID: "i-a", adapters: 3, ipv4PerAdapter: 30, memberAdapterLimit: 0 }],
      now: () => 0,
    });
    const pool = open("a", 0, wide.for("a"));
    const idle = () => pool.status().reduce((sum, one) => sum + one.idle, 0);
    for (let pod = 1; pod <= 12; pod++) await ask(pool, `${pod}`);
    const { CreateNetworkInterface, AssignPrivateIpAddresses } = wide.state.calls;
    // Three, then four, then eight; one at a time and two to spare it would be four calls.
    expect([CreateNetworkInterface?.made, AssignPrivateIpAddresses?.made]).toEqual([1, 2]);
    expect(idle()).toBe(3);
    await pause(700);
    expect(wide.state.calls.UnassignPrivateIpAddresses).toBeUndefined();
  });
});
