// Every row of the precedence table (docs/snat.md) with real packets: what explain says beforehand, with its row, is what
// the far side then sees, in both address families.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { snatRows } from "../../src/plan/snat/rows.ts";
import { Commands } from "../e2e/trunkline.ts";

const lab = `
name: precedence
networks:
  - {name: nodes, cidrs: [192.168.18.0/24, fd18::/64]}
  - {name: vpc, cidrs: [192.168.200.0/24, fd20::/64]}
  - {name: internet, cidrs: [203.0.113.0/24, "2001:db8::/64"]}
routers:
  - {name: gateway, addresses: [192.168.18.1, 192.168.200.1, 203.0.113.1, "fd18::1", "fd20::1", "2001:db8::1"]}
nodes:
  - {name: node1, addresses: [192.168.18.11, "fd18::11"]}
  - {name: node2, addresses: [192.168.18.12, "fd18::12"]}
hosts:
  - {name: vpc, addresses: [192.168.200.253, "fd20::253"], ports: [80]}
  - {name: internet, addresses: [203.0.113.10, "2001:db8::10"], ports: [80, 80/udp]}
  - {name: other, addresses: [203.0.113.11, "2001:db8::11"], ports: [80]}
`;

interface Wish {
  readonly pool?: string;
  readonly snat?: string;
  readonly labels?: string;
  readonly more?: string;
}
const pod = (
  namespace: string,
  name: string,
  { pool = "plain", snat = "", labels = "", more = "" }: Wish = {},
) => `---
apiVersion: v1
kind: Pod
metadata:
  name: "${name}"
  namespace: ${namespace}
  labels: {app: "${name}"${labels}}
  annotations:
    cni.projectcalico.org/ipv4pools: '["${pool}"]'
    cni.projectcalico.org/ipv6pools: '["${pool}6"]'
${snat ? `    trunkline.dev/snat: ${snat}\n` : ""}spec:
  nodeName: node1
  ${more}
  containers: [{name: c, ports: [{containerPort: ${more ? 9090 : 80}}]}]
`;
const pool = (name: string, third: number, more = "") => `---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: "${name}"}
spec: {cidr: 172.16.${third}.0/24, blockSize: 28${more}}
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: ${name}6}
spec: {cidr: "fd10:0:0:${third}::/112", blockSize: 124${more}}
`;
const namespace = (name: string, snat?: string) => `---
apiVersion: v1
kind: Namespace
metadata: {name: ${name}, labels: {ns: ${name}}${snat ? `, annotations: {trunkline.dev/snat: ${snat}}` : ""}}
`;
const objects = [
  pool("plain", 1),
  pool("off", 2, ", natOutgoing: false"),
  pool("on", 3, ", natOutgoing: true"),
  namespace("free"),
  namespace("none", "none"),
  namespace("masq", "masquerade"),
  pod("free", "plain"),
  pod("free", "off", { pool: "off" }),
  pod("free", "on", { pool: "on" }),
  pod("free", "none", { snat: "none" }),
  pod("free", "masq", { snat: "masquerade", pool: "off" }),
  pod("none", "plain"),
  pod("none", "masq", { snat: "masquerade" }),
  pod("masq", "plain"),
  pod("masq", "off", { pool: "off" }),
  pod("masq", "none", { snat: "none" }),
  pod("free", "ruled", { labels: ", ruled: 'yes'" }),
  pod("free", "ruled-off", { labels: ", ruled: 'yes'", pool: "off" }),
  pod("free", "ruled-none", { labels: ", ruled: 'yes'", snat: "none" }),
  pod("masq", "ruled", { labels: ", ruled: 'yes'" }),
  pod("free", "on-node", { more: "hostNetwork: true" }),
].join("");

const rule = (name: string, priority: number, rules: string) => `---
apiVersion: trunkline.dev/v1alpha1
kind: SourceNAT
metadata: {name: ${name}}
spec: {priority: ${priority}, rules: [${rules}]}
`;
const select = "podSelector: {matchLabels: {ruled: 'yes'}}";
const fixed = "{type: Address, addresses: [192.168.18.100, 'fd18::100']}";
const masquerade = "{type: Masquerade}";
const none = "{type: None}";
const config = (text: string) => `---
apiVersion: v1
kind: ConfigMap
metadata: {name: ip-masq-agent, namespace: kube-system}
data:
  config: '${text}'
`;

