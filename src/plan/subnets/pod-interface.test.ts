import { describe, expect, it } from "vitest";
import type { Node, Pod } from "../../api/kinds/core.ts";
import type { NodeConfig } from "../../api/kinds/node-config.ts";
import { emptyFacts } from "../facts.ts";
import { podEni, subnetsOf } from "./pod-enis.suite.ts";
import { podInterface } from "./pod-interface.ts";

const meta = (name: string) => ({ name, uid: "u", resourceVersion: "1", creationTimestamp: "" });
const pod = (podIP: string, uid = "u"): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { ...meta("p"), uid, namespace: "default" },
  spec: { nodeName: "a", containers: [] },
  status: { podIP, podIPs: [{ ip: podIP }] },
});
const one = { vSwitchID: "vsw-1", mac: "", hash: "", used: 1, idle: 1 };
const nodeConfig: NodeConfig = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "NodeConfig",
  metadata: meta("a"),
  status: {
    securityGroupIDs: ["sg-now"],
    interfaces: [{ ...one, id: "eni-old", securityGroupIDs: ["sg-old"], addresses: ["10.2.1.3"] }],
  },
};
const facts = {
  ...emptyFacts(),
  subnets: subnetsOf({ "vsw-1": "10.2.1.0/24" }),
  nodeConfigs: new Map([["a", nodeConfig]]),
  podEnis: new Map([["default/p", podEni("Member")]]),
};

describe("the interface that a pod's address stands on", () => {
  it("is its PodENI's, if that is this pod's and has this address", () => {
    expect(podInterface(facts, pod("10.2.1.7"))).toMatchObject({ kind: "trunk", vid: 12, held: true });
    expect(podInterface(facts, pod("10.2.1.7", "a later one"))).toMatchObject({
      kind: "shared",
      held: false,
    });
    expect(podInterface(facts, pod("10.2.1.3"))).toMatchObject({ kind: "shared", held: false });
  });

  it("has the groups that it was made with, and where nobody has told of it those of the configuration", () => {
    expect(podInterface(facts, pod("10.2.1.3"))).toMatchObject({
      id: "eni-old",
      securityGroupIDs: ["sg-old"],
    });
    expect(podInterface(facts, pod("10.2.1.4"))).toMatchObject({
      id: undefined,
      securityGroupIDs: ["sg-now"],
    });
  });

  it("is every pod's own on a node of that mode, and nobody's for addresses of pools and machines", () => {
    const labels = { "k8s.aliyun.com/exclusive-mode-eni-type": "eniOnly" };
    const node: Node = { apiVersion: "v1", kind: "Node", metadata: { ...meta("a"), labels } };
    const exclusive = { ...facts, nodes: new Map([["a", node]]) };
    expect(podInterface(exclusive, pod("10.2.1.3"))).toMatchObject({ kind: "exclusive", held: false });
    expect(podInterface(facts, pod("10.1.0.1"))).toBeUndefined();
    const onHost = { ...pod("10.2.1.3"), spec: { ...pod("10.2.1.3").spec, hostNetwork: true } };
    expect(podInterface(facts, onHost)).toBeUndefined();
  });
});
