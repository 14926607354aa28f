import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { NodeConfig } from "../../api/kinds/node-config.ts";
import type { PodENI, PodEniAllocation } from "../../api/kinds/pod-eni.ts";
import { type CloudInterface, nodeTag, ourTags } from "../../cloud/types.ts";
import { emptyFacts } from "../facts.ts";
import { checkSubnets, countHeld } from "./check.ts";
import { node, subnet } from "./facts.suite.ts";

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });
const pod = (
  name: string,
  ip?: string,
  more: { annotations?: Record<string, string>; node?: string } = {},
): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { ...meta(name), namespace: "x", ...(more.annotations && { annotations: more.annotations }) },
  spec: { nodeName: more.node ?? "node1", containers: [{ name: "c" }] },
  ...(ip !== undefined && { status: { podIP: ip, podIPs: [{ ip }] } }),
});
const eni = (id: string, addresses: string[], more: Partial<CloudInterface> = {}): CloudInterface => ({
  id,
  type: "Secondary",
  status: "InUse",
  vSwitchID: "vsw-1",
  zone: "h",
  mac: "",
  securityGroupIDs: [],
  addresses,
  tags: ourTags("c"),
  createdAt: "1970-01-01T00:00:00Z",
  ...more,
});
const podEni = (
  name: string,
  allocation: Omit<PodEniAllocation, "eni"> & { id: string },
  phase = "Bind",
): PodENI => {
  const { id, ...rest } = allocation;
  return {
    apiVersion: "network.alibabacloud.com/v1beta1",
    kind: "PodENI",
    metadata: { ...meta(name), namespace: "x" },
    spec: { allocations: [{ eni: { id }, ...rest }] },
    status: { phase: phase as "Bind" },
  };
};
const nodeConfig = (used: number, ...ids: string[]): NodeConfig => ({
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "NodeConfig",
  metadata: meta("node1"),
  status: {
    sources: [],
    findings: [],
    interfaces: ids.map((id, at) => ({
      id,
      vSwitchID: "vsw-1",
      securityGroupIDs: [],
      mac: "",
      hash: "h",
      used: at === 0 ? used : 0,
      idle: 1,
    })),
  },
});

const HOUR = 3_600_000;
function found(
  pods: readonly Pod[],
  interfaces: readonly CloudInterface[] | undefined,
  config: NodeConfig = nodeConfig(0),
  podEnis: readonly PodENI[] = [],
): string[] {
  const facts = {
    ...emptyFacts(),
    nodes: new Map([["node1", node("h")]]),
    subnets: new Map([["vsw-1", subnet("vsw-1", "h", "10.2.1.0/24")]]),
    pods: new Map(pods.map((one) => [`x/${one.metadata.name}`, one])),
    nodeConfigs: new Map([["node1", config]]),
    podEnis: new Map(podEnis.map((one) => [`x/${one.metadata.name}`, one])),
  };
  const provider = interfaces && { cluster: "c", interfaces, now: HOUR };
  return checkSubnets(facts, provider).map(({ kind, what }) => `${kind} ${what}`);
}