const ownRangesKept = config('{"nonMasqueradeCIDRs": ["192.168.0.0/16", "fd00::/8"]}');

type Outcome = "own" | "node" | "fixed";
type Cell = readonly [from: string, to: string, row: string, outcome: Outcome];
interface Scene {
  readonly title: string;
  readonly objects: string;
  readonly cells: readonly Cell[];
}

const annotations: readonly Cell[] = [
  ["free/none", "internet", "pod-none", "own"],
  ["free/masq", "internet", "pod-masquerade", "node"],
  ["none/plain", "internet", "namespace-none", "own"],
  ["none/masq", "internet", "pod-masquerade", "node"],
  ["masq/plain", "internet", "namespace-masquerade", "node"],
  ["masq/off", "vpc", "namespace-masquerade", "node"],
  ["masq/none", "internet", "pod-none", "own"],
];
const scenes: readonly Scene[] = [
  {
    title: "pools and annotations alone",
    objects: "",
    cells: [
      ...annotations,
      ["free/plain", "internet", "nothing", "own"],
      ["free/off", "internet", "pool-off", "own"],
      ["free/on", "internet", "pool-on", "node"],
    ],
  },
  {
    title: "a list of ranges that are not masqueraded",
    objects: ownRangesKept,
    cells: [
      ...annotations,
      ["free/plain", "vpc", "config-range", "own"],
      ["free/plain", "internet", "config-others", "node"],
      ["free/off", "internet", "pool-off", "own"],
      ["free/on", "vpc", "config-range", "own"],
      ["free/on", "internet", "config-others", "node"],
    ],
  },
  {
    title: "the inverse list",
    objects: config('{"masqueradeCIDRs": ["203.0.113.10/32", "2001:db8::10/128"]}'),
    cells: [
      ["free/none", "internet", "pod-none", "own"],
      ["masq/off", "other", "namespace-masquerade", "node"],
      ["free/plain", "internet", "config-inverse", "node"],
      ["free/plain", "other", "config-others", "own"],
      ["free/off", "internet", "pool-off", "own"],
    ],
  },
  {
    title: "rules by priority",
    objects: [
      ownRangesKept,
      rule("a-later", 200, `{${select}, action: ${none}}`),
      rule("z-first", 10, `{${select}, destinations: [203.0.113.0/24, "2001:db8::/64"], action: ${fixed}}`),
    ].join(""),
    cells: [
      ["free/ruled", "internet", "source-nat", "fixed"],
      ["free/ruled-off", "internet", "source-nat", "fixed"],
      ["free/ruled", "vpc", "source-nat", "own"],
      ["free/ruled-none", "internet", "pod-none", "own"],
      ["masq/ruled", "internet", "namespace-masquerade", "node"],
      ["free/plain", "internet", "config-others", "node"],
    ],
  },
  {
    title: "rules by name, then by their order",
    objects: [
      ownRangesKept,
      rule(
        "a-later",
        50,
        [
          `{${select}, destinations: [203.0.113.11/32, "2001:db8::11/128"], action: ${none}}`,
          `{namespaceSelector: {matchLabels: {ns: free}}, ${select}, action: ${masquerade}}`,
          `{${select}, action: ${fixed}}`,
        ].join(", "),
      ),
      rule("z-first", 50, `{${select}, action: ${fixed}}`),
    ].join(""),
    cells: [
      ["free/ruled", "other", "source-nat", "own"],
      ["free/ruled", "internet", "source-nat", "node"],
      ["free/ruled-off", "vpc", "source-nat", "node"],
      ["free/plain", "vpc", "config-range", "own"],
    ],
  },
];

interface Seen {
  readonly sourceSeen: string | null;
  readonly snat?: { readonly row: string };
}

