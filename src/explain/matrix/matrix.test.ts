import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NetworkPolicy, NetworkPolicyPeer } from "../../api/kinds/network-policy.ts";
import { parseManifests } from "../../api/manifest/parse.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { cluster, host, namespace, node, pod, policy } from "../cluster.suite.ts";
import { explain } from "../explain.ts";
import { judgesOf } from "../judges/plans.ts";
import { factsOf } from "../manifests/facts-of.ts";
import { parsePorts } from "../ports.ts";
import { formatMatrix, type MatrixFormat, matrixFormats } from "./formats.ts";
import { type Cell, clusterEnds, matrixCells } from "./matrix.ts";
import { rangeEnds } from "./ranges.ts";
import { matrixText } from "./text.ts";

const manifests = (text: string) =>
  factsOf(parseManifests(text, "f.yaml").objects.map((item) => item.object));

function offline(facts: ClusterFacts, ports: string): Cell[] {
  const ends = [...clusterEnds(facts), ...rangeEnds(facts)];
  return [...matrixCells(facts, judgesOf(facts), { ends, ports: parsePorts(ports), view: "policies" })];
}

/** The same as text, with the reasons. */
function offlineText(facts: ClusterFacts, ports: string): string {
  const ends = [...clusterEnds(facts), ...rangeEnds(facts)];
  const question = { ends, ports: parsePorts(ports), view: "policies" } as const;
  return [...matrixText(facts, judgesOf(facts), question, true)].join("");
}

function live(facts: ClusterFacts, ports?: string): Cell[] {
  const asked = ports === undefined ? "declared" : parsePorts(ports);
  return [...matrixCells(facts, judgesOf(facts), { ends: clusterEnds(facts), ports: asked, view: "live" })];
}

const allowed = (cells: readonly Cell[], from: string, to: string, port: string) =>
  cells.find((cell) => cell.from === from && cell.to === to && cell.port === port)?.allowed;

const shop = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: center, namespace: data}
spec:
  podSelector: {matchLabels: {role: center}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/24]}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: apps}}
    ports: [{port: 8080}]
  egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/24}}]
    ports: [{port: 6379}]
---
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: center, namespace: data}
  spec:
    selector: {matchLabels: {role: center}}
    template:
      metadata: {labels: {role: center}}
      spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
- apiVersion: batch/v1
  kind: CronJob
  metadata: {name: night, namespace: apps}
  spec:
    schedule: "0 3 * * *"
    jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c}]}}}}
