// What explain says is what packets find, whoever asks whatever: a lab with all kinds of ends, two address families,
// machines on several networks, ways that lead nowhere or only there, and addresses that nobody has.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Explanation } from "../../src/explain/explain.ts";
import { disagreements, everybodyOf, type Question } from "./agreement.ts";
import { bothMatrices, verdicts } from "./cells.ts";
import { Commands } from "./trunkline.ts";

const lab = `
name: agreement
networks:
  - {name: nodes, cidrs: [192.168.18.0/24, "fd00:18::/64"]}
  - {name: stores, cidrs: [10.0.0.0/24, "fd00:10::/64"]}
  - {name: far, cidr: 172.17.0.0/16}
  - {name: island, cidr: 172.30.0.0/24}
  - {name: blind, cidr: 172.31.0.0/24}
routers:
  - name: gateway
    addresses: [192.168.18.1, "fd00:18::1", 10.0.0.1, "fd00:10::1"]
    routes: [{to: 172.17.0.0/16, via: 10.0.0.2}]
  - {name: inner, addresses: [10.0.0.2, 172.17.0.1], routes: [{to: 192.168.18.0/24, via: 10.0.0.1}]}
  - {name: blind-gate, addresses: [192.168.18.2, 172.31.0.1], podRoutes: false}
nodes:
  - {name: node1, addresses: [192.168.18.11, "fd00:18::11", 10.0.0.11]}
  - {name: node2, addresses: [192.168.18.12, "fd00:18::12"]}
hosts:
  - {name: store, addresses: [10.0.0.9, "fd00:10::9"], ports: [6379, 53/udp, 9/sctp]}
  - {name: choosy, addresses: [10.0.0.8, "fd00:10::8"], ports: [6379, 53/udp, 9/sctp], admit: [10.1.0.0/16, "fd00:18::/64"]}
  - {name: both, addresses: [192.168.18.50, 172.17.0.50], ports: [6379, 53/udp]}
  - {name: distant, address: 172.17.0.9, ports: [6379, 53/udp]}
  - {name: alone, address: 172.30.0.9, ports: [6379]}
  - {name: unrouted, address: 172.31.0.9, ports: [6379]}
`;

const pod = (name: string, ports: string, spec: string, annotations = "") => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}, annotations: {${annotations}}}
spec: {${spec}, containers: [{name: c, ports: [${ports}]}]}
`;
const deployment = (name: string, replicas: number) => `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template: {metadata: {labels: {app: ${name}}}, spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}}
`;

const objects = `
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.1.0.0/16, blockSize: 28, natOutgoing: true}
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: six}
spec: {cidr: "fd00:1::/64", blockSize: 124}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ip-masq-agent, namespace: kube-system}
data: {config: "nonMasqueradeCIDRs: [10.0.0.8/32, 172.17.0.0/24]"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut}
spec:
  podSelector: {matchLabels: {app: shut}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}, {ipBlock: {cidr: 10.0.0.0/24}}, {ipBlock: {cidr: "fd00:10::/64"}}]
  egress:
  - to: [{ipBlock: {cidr: 172.16.0.0/12}}, {ipBlock: {cidr: "fd00:10::/64"}}]
${pod("web", "{containerPort: 80}, {containerPort: 53, protocol: UDP}, {containerPort: 9, protocol: SCTP}", "nodeName: node1")}
${pod("shut", "{containerPort: 80}", "nodeName: node2")}
${pod("plain", "", "nodeName: node2", "trunkline.dev/snat: none")}
${pod("agent", "{containerPort: 9100}, {containerPort: 53, protocol: UDP}", "nodeName: node2, hostNetwork: true")}
${pod("waiting", "{containerPort: 80}", "nodeSelector: {none: such}")}
${deployment("api", 2)}${deployment("none", 0)}`;

const commands = new Commands();

beforeAll(async () => {
  const { file } = commands;
  await commands.up(file("lab.yaml", lab));
  await commands.ask("apply", "-f", file("objects.yaml", objects));
  const ready = ["web", "shut", "plain", "agent"].map((name) => `pod/${name}`);
  await commands.ask("wait", "--for", "ready", ...ready, "deployment/api");
}, 120_000);

afterAll(() => commands.end());

describe("explain and probe", () => {
  it("agree on who is reached, how it fails, and which source is seen", async () => {
    const everybody = await everybodyOf(commands);
    const { names, addresses, nobodys } = everybody;
    const asking = (from: string, to: string, ports: readonly (string | undefined)[]): Question[] =>
      ports.map((port) => ({ from, to, port }));
    const ports = [undefined, "80", "6379", "53/udp", "9/sctp", "10250"];
    const questions = [
      ...names.flatMap((from) =>
        [...names, ...addresses, ...nobodys].flatMap((to) =>
          asking(from, to, to.includes("/") ? ports : ["80"]),
        ),
      ),
      ...addresses.flatMap((from) => [...names, ...nobodys].flatMap((to) => asking(from, to, [undefined]))),
    ];
    expect(questions.length).toBeGreaterThan(4000);
    expect(await disagreements(commands, everybody, questions)).toEqual([]);
  });

  it("agree cell by cell, all namespaces being meant if none is named", async () => {
    for (const words of [[], ["-A"], ["-n", "default"], ["--port", "80/tcp,53/udp"], ["--family", "6"]]) {
      const { probed, planned } = await bothMatrices(commands, ...words);
      expect(probed.length).toBeGreaterThan(30);
      expect(verdicts(planned), words.join(" ")).toEqual(verdicts(probed));
    }
    const { probed, planned } = await bothMatrices(commands, "-n", "kube-system", "-n", "kube-public");
    expect(verdicts(planned)).toEqual(verdicts(probed));
    expect(probed.every(({ from, to }) => from.startsWith("host/") && to.startsWith("host/"))).toBe(true);
  });

  it.each([
    ["deployment/api", "node/node1:22", 1, "refused", "allowed, but nothing listens on 22/tcp of node/node1"],
    [
      "deploy/api",
      "8.8.8.8:53",
      1,
      "unreachable",
      "allowed, but not reachable (host/gateway has no route to 8.8.8.8)",
    ],
    ["deployment/api", "no/node1:10250", 0, "answered", "allowed"],
    ["pod/shut", "deployment/api", 1, "filtered", "denied (egress denied"],
    ["deployment/api", "deployment/none", 3, undefined, ""],
    ["deployment/api", "pod/waiting", 3, undefined, ""],
    ["deployment/nosuch", "pod/web", 2, undefined, ""],
    ["pod/web", "node/nosuch", 2, undefined, ""],
    ["pod/web", "224.0.0.1:80", 2, undefined, ""],
  ])("end alike from %s to %s", async (from, to, code, outcome, headline) => {
    const words = [from, to, "--lab", commands.lab];
    const [found, said, text] = await Promise.all([
      commands.say("probe", ...words, "-o", "json"),
      commands.say("explain", ...words, "-o", "json"),
      commands.say("explain", ...words),
    ]);
    expect([found.code, said.code, text.code], found.stderr + said.stderr).toEqual([code, code, code]);
    if (outcome === undefined) return;
    const explanation = JSON.parse(said.stdout) as Explanation;
    expect([JSON.parse(found.stdout).outcome, explanation.expected]).toEqual([outcome, outcome]);
    expect(explanation.reachable).toBe(outcome === "answered");
    expect(text.stdout.split("\n")[0]).toContain(`: ${headline}`);
  });
});
