// What explain and the matrix say beforehand is what real packets find, pair by pair, in a lab with policies, hosts that
// admit some ranges only, translated and plain sources, and pods on their node's network.
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Explanation } from "../../src/explain/explain.ts";
import { Commands } from "../e2e/trunkline.ts";

const lab = `
name: answers
networks:
  - {name: nodes, cidr: 192.168.18.0/24}
  - {name: offices, cidr: 172.17.0.0/16}
  - {name: stores, cidr: 10.0.0.0/24}
routers:
  - {name: gateway, addresses: [192.168.18.1, 172.17.0.1, 10.0.0.1]}
nodes:
  - {name: node1, address: 192.168.18.11}
  - {name: node2, address: 192.168.18.12}
hosts:
  - {name: office, address: 172.17.0.9, ports: [80, 81/udp]}
  - {name: annex, address: 172.17.1.9, ports: [80]}
  - {name: store, address: 10.0.0.9, ports: [6379], admit: [10.1.0.0/16]}
  - {name: nodes-only, address: 10.0.0.8, ports: [6379], admit: [192.168.18.0/24]}
`;

const pod = (namespace: string, name: string, ports: string, more = "") => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${namespace}, labels: {app: ${name}}}
spec:
  ${more}
  containers: [{name: c, ports: [${ports}]}]
`;

const objects = `
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.1.0.0/16, blockSize: 26}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ip-masq-agent, namespace: kube-system}
data:
  config: |
    nonMasqueradeCIDRs: [10.0.0.9/32, 172.17.0.0/24]
---
apiVersion: v1
kind: Namespace
metadata: {name: apps, labels: {project: apps}}
---
apiVersion: v1
kind: Namespace
metadata: {name: data}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: center, namespace: data}
spec:
  podSelector: {matchLabels: {app: center}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/24]}
    - namespaceSelector: {matchLabels: {project: apps}}
    ports: [{port: web}]
  egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/24}}]
    ports: [{port: 6379}]
  - to: [{podSelector: {matchLabels: {app: side}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: udp-only, namespace: data}
spec:
  podSelector: {matchLabels: {app: side}}
  ingress: [{ports: [{protocol: UDP}]}]
${pod("data", "center", "{name: web, containerPort: 8080}, {containerPort: 81, protocol: UDP}", "nodeName: node1")}
${pod("data", "side", "{containerPort: 8080}, {containerPort: 81, protocol: UDP}", "nodeName: node2")}
${pod("apps", "client", "{containerPort: 8080}", "nodeName: node1")}
${pod("default", "open", "{containerPort: 8080}, {containerPort: 9, protocol: SCTP}", "nodeName: node2")}
${pod("default", "agent", "{containerPort: 9100}", "nodeName: node2\n  hostNetwork: true")}
`;

const commands = new Commands();

beforeAll(async () => {
  const { file } = commands;
  await commands.up(file("lab.yaml", lab));
  await commands.ask("apply", "-f", file("objects.yaml", objects));
  await commands.ask("wait", "--for", "ready", "--all");
}, 120_000);

afterAll(() => commands.end());

/** Answers that are `no` end with 1: their JSON is what counts. */
async function answer<T>(...words: string[]): Promise<T> {
  const { stdout, stderr } = await commands.say(...words, "--lab", commands.lab, "-o", "json");
  expect(stdout, stderr).not.toBe("");
  return JSON.parse(stdout) as T;
}

interface Cell {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly reachable: boolean;
  readonly sourceSeen: string | null;
}

type PlannedCell = Pick<Cell, "from" | "to" | "port"> & { readonly allowed: boolean };

const keyOf = ({ from, to, port }: Pick<Cell, "from" | "to" | "port">) => `${from} → ${to} ${port}`;

it.each([[[]], [["--port", "8080/tcp,81/udp,6379/tcp"]]])(
  "matrix and probe agree cell by cell %s",
  async (ports) => {
    const probed = await answer<{ cells: Cell[] }>("probe", "--all", "--timeout", "400", ...ports);
    const planned = await answer<{ cells: PlannedCell[] }>("policy", "matrix", ...ports);
    const found = new Map(probed.cells.map((cell) => [keyOf(cell), cell.reachable]));
    const said = new Map(planned.cells.map((cell) => [keyOf(cell), cell.allowed]));
    expect(found.size).toBeGreaterThan(60);
    expect(Object.fromEntries(said)).toEqual(Object.fromEntries(found));
  },
);

it("explain and probe agree on what arrives and which source is seen", async () => {
  const ends = [
    "pod/data/center",
    "pod/apps/client",
    "pod/default/open",
    "pod/default/agent",
    "node/node1",
    "node/node2",
  ];
  const targets = [
    "pod/data/center:8080",
    "pod/data/side:81/udp",
    "pod/default/open",
    "node/node2",
    "host/store",
    "host/nodes-only",
  ];
  const pairs = [...ends, "host/office", "host/annex"].flatMap((from) =>
    targets.map((to) => [from, to] as const),
  );
  const answers = await mapLimited(pairs, 4, async ([from, to]) => {
    const words = [from, to];
    const probed = await answer<Cell>("probe", ...words, "--timeout", "400");
    const said = await answer<Explanation>("explain", ...words);
    return { pair: `${from} → ${to}`, probed, said };
  });
  for (const { pair, probed, said } of answers) {
    expect(said.reachable, `${pair}: ${said.reasons.join("; ")}`).toBe(probed.reachable);
    if (probed.reachable) expect(said.sourceSeen, pair).toBe(probed.sourceSeen);
  }
});

it("explain knows of addresses that were added to machines by hand, and that they are gone again", async () => {
  const added = [
    ["node1", "192.168.18.100/32", "eth0"],
    ["node2", "192.168.18.50/24", "eth0"],
    ["office", "172.17.0.77/32", "lo"],
  ] as const;
  const change = (verb: "add" | "del") =>
    Promise.all(
      added.map(([name, address, link]) =>
        commands.ask("lab", "exec", name, "--", "ip", "address", verb, address, "dev", link),
      ),
    );
  const targets = [
    "192.168.18.100:10250",
    "192.168.18.50:10250",
    "192.168.18.50:10250/udp",
    "172.17.0.77:80",
    "172.17.0.77:22",
  ];
  const froms = ["pod/apps/client", "pod/default/open", "node/node1", "node/node2", "host/annex"];
  const compare = () =>
    mapLimited(
      froms.flatMap((from) => targets.map((to) => [from, to] as const)),
      4,
      async ([from, to]) => {
        const found = await answer<Explanation & { outcome: string }>("probe", from, to, "--timeout", "400");
        const said = await answer<Explanation>("explain", from, to);
        const pair = `${from} → ${to}: ${said.reasons.join("; ")}`;
        // Of a neighbour that is not there the kernel tells those who ask again soon, and says nothing to the first.
        expect(said.reachable, pair).toBe(found.reachable);
        if (found.outcome !== "unreachable") expect(said.expected, pair).toBe(found.outcome);
        if (found.reachable) expect(said.sourceSeen, pair).toBe(found.sourceSeen);
        return said.expected;
      },
    );
  await change("add");
  const there = await compare();
  expect(there.filter((one) => one === "answered")).toHaveLength(3 * froms.length);
  await change("del");
  expect(new Set(await compare())).toEqual(new Set(["filtered"]));
});

async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at] as T);
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return results;
}
