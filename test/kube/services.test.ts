// Services beside packets: a real kube-proxy on a lab's nodes, in both modes, and of each flow what explain says from the
// nodes' rules and from the objects alone, beside what probes find.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Answer } from "../../src/explain/explain.ts";
import { verdictOf } from "../../src/explain/explain.ts";
import type { ServiceExplanation } from "../../src/explain/services/types.ts";
import type { ProbeAnswer } from "../../src/lab/probe/prober.ts";
import { Commands } from "../e2e/trunkline.ts";
import { eventually } from "./bed.ts";
import { KubeProxies, type Mode } from "./kube-proxy.ts";

const lab = `
name: services
networks:
  - {name: nodes, cidr: 192.168.18.0/24}
  - {name: far, cidr: 172.17.0.0/24}
routers:
  - {name: gate, addresses: [192.168.18.1, 172.17.0.1]}
nodes:
  - {name: node1, address: 192.168.18.11}
  - {name: node2, address: 192.168.18.12}
  - {name: node3, address: 192.168.18.13}
hosts:
  - {name: far, address: 172.17.0.9, ports: [80]}
`;
const pod = (name: string, node: string, app: string, more = "") => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${app}, name: ${name}}}
spec: {nodeName: ${node}, ${more} containers: [{name: c, ports: [{containerPort: 8080}]}]}
`;
const objects = `
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.244.0.0/16, blockSize: 24, natOutgoing: true}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data: {config.conf: "clusterCIDR: 10.244.0.0/16"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: picky}
spec: {podSelector: {matchLabels: {name: m2}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: inner}
spec: {podSelector: {matchLabels: {app: inner}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}
${pod("cli", "node1", "cli")}${pod("friend", "node1", "friend")}${pod("lone", "node3", "cli")}
${pod("w1", "node1", "web")}${pod("w2", "node2", "web")}${pod("m1", "node1", "mixed")}${pod("m2", "node2", "mixed")}
${pod("i2", "node2", "inner")}`;

const trunkline = new Commands();
const { file } = trunkline;
let proxies: KubeProxies;
const addresses = new Map<string, string>();
const netnsOf = (member: string) =>
  trunkline.entry().record.members.find(({ name }) => name === member)?.netns ?? "";

interface Sketch {
  readonly name: string;
  readonly ip: string;
  readonly ends: readonly string[];
  readonly nodePort?: number;
  readonly more?: string;
}
const sketches: readonly Sketch[] = [
  { name: "web", ip: "10.96.0.10", ends: ["w1", "w2"], nodePort: 30080, more: "externalIPs: [203.0.113.7]" },
  { name: "mixed", ip: "10.96.0.11", ends: ["m1", "m2"] },
  { name: "near", ip: "10.96.0.12", ends: ["w2"], nodePort: 30081, more: "externalTrafficPolicy: Local" },
  { name: "own", ip: "10.96.0.13", ends: ["w2"], more: "internalTrafficPolicy: Local" },
  {
    name: "sticky",
    ip: "10.96.0.14",
    ends: ["w1", "w2"],
    more: "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}",
  },
  { name: "empty", ip: "10.96.0.15", ends: [], nodePort: 30082 },
  { name: "inner", ip: "10.96.0.16", ends: ["i2"], nodePort: 30083 },
  { name: "loop", ip: "10.96.0.17", ends: ["w1"] },
];

function manifest({ name, ip, ends, nodePort, more }: Sketch): string {
  const port = `name: http, port: 80, protocol: TCP, targetPort: 8080${nodePort === undefined ? "" : `, nodePort: ${nodePort}`}`;
  const type = nodePort === undefined ? "ClusterIP" : "NodePort";
  const node = (end: string) => (end.endsWith("1") ? "node1" : "node2");
  const list = ends.map(
    (end) =>
      `{addresses: [${addresses.get(end)}], conditions: {ready: true, serving: true, terminating: false}, nodeName: ${node(end)}}`,
  );
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {type: ${type}, clusterIP: ${ip}, clusterIPs: [${ip}], ipFamilies: [IPv4], ports: [{${port}}]${more === undefined ? "" : `, ${more}`}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [${list.join(", ")}]
`;
}

beforeAll(async () => {
  await trunkline.up(file("lab.yaml", lab), "--separate");
  await trunkline.ask("apply", "-f", file("objects.yaml", objects));
  await trunkline.ask("wait", "--for", "ready", "--all", "-A");
  const { items } = await trunkline.json<{
    items: { metadata: { name: string }; status: { podIP: string } }[];
  }>("get", "pods");
  for (const { metadata, status } of items) addresses.set(metadata.name, status.podIP);
  await trunkline.ask("apply", "-f", file("services.yaml", sketches.map(manifest).join("")));
  proxies = new KubeProxies(trunkline.entry().paths.store);
}, 180_000);
afterAll(async () => {
  await proxies?.end();
  await trunkline.end();
}, 60_000);

async function probes(from: string, to: string, count: number): Promise<ProbeAnswer[]> {
  const found: ProbeAnswer[] = [];
  for (let at = 0; at < count; at++) {
    const { stdout } = await trunkline.say("probe", from, to, "--lab", trunkline.lab, "-o", "json");
    found.push(JSON.parse(stdout));
  }
  return found;
}

async function explained(from: string, to: string, ...where: string[]): Promise<ServiceExplanation> {
  const { stdout, stderr } = await trunkline.say("explain", from, to, ...where, "-o", "json");
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout);
}