describe("what is wrong with addresses of subnets", () => {
  it("is nothing where all is in order, warm addresses, members, fixed ones and a machine's own interface included", () => {
    const interfaces = [
      eni("a", ["10.2.1.1", "10.2.1.2"]),
      eni("fixed", ["10.2.1.9"], { status: "Available" }),
      eni("primary", ["10.2.1.200"], { type: "Primary" }),
      eni("others", ["10.2.1.201"], { tags: {} }),
    ];
    const held = podEni(
      "gone",
      { id: "fixed", ipv4: "10.2.1.9", allocationType: { type: "Fixed" } },
      "Unbind",
    );
    expect(
      found([pod("p", "10.2.1.2"), pod("pool", "10.1.0.1")], interfaces, nodeConfig(1, "a"), [held]),
    ).toEqual([]);
  });

  it("is an address on two interfaces, or held for two pods", () => {
    expect(found([], [eni("a", ["10.2.1.1"]), eni("b", ["10.2.1.1"])], nodeConfig(0, "a", "b"))).toEqual([
      "duplicate 10.2.1.1",
    ]);
    const [one, two] = [
      podEni("p", { id: "a", ipv4: "10.2.1.1" }),
      podEni("q", { id: "b", ipv4: "10.2.1.1" }),
    ];
    const pods = [pod("p", "10.2.1.1"), pod("q")];
    expect(found(pods, undefined, nodeConfig(0), [one, two])).toEqual(["duplicate 10.2.1.1"]);
    expect(found([pod("p"), pod("z", "10.2.1.1")], undefined, nodeConfig(0), [one])).toEqual([
      "duplicate 10.2.1.1",
    ]);
    expect(found([pod("p", "10.2.1.1")], undefined, nodeConfig(0), [one])).toEqual([]);
  });

  it("is an address that a node gave to nobody who is there; who has none yet may be the one", () => {
    expect(found([], undefined, nodeConfig(1, "a"))).toEqual(["leak vsw-1"]);
    expect(found([pod("p")], undefined, nodeConfig(1, "a"))).toEqual([]);
    expect(found([pod("p", "10.2.1.1")], undefined, nodeConfig(2, "a"))).toEqual(["leak vsw-1"]);
    const own = pod("own", "10.2.1.1", { annotations: { "k8s.aliyun.com/pod-eni": "true" } });
    expect(found([own], undefined, nodeConfig(1, "a"))).toEqual(["leak vsw-1"]);
    expect(found([pod("p", "10.2.1.1", { node: "node2" })], undefined, nodeConfig(1, "a"))).toEqual([
      "leak vsw-1",
    ]);
  });

  it("is an address that is held for a pod that is gone, and not fixed, unless it is being given back", () => {
    const allocation = { id: "a", ipv4: "10.2.1.1" };
    expect(found([], undefined, nodeConfig(0), [podEni("p", allocation)])).toEqual(["leak 10.2.1.1"]);
    expect(found([], undefined, nodeConfig(0), [podEni("p", allocation, "Deleting")])).toEqual([]);
    expect(found([pod("p")], undefined, nodeConfig(0), [podEni("p", allocation)])).toEqual([]);
  });

  it("is an interface of ours that nobody has, once it cannot be on its way any more", () => {
    const stray = eni("stray", ["10.2.1.5"]);
    expect(found([], [stray])).toEqual(["leaked-interface stray"]);
    const ofNode = { tags: { ...ourTags("c"), [nodeTag]: "node1" } };
    const young = { createdAt: new Date(HOUR - 5000).toISOString() };
    expect(found([], [{ ...stray, ...ofNode, ...young }])).toEqual([]);
    expect(found([], [{ ...stray, ...ofNode }])).toEqual(["leaked-interface stray"]);
    expect(found([], [{ ...stray, ...young, tags: { ...ourTags("c"), [nodeTag]: "gone" } }])).toEqual([
      "leaked-interface stray",
    ]);
    expect(found([], [{ ...stray, tags: ourTags("another") }])).toEqual([]);
  });

  it("is a pod's address on somebody else's interface, or on none", () => {
    const here = pod("p", "10.2.1.7");
    expect(found([here], [eni("a", ["10.2.1.7"])], nodeConfig(1, "a"))).toEqual([]);
    expect(found([here], [eni("theirs", ["10.2.1.7"], { tags: {} })])).toEqual(["foreign-address 10.2.1.7"]);
    expect(found([here], [])).toEqual(["foreign-address 10.2.1.7"]);
    expect(found([here], undefined)).toEqual([]);
  });

  it("counts what pods have of nodes' interfaces, and what is held for them by PodENIs", () => {
    const facts = {
      nodeConfigs: new Map([["node1", nodeConfig(3, "a", "b")]]),
      podEnis: new Map([
        ["x/p", podEni("p", { id: "c", ipv4: "10.2.1.9" })],
        ["x/q", podEni("q", { id: "" })],
      ]),
    };
    expect(countHeld(facts)).toBe(4);
  });
});