`;

describe("from manifests alone", () => {
  const cells = offline(manifests(shop), "8080/tcp,6379/tcp");

  it.each([
    ["cronjob/apps/night", "deployment/data/center", "8080/tcp", true],
    ["cronjob/apps/night", "deployment/data/center", "6379/tcp", false],
    ["172.17.0.0/16", "deployment/data/center", "8080/tcp", true],
    ["172.17.1.0/24", "deployment/data/center", "8080/tcp", false],
    ["10.0.0.0/24", "deployment/data/center", "8080/tcp", false],
    ["0.0.0.0/0", "deployment/data/center", "8080/tcp", undefined],
    ["deployment/data/center", "10.0.0.0/24", "6379/tcp", true],
    ["deployment/data/center", "10.0.0.0/24", "8080/tcp", false],
    // Without any pool nobody knows whether the range will hold the pod's address.
    ["deployment/data/center", "cronjob/apps/night", "6379/tcp", null],
    ["deployment/data/center", "cronjob/apps/night", "8080/tcp", false],
    ["cronjob/apps/night", "172.17.1.0/24", "6379/tcp", true],
    ["deployment/data/center", "deployment/data/center", "8080/tcp", false],
    ["10.0.0.0/24", "172.17.1.0/24", "8080/tcp", undefined],
  ])("%s → %s %s: %s", (from, to, port, expected) => {
    expect(allowed(cells, from, to, port)).toBe(expected);
  });

  it("names a policy in every refusal", () => {
    for (const cell of cells.filter((one) => !one.allowed)) expect(cell.by?.policy).toBe("data/center");
  });

  it("does not depend on the order of objects", () => {
    const objects = parseManifests(shop, "f.yaml").objects.map((item) => item.object);
    expect(offline(factsOf(objects.toReversed()), "8080/tcp,6379/tcp")).toEqual(cells);
  });

  it.each(matrixFormats)("is written as %s", async (format) => {
    const text =
      format === "text"
        ? offlineText(manifests(shop), "8080/tcp,6379/tcp")
        : [...formatMatrix(cells, format)].join("");
    await expect(text).toMatchFileSnapshot(`../golden/matrix.${endings[format]}`);
  });
});

const endings: Record<MatrixFormat, string> = {
  text: "txt",
  json: "json.txt",
  csv: "csv",
  dot: "dot",
  svg: "svg",
};

describe("pods that have no address yet, beside ranges", () => {
  const deployments = ["a", "b"]
    .map(
      (name) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec: {selector: {matchLabels: {app: ${name}}}, template: {metadata: {labels: {app: ${name}}}, spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}}}
---`,
    )
    .join("");
  const out = (...cidrs: string[]) => `${deployments}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out}
spec:
  podSelector: {matchLabels: {app: a}}
  policyTypes: [Egress]
  egress: [{to: [${cidrs.map((cidr) => `{ipBlock: {cidr: "${cidr}"}}`).join(", ")}]}]
---
`;
  const pool = (name: string, cidr: string, more = "") =>
    `{apiVersion: crd.projectcalico.org/v1, kind: IPPool, metadata: {name: ${name}}, spec: {cidr: "${cidr}"${more}}}\n---\n`;
  const cellOf = (text: string) => {
    const cells = offline(manifests(text), "80/tcp");
    return cells.find(({ from, to }) => from === "deployment/default/a" && to === "deployment/default/b");
  };

  it.each([
    ["the whole family", out("0.0.0.0/0"), true],
    ["the whole family, and a pool is known", out("0.0.0.0/0") + pool("p", "10.244.0.0/16"), true],
    ["every pool", out("10.0.0.0/8") + pool("p", "10.244.0.0/16"), true],
    [
      "every pool, by two ranges",
      out("10.1.0.0/16", "10.2.0.0/16") + pool("p", "10.1.0.0/16") + pool("q", "10.2.0.0/16"),
      true,
    ],
    ["one pool of two", out("10.1.0.0/16") + pool("p", "10.1.0.0/16") + pool("q", "10.2.0.0/16"), null],
    [
      "the only pool that is open",
      out("10.1.0.0/16") + pool("p", "10.1.0.0/16") + pool("q", "10.2.0.0/16", ", disabled: true"),
      true,
    ],
    ["a part of the pool", out("10.1.0.0/24") + pool("p", "10.1.0.0/16"), null],
    ["another range than the pool's", out("172.17.0.0/16") + pool("p", "10.1.0.0/16"), false],
    ["a range, and no pool is known", out("172.17.0.0/16"), null],
    ["the other family", out("::/0") + pool("p", "10.1.0.0/16"), false],
  ])("%s", (_, text, expected) => {
    const cell = cellOf(text);
    expect(cell?.allowed).toBe(expected);
    if (expected !== true) expect(cell?.by).toMatchObject({ by: "egress", policy: "default/out" });
  });

  it("knows the pool or the address that a pod asks for", () => {
    const pools = pool("p", "10.1.0.0/16") + pool("q", "10.2.0.0/16");
    const asking = (annotations: string) =>
      cellOf(
        (out("10.1.0.0/16") + pools).replace(
          "template: {metadata: {labels: {app: b}}",
          `template: {metadata: {labels: {app: b}, annotations: {${annotations}}}`,
        ),
      )?.allowed;
    expect(asking(`cni.projectcalico.org/ipv4pools: '["p"]'`)).toBe(true);
    expect(asking(`cni.projectcalico.org/ipv4pools: '["q"]'`)).toBe(false);
    expect(asking(`cni.projectcalico.org/ipAddrs: '["10.1.0.9"]'`)).toBe(true);
  });

  it.each(["10.9.0.0/16", "10.0.0.0/8", "0.0.0.0/0"])("has the same marks as cells: out to %s", (range) => {
    const facts = manifests(out(range));
    const cells = offline(facts, "80/tcp,81/tcp");
    const marks = { true: "+", false: ".", null: "?" } as const;
    const expected = cells.map(({ port, from, allowed: is }) => [port, from, marks[`${is}`]].join(" "));
    const found: string[] = [];
    let port = "";
    for (const line of offlineText(facts, "80/tcp,81/tcp").split("\n")) {
      if (/^\d+\/tcp$/.test(line)) port = line;
      const row = /^(\S+) +([+.?](?: +[+.?])*)$/.exec(line);
      if (row) found.push(...(row[2] ?? "").split(/ +/).map((mark) => `${port} ${row[1]} ${mark}`));
    }
    expect(found.toSorted()).toEqual(expected.toSorted());
  });

  it("has a sign of its own, and why", () => {
    const text = offlineText(manifests(out("10.9.0.0/16")), "80/tcp");
    expect(text).toContain("? cannot tell");
    expect(text).toContain("6 of 8 allowed, 2 cannot be told");
    expect(text).toContain(
      "deployment/default/a → deployment/default/b 80/tcp: egress cannot tell: policy default/out",
    );
  });
});

