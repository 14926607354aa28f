import { afterEach, describe, expect, it } from "vitest";
import { nodeKind, podKind } from "../../api/kinds/core.ts";
import { podEniKind } from "../../api/kinds/pod-eni.ts";
import { podNetworkingKind } from "../../api/kinds/pod-networking.ts";
import { SmallCluster } from "./small-cluster.suite.ts";

const ttl = { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "1h" } as const;
const never = { type: "Fixed", releaseStrategy: "Never" } as const;
const minute = 60_000;

describe("who looks after PodENIs", () => {
  let cluster: SmallCluster;
  afterEach(() => cluster.close());
  const open = async (trunking = false) => {
    cluster = await new SmallCluster().open(trunking);
    return cluster;
  };
  const addressOf = async (name: string) => (await cluster.podEni(name))?.spec.allocations?.[0]?.ipv4;

  it("gives a pod an interface of its own, and takes it away with the pod", async () => {
    await open();
    await cluster.network("net");
    const uid = await cluster.pod("p", "n1");
    const bound = await cluster.phase("p", "Bind");
    const id = bound.spec.allocations![0]!.eni.id;
    expect(bound).toMatchObject({
      metadata: {
        finalizers: ["network.alibabacloud.com/pod-eni"],
        labels: { "k8s.aliyun.com/node": "n1" },
        annotations: { "k8s.aliyun.com/pod-uid": uid },
      },
      spec: {
        zone: "z1",
        allocations: [{ ipv4: "10.1.0.1", ipv4CIDR: "10.1.0.0/28", eni: { vSwitchID: "vsw-1" } }],
      },
      status: { instanceID: "i-n1", eniInfos: { [id]: { id, type: "Secondary", status: "Bind" } } },
    });
    expect(cluster.ours()).toMatchObject([
      { id, status: "InUse", instanceID: "i-n1", securityGroupIDs: ["sg-1"] },
    ]);
    await cluster.gone("p");
    await cluster.until(async () => (await cluster.podEni("p")) === undefined);
    expect(cluster.ours()).toEqual([]);
    expect(await cluster.reasons()).toEqual(
      expect.arrayContaining(["CreateENISucceed", "AttachENISucceed", "DeleteENISucceed"]),
    );
  });

  it("makes one trunk a node, and members of it", async () => {
    await open(true);
    await cluster.network("net", { eniOptions: { eniType: "Trunk" } });
    await cluster.pod("p", "n1");
    await cluster.pod("q", "n1");
    const [p, q] = [await cluster.phase("p", "Bind"), await cluster.phase("q", "Bind")];
    const trunk = cluster.ours().filter(({ type }) => type === "Trunk");
    expect(trunk).toHaveLength(1);
    const infos = [p, q].flatMap(({ status }) => Object.values(status?.eniInfos ?? {}));
    expect(infos.map(({ type }) => type)).toEqual(["Member", "Member"]);
    expect(new Set(infos.map(({ vid }) => vid)).size).toBe(2);
    for (const { status } of [p, q]) expect(status?.trunkENIID).toBe(trunk[0]!.id);
    expect((await cluster.store.get(nodeKind, "n1"))?.metadata.annotations).toMatchObject({
      "k8s.aliyun.com/trunk-on": trunk[0]!.id,
    });
  });

  it("keeps a fixed address over pods and nodes, and frees it an hour after the last of them", async () => {
    await open();
    await cluster.network("net", { allocationType: ttl });
    await cluster.pod("p", "n1");
    await cluster.phase("p", "Bind");
    const address = await addressOf("p");
    await cluster.gone("p");
    await cluster.phase("p", "Unbind");
    const uid = await cluster.pod("p", "n2");
    await cluster.until(async () => (await cluster.podEni("p"))?.status?.instanceID === "i-n2");
    const bound = await cluster.phase("p", "Bind");
    expect(bound.metadata.annotations?.["k8s.aliyun.com/pod-uid"]).toBe(uid);
    expect(await addressOf("p")).toBe(address);
    await cluster.clock.advance(30 * minute);
    await cluster.gone("p");
    await cluster.phase("p", "Unbind");
    await cluster.clock.advance(59 * minute);
    expect((await cluster.podEni("p"))?.status).toMatchObject({
      phase: "Unbind",
      msg: expect.stringMatching(/^held without a pod until 2026-01-01T01:3/) as unknown,
    });
    await cluster.clock.advance(minute + 1000);
    await cluster.until(async () => (await cluster.podEni("p")) === undefined);
    expect(cluster.ours()).toEqual([]);
  });

  it("gives a fixed address to the pod of its name that was made while the controller was away, however long that was", async () => {
    await open();
    await cluster.network("net", { allocationType: ttl });
    await cluster.pod("p", "n1");
    await cluster.phase("p", "Bind");
    const address = await addressOf("p");
    await cluster.stop();
    await cluster.gone("p");
    const uid = await cluster.bypassed("p", "n2");
    await cluster.clock.advance(3 * 60 * minute);
    cluster.start();
    await cluster.until(async () => (await cluster.podEni("p"))?.status?.instanceID === "i-n2");
    const bound = await cluster.phase("p", "Bind");
    expect(bound.metadata.annotations?.["k8s.aliyun.com/pod-uid"]).toBe(uid);
    expect(await addressOf("p")).toBe(address);
  });

  it("says that such a pod's node does not fit, and keeps the address for the next one", async () => {
    await open();
    await cluster.network("net", { allocationType: never });
    await cluster.pod("p", "n1");
    await cluster.phase("p", "Bind");
    const address = await addressOf("p");
    await cluster.stop();
    await cluster.gone("p");
    await cluster.bypassed("p", "n3");
    cluster.start();
    const reason = async () => (await cluster.store.get(podKind, "p", "a"))?.status?.conditions?.[0]?.reason;
    await cluster.until(async () => (await reason()) === "ZoneMismatch");
    await cluster.gone("p");
    await cluster.pod("p", "n2");
    await cluster.until(async () => (await cluster.podEni("p"))?.status?.instanceID === "i-n2");
    expect(await addressOf("p")).toBe(address);
  });

  it("holds nothing for a name that has never got an address, and takes away what was made for it unheard", async () => {
    await open();
    await cluster.network("net", { allocationType: never });
    const call = "CreateNetworkInterface";
    cluster.state.faults.push(
      { call, effect: "lost", left: 1 },
      { call, effect: "error:InternalError", left: 99 },
    );
    await cluster.pod("p", "n1");
    await cluster.until(
      async () => (await cluster.podEni("p"))?.status?.msg?.startsWith("ProviderError") === true,
    );
    expect(cluster.ours()).toHaveLength(1);
    await cluster.gone("p");
    await cluster.until(async () => (await cluster.podEni("p")) === undefined);
    expect(cluster.ours()).toEqual([]);
  });

  it("keeps with Never until its PodENI is deleted, and what it cannot read just so", async () => {
    await open();
    await cluster.network("net", { allocationType: never });
    for (const name of ["p", "q"]) {
      await cluster.pod(name, "n1");
      await cluster.phase(name, "Bind");
    }
    const odd = (await cluster.podEni("q"))!;
    const [first] = odd.spec.allocations!;
    const allocations = [
      { ...first!, allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "-1h" } },
    ];
    await cluster.store.update(podEniKind, { ...odd, spec: { ...odd.spec, allocations } });
    for (const name of ["p", "q"]) {
      await cluster.gone(name);
      await cluster.phase(name, "Unbind");
    }
    await cluster.clock.advance(48 * 60 * minute);
    expect(await cluster.podEni("p")).toBeDefined();
    expect((await cluster.podEni("q"))?.status?.msg).toMatch(/releaseAfter is '-1h'/);
    expect(await cluster.reasons()).toContain("ReleaseUndecided");
    await cluster.store.delete(podEniKind, "p", "a");
    await cluster.until(async () => (await cluster.podEni("p")) === undefined);
    expect(cluster.ours()).toHaveLength(1);
  });

  it("deletes the PodENI of a pod that runs only once the pod is gone", async () => {
    await open();
    await cluster.network("net", { allocationType: never });
    await cluster.pod("p", "n1");
    await cluster.phase("p", "Bind");
    await cluster.store.delete(podEniKind, "p", "a");
    await cluster.until(async () =>
      /once its pod is gone/.test((await cluster.podEni("p"))?.status?.msg ?? ""),
    );
    expect(cluster.ours()).toMatchObject([{ status: "InUse" }]);
    await cluster.gone("p");
    await cluster.until(async () => (await cluster.podEni("p")) === undefined);
    expect(cluster.ours()).toEqual([]);
  });

  it("says what it waits for and since when, and goes on by itself", async () => {
    await open();
    await cluster.network("net");
    cluster.state.faults.push({ call: "*", effect: "throttle", left: 1_000_000 });
    await cluster.pod("p", "n1");
    await cluster.until(async () =>
      /^ProviderThrottled: .*; since 2026-01-01T00:00/.test((await cluster.podEni("p"))?.status?.msg ?? ""),
    );
    cluster.state.faults = [];
    await cluster.clock.advance(minute);
    await cluster.phase("p", "Bind");
    expect((await cluster.podEni("p"))?.status?.msg).toBeUndefined();
    expect(cluster.ours()).toHaveLength(1);
  });

  it("takes the next vSwitch of the zone when one is exhausted, and names them all when all are", async () => {
    await open();
    await cluster.network("net", { vSwitchOptions: ["vsw-1", "vsw-2"] });
    for (let n = 0; n < 12; n++) cluster.cloud.addForeign("vsw-1", undefined, {});
    await cluster.pod("p", "n1");
    expect((await cluster.phase("p", "Bind")).spec.allocations?.[0]).toMatchObject({
      ipv4: "10.2.0.1",
      eni: { vSwitchID: "vsw-2" },
    });
    const others = Array.from({ length: 11 }, () => cluster.cloud.addForeign("vsw-2", undefined, {}));
    await cluster.pod("q", "n2");
    await cluster.until(async () =>
      /^VSwitchExhausted: vSwitch vsw-\d, vsw-\d \(zone z1\)/.test(
        (await cluster.podEni("q"))?.status?.msg ?? "",
      ),
    );
    await cluster.cloud.removeForeign(others[0]!);
    await cluster.clock.advance(minute);
    await cluster.phase("q", "Bind");
  });

  it("does not start a pod where its zone does not fit, or on a network that does not select it", async () => {
    await open();
    await cluster.network("net", { allocationType: never });
    await cluster.network("other", { selector: { podSelector: { matchLabels: { net: "other" } } } });
    await cluster.pod("p", "n3");
    await cluster.pod("q", "n1", "other");
    const conditionOf = async (name: string) =>
      (await cluster.store.get(podKind, name, "a"))?.status?.conditions?.find(
        ({ type }) => type === "trunkline.dev/NetworkReady",
      );
    await cluster.until(async () => (await conditionOf("p"))?.reason === "ZoneMismatch");
    await cluster.until(async () => (await conditionOf("q"))?.reason === "AdmissionBypassed");
    expect(cluster.ours()).toEqual([]);
    await cluster.pod("r", "n1");
    await cluster.phase("r", "Bind");
    await cluster.gone("r");
    await cluster.phase("r", "Unbind");
    await cluster.pod("r", "n3");
    await cluster.until(
      async () =>
        (await cluster.podEni("r"))?.status?.msg?.startsWith(
          "ZoneMismatch: its address 10.1.0.1 is held in zone z1",
        ) === true,
    );
  });

  it("asks for the same address when somebody has deleted the interface", async () => {
    await open();
    await cluster.network("net", { allocationType: never });
    await cluster.pod("p", "n1");
    await cluster.phase("p", "Bind");
    const address = await addressOf("p");
    await cluster.gone("p");
    await cluster.phase("p", "Unbind");
    await cluster.cloud.for("somebody").deleteInterface(cluster.ours()[0]!.id);
    cluster.cloud.addForeign("vsw-1", undefined, {});
    await cluster.pod("p", "n1");
    // That foreign interface has taken it: said, and not another one.
    await cluster.until(async () =>
      /^ProviderError: .*InvalidIp.IpAssigned/.test((await cluster.podEni("p"))?.status?.msg ?? ""),
    );
    const foreign = cluster.cloud.interfaces().find(({ tags }) => tags["creator"] !== "trunkline")!;
    await cluster.cloud.removeForeign(foreign.id);
    await cluster.clock.advance(minute);
    await cluster.phase("p", "Bind");
    expect(await addressOf("p")).toBe(address);
  });

  it("leaves a network Ready while nobody answers, and says which vSwitch is gone", async () => {
    await open();
    await cluster.network("net");
    const get = async () => (await cluster.store.get(podNetworkingKind, "net"))?.status;
    expect(await get()).toMatchObject({ status: "Ready", vSwitches: [{ id: "vsw-1", zone: "z1" }] });
    cluster.state.faults.push({ call: "*", effect: "throttle", left: 1_000_000 });
    await cluster.clock.advance(20 * minute);
    expect((await get())?.status).toBe("Ready");
    expect(cluster.state.calls.DescribeVSwitches?.failed).toBeGreaterThan(2);
    cluster.state.faults = [];
    cluster.cloud.hide("vsw-1", true);
    await cluster.clock.advance(10 * minute);
    await cluster.until(async () => (await get())?.status === "Fail");
    expect((await get())?.message).toMatch(/no vSwitch vsw-1/);
    cluster.cloud.hide("vsw-1", false);
    await cluster.clock.advance(minute);
    await cluster.until(async () => (await get())?.status === "Ready");
  });

  it("reports networks that select the same pod, on each, until none does", async () => {
    await open();
    await cluster.network("net");
    await cluster.network("second");
    await cluster.pod("p", "n1");
    const conflict = async (name: string) =>
      (await cluster.store.get(podNetworkingKind, name))?.status?.conditions?.find(
        ({ type }) => type === "Conflict",
      );
    for (const [name, other] of [
      ["net", "second"],
      ["second", "net"],
    ] as const) {
      await cluster.until(async () => (await conflict(name))?.status === "True");
      expect(await conflict(name)).toMatchObject({
        reason: "SeveralMatch",
        message: expect.stringMatching(`pod a/p is also selected by ${other}: net has it`) as unknown,
      });
    }
    expect((await cluster.reasons()).filter((one) => one === "PodNetworkingConflict")).toHaveLength(2);
    await cluster.gone("p");
    await cluster.until(async () => (await conflict("net"))?.status === "False");
  });

  it("says from the start whether a network is Ready, and that no pod is selected twice", async () => {
    await open();
    const told = async (name: string) =>
      (await cluster.store.get(podNetworkingKind, name))?.status?.conditions?.map(
        ({ type, status, reason }) => `${type} ${status} ${reason}`,
      );
    await cluster.network("net");
    expect(await told("net")).toEqual(
      expect.arrayContaining(["Ready True Found", "Conflict False OnlyMatch"]),
    );
    cluster.cloud.hide("vsw-1", true);
    await cluster.clock.advance(10 * minute);
    await cluster.until(async () => (await told("net"))?.includes("Ready False NotUsable") === true);
  });

  it("gives nobody an address that another PodENI holds, also where the provider takes it for free", async () => {
    await open();
    await cluster.network("net", { allocationType: never });
    await cluster.pod("p", "n1");
    const bound = await cluster.phase("p", "Bind");
    const address = await addressOf("p");
    await cluster.cloud.removeForeign(bound.spec.allocations![0]!.eni.id);
    await cluster.pod("q", "n1");
    await cluster.phase("q", "Bind");
    expect(await addressOf("q")).not.toBe(address);
    // What was made on the way is gone.
    expect(cluster.ours()).toHaveLength(1);
    await cluster.gone("p");
    await cluster.phase("p", "Unbind");
    await cluster.pod("p", "n1");
    await cluster.phase("p", "Bind");
    expect(await addressOf("p")).toBe(address);
  });
});
