import { expect, it } from "vitest";
import { type Pod, podKind } from "../../api/kinds/core.ts";
import { nodeConfigKind } from "../../api/kinds/node-config.ts";
import { podEniKind } from "../../api/kinds/pod-eni.ts";
import { subnetKind } from "../../api/kinds/subnet.ts";
import { memoryStore } from "../../store/memory.ts";
import { subnetLines } from "./subnet-place.ts";

it("names interface, subnet and groups of a pod, by its node's configuration or its PodENI, and nothing of others", async () => {
  const store = memoryStore();
  const podOf = (name: string, podIP: string): Promise<Pod> =>
    store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default" },
      spec: { nodeName: "n1", containers: [{ name: "c" }] },
      status: { podIP, podIPs: [{ ip: podIP }] },
    });
  const shared = await podOf("shared", "10.2.1.7");
  expect(await subnetLines(store, shared)).toEqual([]);
  await store.create(subnetKind, {
    apiVersion: subnetKind.apiVersion,
    kind: "Subnet",
    metadata: { name: "vsw-1" },
    spec: { zone: "h", cidr: "10.2.1.0/24" },
  });
  await store.create(nodeConfigKind, {
    apiVersion: nodeConfigKind.apiVersion,
    kind: "NodeConfig",
    metadata: { name: "n1" },
    status: {
      sources: [],
      findings: [],
      interfaces: [
        {
          id: "eni-1",
          vSwitchID: "vsw-1",
          securityGroupIDs: ["sg-1", "sg-2"],
          mac: "",
          hash: "",
          addresses: ["10.2.1.7"],
          used: 1,
          idle: 0,
        },
      ],
    },
  });
  expect(await subnetLines(store, shared)).toEqual([
    ["Interface", "eni-1 (shared, of node n1)"],
    ["Subnet", "vsw-1 (10.2.1.0/24, zone h)"],
    ["Security groups", "sg-1, sg-2"],
  ]);
  const own = await podOf("own", "10.2.1.8");
  await store.create(podEniKind, {
    apiVersion: podEniKind.apiVersion,
    kind: "PodENI",
    metadata: {
      name: "own",
      namespace: "default",
      annotations: { "k8s.aliyun.com/pod-uid": own.metadata.uid },
    },
    spec: {
      allocations: [{ eni: { id: "eni-9", vSwitchID: "vsw-1", securityGroupIDs: [] }, ipv4: "10.2.1.8" }],
    },
    status: { eniInfos: { "eni-9": { id: "eni-9", type: "Member", vid: 7, status: "Bind" } } },
  });
  expect(await subnetLines(store, own)).toEqual([
    ["Interface", "eni-9 (trunk, VLAN 7, by PodENI/default/own)"],
    ["Subnet", "vsw-1 (10.2.1.0/24, zone h)"],
    ["Security groups", "<none>"],
  ]);
  expect(await subnetLines(store, await podOf("else", "10.1.0.7"))).toEqual([]);
});
