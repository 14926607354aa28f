import { describe, expect, it } from "vitest";
import type { PodNetworking } from "../../api/kinds/pod-networking.ts";
import type { BGPFilter, BGPPeer } from "../../api/kinds/routing/bgp.ts";
import { parseManifests } from "../../api/manifest/parse.ts";
import type { KubeObject } from "../../api/object.ts";
import { type ClusterFacts, emptyFacts } from "../../plan/facts.ts";
import { reversePathCondition } from "../../plan/subnets/reverse-path.ts";
import { block, cluster, node, pod, pool } from "../cluster.suite.ts";
import { diagnose, unledHostPorts } from "./diagnose.ts";

/** Facts from manifests whose faults are kept, as a store may hold them from before validation. */
function factsOf(text: string): ClusterFacts {
  const facts = emptyFacts();
  const maps: Record<string, Map<string, unknown>> = {
    Node: facts.nodes as Map<string, unknown>,
    Namespace: facts.namespaces as Map<string, unknown>,
    IPPool: facts.pools as Map<string, unknown>,
    NetworkPolicy: facts.policies as Map<string, unknown>,
    ConfigMap: facts.configMaps as Map<string, unknown>,
    Pod: facts.pods as Map<string, unknown>,
    SecurityGroup: facts.securityGroups as Map<string, unknown>,
    NodeConfig: facts.nodeConfigs as Map<string, unknown>,
  };
  for (const { draft } of parseManifests(text, "test.yaml", { badValues: "keep" }).objects) {
    const { name, namespace } = draft.metadata;
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    maps[draft.kind]?.set(key, { ...draft, metadata: { ...draft.metadata, uid: key, resourceVersion: "1" } });
  }
  return facts;
}

const sound = `
apiVersion: v1
kind: Node
metadata: {name: node1}
status:
  addresses: [{type: InternalIP, address: 192.168.18.11}]
  conditions: [{type: Ready, status: "True"}]
---
apiVersion: v1
kind: Namespace
metadata: {name: data}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: data}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pool}
spec: {cidr: 10.1.0.0/16}
`;

const codes = (text: string) => diagnose(factsOf(text)).map(({ code, object }) => `${code} ${object}`);

