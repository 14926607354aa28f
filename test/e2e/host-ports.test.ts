// Host ports with packets: `hostIP` binds one to an address of the node, and the node itself reaches its own, by its loopback
// address too, whether policies are enforced or not. What explain says of each is what packets find.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parsePort } from "../../src/explain/ports.ts";
import { askLab } from "../../src/lab/control/client.ts";
import type { ProbeAnswer } from "../../src/lab/probe/prober.ts";
import { disagreements, everybodyOf } from "./agreement.ts";
import { Commands } from "./trunkline.ts";

const lab = `name: host-ports
networks: [{name: nodes, cidr: 192.168.18.0/24}, {name: second, cidr: 192.168.28.0/24}]
routers: [{name: gate, addresses: [192.168.18.1, 192.168.28.1]}]
nodes:
  - {name: node1, addresses: [192.168.18.11, 192.168.28.11]}
  - {name: node2, address: 192.168.18.12}
hosts: [{name: far, address: 192.168.28.50}]
chainedPlugins: [portmap]
`;
const pod = (name: string, hostPort: number, hostIp?: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  nodeName: node1
  containers:
  - name: c
    ports:
    - {containerPort: 80, hostPort: ${hostPort}${hostIp === undefined ? "" : `, hostIP: ${hostIp}`}}
    - {containerPort: 53, hostPort: ${hostPort}, protocol: UDP${hostIp === undefined ? "" : `, hostIP: ${hostIp}`}}
`;
const objects = `apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.1.0.0/16, natOutgoing: true}
${pod("bound", 8081, "192.168.28.11")}${pod("local", 8082, "127.0.0.1")}${pod("open", 8083)}---
apiVersion: v1
kind: Pod
metadata: {name: cli}
spec: {nodeName: node2, containers: [{name: c}]}
`;
const off = `apiVersion: v1
kind: ConfigMap
metadata: {name: eni-config, namespace: kube-system}
data: {disable_network_policy: "true"}
`;

const trunkline = new Commands();
beforeAll(async () => {
  await trunkline.up(trunkline.file("lab.yaml", lab));
  await trunkline.ask("apply", "-f", trunkline.file("objects.yaml", objects));
  await trunkline.ask("wait", "--for", "ready", "pod", "--all");
}, 120_000);
afterAll(() => trunkline.end());

/** Who finds what at each of the node's addresses; what explain says is compared on the way. */
async function outcomes(port: number): Promise<Record<string, string>> {
  const ways = ["node/node1", "node/node2", "pod/cli", "host/far"].flatMap((from) =>
    ["192.168.18.11", "192.168.28.11", "127.0.0.1"]
      .filter((address) => address !== "127.0.0.1" || from === "node/node1")
      .map((to) => ({ from, to })),
  );
  const questions = ways.flatMap((way) =>
    (["tcp", "udp"] as const).map((protocol) => ({ ...way, port: `${port}/${protocol}` })),
  );
  const everybody = await everybodyOf(trunkline);
  expect(await disagreements(trunkline, everybody, questions)).toEqual([]);
  const requests = questions.map((one) => ({ ...one, port: parsePort(one.port) }));
  const { answers } = await askLab<{ answers: ProbeAnswer[] }>(trunkline.entry(), "probes", { requests });
  return Object.fromEntries(
    questions.map(({ from, to, port: asked }, at) => [`${from} ${to} ${asked}`, answers[at]!.outcome]),
  );
}

const addressesThat = (all: Record<string, string>, outcome: string) => [
  ...new Set(Object.entries(all).flatMap(([way, one]) => (one === outcome ? [way.split(" ")[1] ?? ""] : []))),
];

describe.each(["with policies", "without policies"])("%s", (how) => {
  beforeAll(async () => {
    if (how === "with policies") return;
    await trunkline.ask("apply", "-f", trunkline.file("off.yaml", off));
    const chains = () => trunkline.ask("lab", "exec", "node1", "--", "nft", "list", "chains", "inet");
    for (let left = 100; left > 0 && (await chains()).includes("policy-forward"); left--) await sleep(50);
    expect(await chains()).not.toContain("policy-forward");
  });

  it("a port that is bound to an address answers there only", async () => {
    const all = await outcomes(8081);
    expect(addressesThat(all, "answered")).toEqual(["192.168.28.11"]);
    expect(addressesThat(all, "refused")).toEqual(["192.168.18.11", "127.0.0.1"]);
  });

  it("one that is bound to the loopback address answers the node itself", async () => {
    expect(addressesThat(await outcomes(8082), "answered")).toEqual(["127.0.0.1"]);
  });

  it("one that is bound to none answers at all of the node's, its loopback address among them", async () => {
    const all = await outcomes(8083);
    expect(new Set(Object.values(all))).toEqual(new Set(["answered"]));
  });
});