it("quotes what CSV and XML would read as their own", () => {
  const cells: Cell[] = [
    { from: 'a"b,c', to: "<x>&", port: "80/tcp", allowed: false, by: { by: "port", reason: "no" } },
  ];
  expect([...formatMatrix(cells, "csv")][1]).toBe('"a""b,c",<x>&,80/tcp,false,port,,no\n');
  expect([...formatMatrix(cells, "svg")].join("")).toContain("&lt;x&gt;&amp;");
});

it("tells a pod to itself from one replica to another, be they alike for policies", () => {
  const spec = "{containers: [{name: c, ports: [{containerPort: 80}]}]}";
  const cells = offline(
    manifests(`
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: shut}, spec: {podSelector: {matchLabels: {app: a}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: many}, spec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: ${spec}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: one, labels: {app: a, other: unseen}}, spec: ${spec}}
`),
    "80/tcp",
  );
  const self = (name: string) => allowed(cells, name, name, "80/tcp");
  expect([self("deployment/default/many"), self("pod/default/one")]).toEqual([false, true]);
});

it("lets a range stand for those of its addresses that nobody has", () => {
  const fromNet = policy("net", {
    podSelector: {},
    ingress: [{ from: [{ ipBlock: { cidr: "192.168.18.0/24" } }, { ipBlock: { cidr: "10.1.0.0/31" } }] }],
  });
  const owned = [pod("first", "10.1.0.0", "n1"), pod("second", "10.1.0.1", "n1")];
  const nodes = [
    ["zero", "192.168.18.0"],
    ["one", "192.168.18.1"],
  ].map(([name = "", ip = ""]) => node(name, ip));
  const ends = rangeEnds(cluster(fromNet, ...owned, ...nodes));
  expect(ends.map(({ name, addresses }) => [name, ...addresses])).toEqual([
    ["192.168.18.0/24", "192.168.18.2"],
    // Where all are somebody's, one of them.
    ["10.1.0.0/31", "10.1.0.0"],
  ]);
});

describe("of a live cluster", () => {
  it("asks each target's own ports, pods and hosts alike, and expects nothing where nobody listens", () => {
    const facts = cluster(host("router", "172.17.0.1", { role: "router" }));
    const cells = live(facts);
    expect(new Set(cells.map((cell) => `${cell.to} ${cell.port}`))).toEqual(
      new Set([
        "pod/default/web 80/tcp",
        "pod/default/api 80/tcp",
        "pod/default/db 3306/tcp",
        "host/out 80/tcp",
      ]),
    );
    expect(cells).toHaveLength(4 * 4);
    expect(cells.every((cell) => cell.allowed)).toBe(true);
    const [deaf] = live(facts, "81/tcp");
    expect(deaf).toMatchObject({ allowed: false, by: { by: "port" } });
  });

  it("says the same as explain, cell by cell", () => {
    fc.assert(
      fc.property(fc.array(anyPolicy, { maxLength: 4 }), (policies) => {
        const named = policies.map((spec, index) =>
          policy(`p${index}`, spec, index % 2 === 0 ? "default" : "other"),
        );
        const facts = cluster(...others, ...named);
        const judges = judgesOf(facts);
        const ends = clusterEnds(facts);
        for (const cell of live(facts, "80/tcp,81/tcp,53/udp")) {
          const [from, to] = [cell.from, cell.to].map((name) => ends.find((end) => end.name === name));
          const answer = explain(facts, judges, from!, to!, parsePorts(cell.port)[0]);
          // Whether more than what objects tell listens on a node's network, none of them says.
          expect(answer.reachable ?? answer.allowed, JSON.stringify(cell)).toBe(cell.allowed);
          if (!answer.egress.allowed)
            expect(cell.by).toMatchObject({ by: "egress", reason: answer.egress.reason });
        }
      }),
      { numRuns: 60 },
    );
  });
});