/** Compares an answer with what packets found. */
function compare(what: string, said: ServiceExplanation, found: readonly ProbeAnswer[]): void {
  const chosen = said.endpoints.filter((one) => one.chosen);
  const seen = new Set(chosen.map(({ sourceSeen }) => sourceSeen));
  const words = `${what}: ${said.reasons.join("\n")}`;
  for (const { reachable, sourceSeen } of found) if (reachable) expect(seen, words).toContain(sourceSeen);
  switch (verdictOf(said)) {
    case "yes":
      expect(
        found.map(({ reachable }) => reachable),
        words,
      ).not.toContain(false);
      break;
    case "no":
      expect(
        found.map(({ reachable }) => reachable),
        words,
      ).not.toContain(true);
      // Between filtered and unreachable lies time: a kernel says the latter once a second.
      if (said.expected !== null) expect(found.map(({ outcome }) => outcome)).toContain(said.expected);
      break;
    default: {
      // Each endpoint is chosen sooner or later, and some answer.
      const answers = new Set(chosen.map(({ answer }) => answer));
      if (answers.has("yes") && answers.has("no"))
        expect(new Set(found.map(({ reachable }) => reachable)), words).toEqual(new Set([true, false]));
    }
  }
}

/** Asks both ways and with packets; returns both verdicts. */
async function alike(from: string, to: string, count = 4): Promise<{ rules: Answer; objects: Answer }> {
  const rules = await explained(from, to, "--lab", trunkline.lab);
  const told = await explained(from, to, "--store", `sqlite:${trunkline.entry().paths.store}`);
  const found = await probes(from, to, count);
  compare("rules", rules, found);
  compare("objects", told, found);
  expect([rules.service.from, told.service.from]).toEqual(["rules", "objects"]);
  return { rules: verdictOf(rules), objects: verdictOf(told) };
}

async function start(mode: Mode): Promise<void> {
  for (const node of ["node1", "node2"]) {
    await proxies.start(node, netnsOf(node), mode, ["--cluster-cidr=10.244.0.0/16"]);
    // Its rules are whole once the last Service's port is among them.
    await eventually(async () => {
      const { stdout } = await trunkline.say(
        "explain",
        `node/${node}`,
        "10.96.0.17:80",
        "--lab",
        trunkline.lab,
        "-o",
        "json",
      );
      return (JSON.parse(stdout) as ServiceExplanation).reachable === true ? true : undefined;
    });
  }
}

/** As kube-proxy does with --cleanup: other modes' rules must not stay beside. */
async function stop(): Promise<void> {
  for (const node of ["node1", "node2"]) await proxies.clean(node, netnsOf(node));
}

