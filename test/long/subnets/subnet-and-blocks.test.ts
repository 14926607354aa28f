// Pods of a subnet beside pods of pools, on a node that has no interface in any subnet: what goes there comes back by another
// way, onto an interface that has no address of its own.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Node, Pod } from "../../../src/api/kinds/core.ts";
import { linuxMachine } from "../../../src/kernel/index.ts";
import { Commands } from "../../e2e/trunkline.ts";

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

// What comes from a pool's pod came by the interface of the subnet, and is answered by the node's own link: the filter for
// all links takes that for a lie, and no setting of the interface's own helps. It is looked at once a minute.
it("a node whose filter for all links drops such packets says so", async () => {
  const node = () => linuxMachine().open({ name: `tl-${trunkline.lab}-node1` });
  const filter = (value: string) => {
    const kernel = node();
    kernel.sysctl.set("net/ipv4/conf/all/rp_filter", value);
    kernel.close();
  };
  const said = async () =>
    (await trunkline.json<Node>("get", "node", "node1")).status?.conditions?.find(
      ({ type }) => type === "SubnetTrafficUnfiltered",
    );
  // Pods may be ready before the node has said anything.
  await expect.poll(said, { timeout: 90_000 }).toMatchObject({ status: "True" });
  filter("2");
  try {
    const answer = await trunkline.say("probe", "pod/block", "pod/subnet:80", "--lab", trunkline.lab);
    expect(answer.code).toBe(1);
    while ((await said())?.status !== "False") await pause(1000);
    const doctor = await trunkline.say("doctor", "--lab", trunkline.lab);
    expect(doctor.stdout).toContain("[interfaces.reverse-path]");
  } finally {
    filter("0");
  }
}, 200_000);