describe("diagnose", () => {
  it("finds nothing in a sound cluster", () => {
    expect(diagnose(factsOf(sound))).toEqual([]);
  });

  it("names network configurations that could not be applied, and PodNetworkings that failed", () => {
    const config = (status: string) =>
      sound.replace(
        "conditions: [",
        `conditions: [{type: NetworkConfigReady, status: "${status}", reason: OverlayMissing, message: no ConfigMap x}, `,
      );
    expect(codes(config("True"))).toEqual([]);
    expect(diagnose(factsOf(config("False")))).toMatchObject([
      {
        code: "node.network-config",
        object: "Node/node1",
        message: expect.stringContaining("no ConfigMap x"),
      },
    ]);
    const facts = factsOf(sound);
    const network = (status: "Ready" | "Fail"): PodNetworking => ({
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "PodNetworking",
      metadata: { name: "net", uid: "net", resourceVersion: "1", creationTimestamp: "" },
      spec: {},
      status: { status, message: "vSwitch vsw-9 is not there" },
    });
    const of = (status: "Ready" | "Fail") =>
      diagnose({ ...facts, podNetworkings: new Map([["net", network(status)]]) });
    expect(of("Ready")).toEqual([]);
    expect(of("Fail")).toMatchObject([
      {
        code: "podnetworking.fail",
        object: "PodNetworking/net",
        message: expect.stringContaining("vsw-9 is not there"),
      },
    ]);
  });

  it("names BGPFilters that a peer asks for and that do not exist", () => {
    const facts = factsOf(sound);
    const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });
    const peer = {
      apiVersion: "crd.projectcalico.org/v1",
      kind: "BGPPeer",
      metadata: meta("tor"),
      spec: { peerIP: "192.168.18.1", asNumber: 64512, filters: ["there", "gone"] },
    } as BGPPeer;
    const filter = {
      apiVersion: "crd.projectcalico.org/v1",
      kind: "BGPFilter",
      metadata: meta("there"),
      spec: {},
    } as BGPFilter;
    const of = (...filters: readonly BGPFilter[]) =>
      diagnose({
        ...facts,
        bgpPeers: new Map([["tor", peer]]),
        bgpFilters: new Map(filters.map((one) => [one.metadata.name, one])),
      });
    expect(of(filter, { ...filter, metadata: meta("gone") })).toEqual([]);
    expect(of(filter)).toMatchObject([
      {
        code: "bgp.filter-missing",
        object: "BGPPeer/tor",
        message: expect.stringContaining("BGPFilter gone does"),
      },
    ]);
  });

  it("says once, and only notes, what a node that is gone has left", () => {
    const facts = cluster(block("10.1.0.128/26", "lost"), block("10.1.0.192/26", "lost"));
    const found = diagnose(facts).filter(({ code }) => code.startsWith("routing."));
    expect(found).toMatchObject([
      {
        code: "routing.node-unknown",
        severity: "note",
        object: "Node/lost",
        message: expect.stringContaining("10.1.0.128/26, 10.1.0.192/26"),
      },
    ]);
  });

  it("names pools whose IP in IP a kernel lacks", () => {
    const lacking = node("n1", "192.168.18.3");
    const told = { type: "TunnelReady", status: "False", reason: "KernelLacksIPIP" };
    const facts = cluster(
      { ...lacking, status: { ...lacking.status, conditions: [told] } } as KubeObject,
      { ...pool("pods", "10.1.0.0/16"), spec: { cidr: "10.1.0.0/16", ipipMode: "Always" } } as KubeObject,
    );
    const found = diagnose(facts).filter(({ code }) => code === "tunnel.no-ipip");
    expect(found).toMatchObject([{ severity: "warning", object: "IPPool/pods" }]);
    expect(found[0]?.message).toContain("the kernels of n1 lack");
  });

  it("names machines whose filter drops what comes by interfaces of subnets", () => {
    const one = node("n1", "192.168.18.3");
    const told = reversePathCondition("2", true);
    const facts = cluster({ ...one, status: { ...one.status, conditions: [told] } } as KubeObject);
    const found = diagnose(facts).filter(({ code }) => code === "interfaces.reverse-path");
    expect(found).toMatchObject([{ severity: "error", object: "Node/n1" }]);
    expect(found[0]?.message).toContain("sysctl -w net.ipv4.conf.all.rp_filter=0");
  });

  it("names pods that ask for host ports where nothing leads there", () => {
    const asking = pod("asks", "10.1.0.7", "n1", { ports: [{ containerPort: 80, hostPort: 8080 }] });
    const own = pod("own", "10.1.0.8", "n1", {
      ports: [{ containerPort: 80, hostPort: 80 }],
      hostNetwork: true,
    });
    expect(unledHostPorts(cluster(own))).toEqual([]);
    expect(unledHostPorts(cluster(asking, own))).toMatchObject([
      { code: "pod.host-port", message: expect.stringContaining("default/asks (8080);") },
    ]);
  });

  it("names a stored policy that is invalid, and says where", () => {
    const bad = `${sound}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: bad, namespace: data}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/40}}]}]}
`;
    const [finding, ...more] = diagnose(factsOf(bad));
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      code: "policy.invalid",
      severity: "error",
      object: "NetworkPolicy/data/bad",
    });
    expect(finding?.message).toContain("spec.ingress[0].from[0].ipBlock.cidr");
  });

  it("names a pool over the nodes' network, a node without address, a policy without namespace", () => {
    const bad = `
apiVersion: v1
kind: Node
metadata: {name: node1}
status: {addresses: [{type: InternalIP, address: 192.168.18.11}]}
---
apiVersion: v1
kind: Node
metadata: {name: node2}
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pool}
spec: {cidr: 192.168.0.0/16}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: lost, namespace: nowhere}
spec: {podSelector: {}, policyTypes: [Ingress]}
`;
    expect(codes(bad)).toEqual([
      "node.no-address Node/node2",
      expect.stringMatching(/ IPPool\/pool$/),
      "policy.no-namespace NetworkPolicy/nowhere/lost",
    ]);
  });

  it("names a group's peer that is nobody, and a group whose rules only its provider has", () => {
    const odd = `${sound}---
apiVersion: trunkline.dev/v1alpha1
kind: SecurityGroup
metadata: {name: sg-1}
spec: {ingress: [{peers: [10.0.0.0/8, sg-1, sg-theirs, sg-nobody]}]}
---
apiVersion: trunkline.dev/v1alpha1
kind: NodeConfig
metadata: {name: node1}
status: {interfaces: [{id: eni-1, vSwitchID: v, securityGroupIDs: [sg-1, sg-theirs], mac: "", hash: "", used: 0, idle: 0}]}
`;
    expect(codes(odd)).toEqual([
      "group.unknown-peer SecurityGroup/sg-1",
      "group.of-provider NodeConfig/node1",
    ]);
    expect(diagnose(factsOf(odd))[0]?.message).toMatch(/spec\.ingress\[0\] names sg-nobody/);
  });

  it("tells that policies are switched off, and that a translation setting is unusable", () => {
    const settings = `${sound}---
apiVersion: v1
kind: ConfigMap
metadata: {name: eni-config, namespace: kube-system}
data: {disable_network_policy: "true"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ip-masq-agent, namespace: kube-system}
data: {config: "nonMasqueradeCIDRs: [10.0.0.1/8]"}
`;
    const found = diagnose(factsOf(settings));
    expect(found.map(({ severity, object }) => `${severity} ${object}`)).toEqual([
      "note ConfigMap/kube-system/eni-config",
      "error ConfigMap/kube-system/ip-masq-agent",
    ]);
  });

  it("is said once of an exhausted vSwitch, with how many pods wait for it and who they are", () => {
    const message = (since: string) =>
      `vSwitch vsw-1 (zone h) has no free address; delete pods; it waits since ${since}`;
    const waiting = (name: string, at: number) => ({
      ...pod(name, undefined, "n1"),
      status: {
        phase: "Pending" as const,
        conditions: [
          {
            type: "trunkline.dev/NetworkReady",
            status: "False" as const,
            reason: "VSwitchExhausted",
            message: message(`${at}`),
          },
        ],
      },
    });
    const names = ["a1", "a2", "a3", "a4", "a5", "a6", "a7"];
    const facts = cluster(...names.map((name, at) => waiting(name, at)));
    const pending = diagnose(facts).filter(({ code }) => code === "pod.pending");
    expect(pending).toEqual([
      {
        code: "pod.pending",
        severity: "warning",
        object: "Pods",
        message:
          "7 pods wait (default/a1, default/a2, default/a3, default/a4, default/a5, and 2 more): " +
          "VSwitchExhausted: vSwitch vsw-1 (zone h) has no free address; delete pods",
      },
    ]);
    const [alone] = diagnose(cluster(waiting("a1", 0))).filter(({ code }) => code === "pod.pending");
    expect(alone).toMatchObject({
      object: "Pod/default/a1",
      message: expect.stringMatching(/^it waits on n1: VSwitch/),
    });
  });
});