const yes = { rules: "yes", objects: "yes" } as const;
const no = { rules: "no", objects: "no" } as const;
const open = { rules: "unknown", objects: "unknown" } as const;

describe.each<Mode>(["nftables", "iptables"])("kube-proxy in %s mode", (mode) => {
  beforeAll(() => start(mode), 120_000);
  afterAll(stop, 60_000);

  it.each([
    // ClusterIPs.
    ["pod/cli", "svc/web", yes],
    ["node/node1", "svc/web", yes],
    ["pod/w1", "svc/loop", yes],
    ["pod/w1", "svc/web", yes],
    ["pod/cli", "svc/sticky", yes],
    ["pod/friend", "svc/mixed", yes],
    ["pod/cli", "svc/empty", no],
    ["pod/cli", "svc/own", no],
    ["pod/w2", "svc/own", yes],
    ["pod/cli", "svc/inner", yes],
    // External addresses and node ports.
    ["pod/cli", "203.0.113.7:80", yes],
    ["pod/cli", "192.168.18.11:30080", yes],
    // One endpoint is back on the sender's own node: what comes by twice and is translated is not followed.
    ["pod/cli", "192.168.18.12:30080", { rules: "unknown", objects: "yes" }],
    ["host/far", "192.168.18.11:30080", yes],
    ["node/node2", "192.168.18.12:30080", yes],
    ["host/far", "192.168.18.11:30082", no],
    // The node's address is none of the pods that the policy lets in.
    ["pod/cli", "192.168.18.11:30083", no],
    ["host/far", "192.168.18.11:30083", no],
    // Local.
    ["host/far", "192.168.18.12:30081", yes],
    ["host/far", "192.168.18.11:30081", no],
    ["pod/cli", "192.168.18.11:30081", yes],
    ["node/node1", "192.168.18.11:30081", yes],
  ])("%s to %s", async (from, to, expected) => expect(await alike(from, to)).toEqual(expected));

  it("of which one endpoint refuses cannot be told, and packets find both", async () => {
    expect(await alike("pod/cli", "svc/mixed", 24)).toEqual(open);
  });

  it("may keep a sender with any endpoint: what packets write down on their way is not believed", async () => {
    await probes("pod/cli", "svc/sticky", 1);
    const said = await explained("pod/cli", "svc/sticky", "--lab", trunkline.lab);
    const chosen = said.endpoints.filter((one) => one.chosen);
    expect(chosen).toHaveLength(2);
  });

  it("is what a matrix with Services says", async () => {
    const words = ["policy", "matrix", "--services", "--lab", trunkline.lab, "-o", "json"];
    const { stdout } = await trunkline.say(...words);
    const { cells } = JSON.parse(stdout) as {
      cells: { from: string; to: string; allowed: boolean | null }[];
    };
    const own = cells.filter(({ from, to }) => from === "pod/default/cli" && to.startsWith("service/"));
    expect(
      Object.fromEntries(own.map(({ to, allowed }) => [to.slice("service/default/".length), allowed])),
    ).toEqual({
      empty: false,
      inner: true,
      loop: true,
      mixed: null,
      near: true,
      own: false,
      sticky: true,
      web: true,
    });
  });

  it("refuses a port that no Service has in nftables mode only", async () => {
    const said = await explained("pod/cli", "svc/web:99", "--lab", trunkline.lab);
    const [found] = await probes("pod/cli", "svc/web:99", 1);
    expect([said.expected, verdictOf(said)]).toEqual([found?.outcome, "no"]);
    expect(found?.outcome === "refused").toBe(mode === "nftables");
  });
});

it("a node without kube-proxy is told, and packets go where routes lead", async () => {
  const said = await explained("pod/lone", "svc/web", "--lab", trunkline.lab);
  const [found] = await probes("pod/lone", "svc/web", 1);
  expect(found?.reachable).toBe(false);
  expect(verdictOf(said)).toBe("no");
  expect(said.service.notes.join()).toContain("no kube-proxy on node node3");
  expect(said.endpoints.map(({ chosen }) => chosen)).toEqual([false, false]);
});
