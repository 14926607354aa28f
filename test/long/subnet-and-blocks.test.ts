// Pods of a subnet beside pods of pools, on a node that has no interface in any subnet: what goes there comes back by another
// way, onto an interface that has no address of its own.
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Pod } from "../../src/api/kinds/core.ts";
import { Commands } from "../e2e/trunkline.ts";

const lab = `
name: mixed
networks: [{name: net0, cidr: 192.168.18.0/24}]
routers: [{name: gate, addresses: [192.168.18.1], podRoutes: true}]
subnets: [{id: vsw-1, zone: h, cidr: 10.2.1.0/24}]
securityGroups: [{id: sg-base}]
nodes:
  - {name: node1, address: 192.168.18.11, zone: h}
  - {name: node2, address: 192.168.18.12, zone: h, labels: {terway-config: blocks}}
`;
const config = (name: string, settings: object) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "kube-system" },
  data: { eni_conf: JSON.stringify(settings) },
});
const pod = (name: string, nodeName: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
  spec: { nodeName, containers: [{ name: "c", image: "c", ports: [{ containerPort: 80 }] }] },
});
const items = [
  {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: { name: "four" },
    spec: { cidr: "10.1.0.0/16" },
  },
  config("eni-config", { vswitches: { h: ["vsw-1"] }, security_group: "sg-base" }),
  config("blocks", { vswitches: null }),
  pod("subnet", "node1"),
  pod("block", "node2"),
];

const trunkline = new Commands();
beforeAll(async () => {
  await trunkline.up(trunkline.file("lab.yaml", lab));
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  await trunkline.ask("apply", "-f", trunkline.file("objects.json", list));
  await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
}, 120_000);
afterAll(() => trunkline.end());

it.each([
  ["subnet", "block"],
  ["block", "subnet"],
])("pod %s reaches pod %s, which sees its own address", async (from, to) => {
  const { status } = await trunkline.json<Pod>("get", "pod", from);
  const answer = await trunkline.json<object>("probe", `pod/${from}`, `pod/${to}:80`);
  expect(answer).toMatchObject({ reachable: true, sourceSeen: status?.podIP });
});