describe("the precedence table with real packets", () => {
  const trunkline = new Commands();
  const own = new Map<string, readonly string[]>();
  const reached = new Set<string>();
  const { file } = trunkline;
  beforeAll(async () => {
    await trunkline.up(file("lab.yaml", lab));
    await trunkline.ask("apply", "-f", file("objects.yaml", objects));
    await trunkline.ask("wait", "--for", "ready", "--all", "-A", "--timeout", "60s");
    const { items } = await trunkline.json<{
      items: { metadata: { namespace: string; name: string }; status: { podIPs: { ip: string }[] } }[];
    }>("get", "pods", "-A");
    for (const { metadata, status } of items)
      own.set(
        `${metadata.namespace}/${metadata.name}`,
        status.podIPs.map(({ ip }) => ip),
      );
    // Rules name an address of the node that is not its first one. It is deprecated, because the kernel may otherwise
    // prefer it where it masquerades or the node itself speaks.
    for (const address of ["192.168.18.100/32", "fd18::100/128"]) {
      const flags = address.includes(":") ? ["nodad", "preferred_lft", "0"] : [];
      const words = ["ip", "address", "add", address, "dev", "eth0", ...flags];
      await trunkline.ask("lab", "exec", "node1", "--", ...words);
    }
  });
  afterAll(async () => {
    await trunkline.end();
    // Of all tests together, as they run in any order.
    expect(snatRows.map(({ id }) => id).filter((id) => !reached.has(id))).toEqual([]);
  });

  const hosts: Readonly<Record<string, readonly string[]>> = {
    vpc: ["192.168.200.253", "fd20::253"],
    internet: ["203.0.113.10", "2001:db8::10"],
    other: ["203.0.113.11", "2001:db8::11"],
  };
  const wanted = (from: string, outcome: Outcome): readonly string[] =>
    outcome === "own"
      ? (own.get(from) ?? [])
      : outcome === "node"
        ? ["192.168.18.11", "fd18::11"]
        : ["192.168.18.100", "fd18::100"];

  /** Says and then asks; a change of objects needs a moment to reach the kernel. */
  async function both(
    from: string,
    to: string,
    seen: string | undefined,
    row: string | undefined,
  ): Promise<void> {
    const [space = "", name = ""] = from.split("/");
    const words = ["host", "node"].includes(space) ? [from, to] : [`pod/${name}`, to, "-n", space];
    // It ends with 1, and so throws, if it expects no answer.
    const said = await trunkline.json<Seen>("explain", ...words);
    expect({ from, to, seen: said.sourceSeen, row: said.snat?.row }).toEqual({ from, to, seen, row });
    let found: string | null = null;
    for (let left = 30; left > 0 && found !== seen; left--)
      found = (await trunkline.json<Seen>("probe", ...words)).sourceSeen;
    expect({ from, to, seen: found }).toEqual({ from, to, seen });
    if (row) reached.add(row);
  }

  it.each(scenes)("$title", async ({ title, objects: text, cells }) => {
    const written = file(`${title.replaceAll(" ", "-")}.yaml`, text);
    if (text) await trunkline.ask("apply", "-f", written);
    try {
      for (const [from, to, row, outcome] of cells) {
        const seen = wanted(from, outcome);
        const addresses = hosts[to] ?? [];
        await Promise.all(
          addresses.map((address, at) =>
            both(from, at === 0 ? `${address}:80` : `[${address}]:80`, seen[at], row),
          ),
        );
      }
    } finally {
      if (text) await trunkline.ask("delete", "-f", written);
    }
  });

  it("leaves alone what is no pod's, stays on the node, or goes between pods", async () => {
    const [four = "", six = ""] = own.get("free/plain") ?? [];
    const mine = own.get("free/masq") ?? [];
    await both("node/node1", "203.0.113.10:80", "192.168.18.11", "not-a-pod");
    await both("node/node1", "[2001:db8::10]:80", "fd18::11", "not-a-pod");
    await both("host/internet", `${four}:80`, "203.0.113.10", "not-a-pod");
    await both("host/internet", `[${six}]:80`, "2001:db8::10", "not-a-pod");
    await both("free/masq", "192.168.18.11:9090", mine[0], "own-node");
    await both("free/masq", "[fd18::11]:9090", mine[1], "own-node");
    await both("free/masq", `${four}:80`, mine[0], "pod-to-pod");
    await both("free/masq", `[${six}]:80`, mine[1], "pod-to-pod");
    await both("masq/plain", `${four}:80`, own.get("masq/plain")?.[0], "pod-to-pod");
  });
});