const others = [
  namespace("other", { team: "b" }),
  pod("web", "10.1.0.66", "n2", { namespace: "other", ports: [{ name: "http", containerPort: 81 }] }),
  pod("agent", "192.168.18.4", "n2", { hostNetwork: true, ports: [{ containerPort: 80 }] }),
  host("strict", "172.17.0.7", { admit: ["10.1.0.0/26"] }),
];

const selector = fc.constantFrom({}, { matchLabels: { app: "web" } }, { matchLabels: { app: "api" } });
const anyPeer: fc.Arbitrary<NetworkPolicyPeer> = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({
    namespaceSelector: fc.constantFrom({}, { matchLabels: { team: "b" } }),
    podSelector: selector,
  }),
  fc.record({
    ipBlock: fc.constantFrom({ cidr: "172.17.0.0/16" }, { cidr: "0.0.0.0/0", except: ["10.1.0.0/26"] }),
  }),
);
const rule = {
  ports: fc.array(fc.constantFrom({ port: 80 }, { port: "http" }, { protocol: "UDP" as const }), {
    maxLength: 2,
  }),
};
const anyPolicy: fc.Arbitrary<NetworkPolicy["spec"]> = fc.record({
  podSelector: selector,
  policyTypes: fc.subarray(["Ingress", "Egress"] as const),
  ingress: fc.array(fc.record({ from: fc.array(anyPeer, { maxLength: 2 }), ...rule }), { maxLength: 2 }),
  egress: fc.array(fc.record({ to: fc.array(anyPeer, { maxLength: 2 }), ...rule }), { maxLength: 2 }),
});

describe("senders on a node's own network, where only objects tell", () => {
  const tunnelled = (mode: string, annotations: Readonly<Record<string, string>>, policyFrom: string) =>
    manifests(
      [
        ...(["1", "2"] as const).map(
          (digit) => `
apiVersion: v1
kind: Node
metadata: {name: n${digit}, annotations: {projectcalico.org/IPv4Address: 192.168.${digit}8.1/24${
            annotations[digit] === undefined
              ? ""
              : `, projectcalico.org/IPv4VXLANTunnelAddr: ${annotations[digit]}`
          }}}
status: {addresses: [{type: InternalIP, address: 192.168.${digit}8.1}]}
`,
        ),
        `
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.1.0.0/16, vxlanMode: ${mode}}
`,
        ...[
          ["host", "n1", "192.168.18.1", ", hostNetwork: true"],
          ["near", "n1", "10.1.0.2", ""],
          ["far", "n2", "10.1.0.66", ""],
        ].map(
          ([name, node, ip, more]) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: default}
spec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 80}]}]${more}}
status: {podIP: ${ip}, phase: Running}
`,
        ),
        `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: default}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: ${policyFrom}}}]}]}
`,
      ].join("---"),
    );
  const cellsTo = (facts: ClusterFacts) => {
    const cells = offline(facts, "80/tcp");
    return (["near", "far"] as const).map((to) =>
      allowed(cells, "pod/default/host", `pod/default/${to}`, "80/tcp"),
    );
  };
  const written = { 1: "10.1.0.1", 2: "10.1.0.65" };

  it("are seen by their tunnel's address on other nodes", () => {
    expect(cellsTo(tunnelled("Always", written, "192.168.18.0/24"))).toEqual([true, false]);
    expect(cellsTo(tunnelled("Always", written, "10.1.0.1/32"))).toEqual([true, true]);
    expect(cellsTo(tunnelled("CrossSubnet", written, "10.1.0.1/32"))).toEqual([true, true]);
    expect(cellsTo(tunnelled("Never", written, "192.168.18.0/24"))).toEqual([true, true]);
  });

  it("cannot be told of while a node has not written down that address, but where all addresses agree", () => {
    expect(cellsTo(tunnelled("Always", {}, "192.168.18.0/24"))).toEqual([true, null]);
    expect(cellsTo(tunnelled("Always", {}, "10.1.0.0/16"))).toEqual([true, null]);
    expect(cellsTo(tunnelled("Always", {}, "172.16.0.0/12"))).toEqual([true, false]);
    expect(cellsTo(tunnelled("Always", {}, "0.0.0.0/0"))).toEqual([true, true]);
  });
});
