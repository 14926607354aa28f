// What other programs and people do to a lab's machines, with packets beside what explain, the matrix and the difference say.
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Explanation } from "../../src/explain/explain.ts";
import { run } from "../../src/kernel/exec/index.ts";
import type { ProbeAnswer } from "../../src/lab/probe/prober.ts";
import type { PlannedCell } from "../e2e/cells.ts";
import { Commands } from "../e2e/trunkline.ts";

const lab = `
name: meddled
chainedPlugins: [portmap]
networks:
  - {name: nodes, cidrs: [192.168.18.0/24, "fd00:18::/64", "2001:db8:18::/64"]}
  - {name: far, cidrs: [172.17.0.0/24, "2001:db8:1::/64"]}
routers:
  - {name: gate, addresses: [192.168.18.1, "fd00:18::1", "2001:db8:18::1", 172.17.0.1, "2001:db8:1::1"]}
nodes:
  - {name: node1, addresses: [192.168.18.11, "fd00:18::11", "2001:db8:18::11"], labels: {egress: "yes"}}
  - {name: node2, addresses: [192.168.18.12, "fd00:18::12", "2001:db8:18::12"]}
hosts:
  - {name: far, addresses: [172.17.0.9, "2001:db8:1::9"], ports: [80]}
  - {name: choosy, address: 172.17.0.8, ports: [80], admit: [10.244.0.0/16]}
`;

const pod = (name: string, spec: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec: {${spec}, containers: [{name: c, ports: [{containerPort: 80}]}]}
`;
const objects = `
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.244.0.0/16, blockSize: 24}
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: six}
spec: {cidr: "fd00:244::/64", blockSize: 120, natOutgoing: true}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-cli}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: cli}}}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-node}
spec: {podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 192.168.18.11/32}}]}]}
${pod("cli", "nodeName: node1")}${pod("web", "nodeName: node2")}${pod("api", "nodeName: node2")}${pod("near", "nodeName: node1")}`;

const trunkline = new Commands();
const { file } = trunkline;
const addressOf = async (name: string) =>
  (await trunkline.json<{ status: { podIP: string } }>("get", "pod", name)).status.podIP;
const namespaceOf = (member: string) =>
  trunkline.entry().record.members.find(({ name }) => name === member)?.netns ?? "";
const on = (member: string, command: string, ...args: string[]) =>
  run(command, args, { netns: { name: namespaceOf(member) } });
const undo: (() => Promise<unknown>)[] = [];

/** Adds iptables rules to a node; they go after the test. */
async function rules(member: string, table: string, ...lines: string[]): Promise<void> {
  for (const line of lines) await on(member, "iptables-nft", "-t", table, ...line.split(" "));
  undo.push(async () => {
    for (const action of ["-F", "-X"]) await on(member, "iptables-nft", "-t", table, action);
  });
}

async function nft(member: string, table: string, text: string): Promise<void> {
  await run("nft", ["-f", "-"], { netns: { name: namespaceOf(member) }, input: text });
  undo.push(() => on(member, "nft", "delete", "table", ...table.split(" ")));
}

interface Both {
  readonly found: ProbeAnswer;
  readonly said: Explanation;
  readonly codes: readonly number[];
}

async function both(from: string, to: string): Promise<Both> {
  const words = [from, to, "--lab", trunkline.lab, "-o", "json"];
  const [found, said] = [await trunkline.say("probe", ...words), await trunkline.say("explain", ...words)];
  return { found: JSON.parse(found.stdout), said: JSON.parse(said.stdout), codes: [found.code, said.code] };
}

/** Asks with packets and without, and expects the same answer; returns it. */
async function alike(from: string, to: string) {
  let { found, said, codes } = await both(from, to);
  // A kernel may take an error for a passing one, and wait: then only the next packet's tells.
  for (let left = 3; left > 0 && codes[0] === 1 && found.outcome !== said.expected; left--)
    ({ found, said, codes } = await both(from, to));
  const answer = [found.outcome, found.sourceSeen];
  expect(
    [said.expected, found.sourceSeen === null ? null : said.sourceSeen],
    said.reasons.join("\n"),
  ).toEqual(answer);
  expect(codes[0], said.reasons.join("\n")).toBe(codes[1]);
  return { outcome: found.outcome, seen: found.sourceSeen, said };
}

async function cell(from: string, to: string): Promise<boolean | null | undefined> {
  const { stdout } = await trunkline.say("policy", "matrix", "--lab", trunkline.lab, "-o", "json");
  const { cells } = JSON.parse(stdout) as { cells: PlannedCell[] };
  return cells.find((one) => one.from === from && one.to === to && one.port === "80/tcp")?.allowed;
}

beforeAll(async () => {
  await trunkline.up(file("lab.yaml", lab), "--separate");
  await trunkline.ask("apply", "-f", file("objects.yaml", objects));
  await trunkline.ask("wait", "--for", "ready", "--all", "-A");
}, 120_000);
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});
afterAll(() => trunkline.end());

describe("sources that others translate", () => {
  const flannel = [
    "-N FLANNEL-POSTRTG",
    "-A POSTROUTING -j FLANNEL-POSTRTG",
    "-A FLANNEL-POSTRTG -s 10.244.250.0/24 -d 10.244.0.0/16 -j RETURN",
    "-A FLANNEL-POSTRTG -s 10.244.0.0/16 -d 10.244.250.0/24 -j RETURN",
    "-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.250.0/24 -j RETURN",
    "-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE",
    "-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.0.0/16 -j MASQUERADE",
  ];

  it("are what policies of another node and hosts' lists see, and those of the pod's own node do not", async () => {
    expect(await alike("pod/cli", "pod/web:80")).toMatchObject({ outcome: "answered" });
    expect(await alike("pod/cli", "pod/api:80")).toMatchObject({ outcome: "filtered" });
    await rules("node1", "nat", ...flannel);
    expect(await alike("pod/cli", "pod/web:80")).toMatchObject({ outcome: "filtered" });
    expect(await alike("pod/cli", "pod/api:80")).toMatchObject({
      outcome: "answered",
      seen: "192.168.18.11",
    });
    expect(await alike("pod/cli", "pod/near:80")).toMatchObject({
      outcome: "answered",
      seen: "192.168.18.11",
    });
    expect(await alike("pod/cli", "host/choosy:80")).toMatchObject({ outcome: "refused" });
    const [to, at] = ["pod/default/web", "pod/default/api"];
    expect([await cell("pod/default/cli", to), await cell("pod/default/cli", at)]).toEqual([false, true]);
    const wider = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: more}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 192.168.18.11/32}}]}]}
`;
    const { code, stdout } = await trunkline.say(
      "policy",
      "diff",
      "-f",
      file("more.yaml", wider),
      "--lab",
      trunkline.lab,
    );
    expect([code, stdout]).toEqual([
      1,
      expect.stringContaining("+ pod/default/cli → pod/default/web 80/tcp"),
    ]);
  });

  it.each([
    ["by the link that the packet leaves by", "-A POSTROUTING -s 10.244.0.0/16 -o eth0 -j MASQUERADE"],
    ["to an address of the node", "-A POSTROUTING -s 10.244.0.0/16 -j SNAT --to-source 192.168.18.11"],
  ])("%s", async (_what, rule) => {
    await rules("node1", "nat", rule);
    expect(await alike("pod/cli", "host/far:80")).toMatchObject({ seen: "192.168.18.11" });
  });

  it("by another link: not", async () => {
    await rules("node1", "nat", "-A POSTROUTING -s 10.244.0.0/16 -o eth1 -j MASQUERADE");
    expect(await alike("pod/cli", "host/far:80")).toMatchObject({ seen: await addressOf("cli") });
  });

  it.each([
    [
      "ip nat",
      "table ip nat {\n chain postrouting {\n type nat hook postrouting priority srcnat;\n ip saddr 10.244.0.0/16 masquerade\n }\n}\n",
    ],
    [
      "inet mine",
      'table inet mine {\n set far { type ipv4_addr; flags interval; elements = { 172.17.0.0/24 } }\n chain out {\n type nat hook postrouting priority 95;\n ip daddr @far oifname "eth*" snat ip to 192.168.18.11\n }\n}\n',
    ],
  ])("by nftables' own table %s", async (table, text) => {
    await nft("node1", table, text);
    expect(await alike("pod/cli", "host/far:80")).toMatchObject({ seen: "192.168.18.11" });
  });

  it("by chance: that cannot be told, and the rule is named", async () => {
    await rules(
      "node1",
      "nat",
      "-A POSTROUTING -s 10.244.0.0/16 -m statistic --mode random --probability 0.5 -j MASQUERADE",
    );
    const { said, codes } = await both("pod/cli", "host/far:80");
    expect(codes).toEqual([0, 3]);
    expect(said).toMatchObject({ allowed: true, reachable: true, sourceSeen: null });
    expect(said.unknown).toEqual([expect.stringContaining("-m statistic --mode random")]);
    expect(await cell("pod/default/cli", "host/choosy")).toBeNull();
    expect((await both("pod/web", "host/far:80")).codes).toEqual([0, 0]);
  });

  it("come back only through the machine that translated", async () => {
    await rules(
      "node1",
      "nat",
      "-A POSTROUTING -s 10.244.0.0/16 -d 172.17.0.0/24 -j SNAT --to-source 192.168.18.12",
    );
    const { said } = await alike("pod/cli", "host/far:80");
    expect(said).toMatchObject({ allowed: true, reachable: false, sourceSeen: "192.168.18.12" });
    expect(said.reasons[0]).toContain(
      "the answer to 192.168.18.12 does not come back: it goes to node/node2",
    );
  });

  it("are chosen by RFC 6724 among several IPv6 addresses", async () => {
    expect(await alike("pod/cli", "2001:db8:1::9")).toMatchObject({ outcome: "answered" });
    const { seen } = await alike("pod/cli", "[2001:db8:1::9]:80");
    expect(seen).toBe("2001:db8:18::11");
    await on("node1", "ip", "address", "add", "2001:db8:1:8000::5/64", "dev", "lo", "nodad");
    undo.push(() => on("node1", "ip", "address", "del", "2001:db8:1:8000::5/64", "dev", "lo"));
    await alike("pod/cli", "[2001:db8:1::9]:80");
    await alike("node/node1", "[2001:db8:1::9]:80");
  });
});

describe("destinations that others translate", () => {
  it("from pods, as kube-proxy does", async () => {
    const web = await addressOf("web");
    await rules(
      "node1",
      "nat",
      `-A PREROUTING -d 10.96.0.1 -p tcp --dport 8080 -j DNAT --to-destination ${web}:80`,
    );
    expect(await alike("pod/cli", "10.96.0.1:8080")).toMatchObject({ outcome: "answered" });
    expect(await alike("pod/near", "10.96.0.1:8080")).toMatchObject({ outcome: "filtered" });
    expect(await alike("node/node1", "10.96.0.1:8080")).toMatchObject({ outcome: "unreachable" });
    expect(await alike("pod/cli", "10.96.0.1:8081")).toMatchObject({ outcome: "unreachable" });
  });

  it("from the node itself, and with a mark that masquerades", async () => {
    const cli = await addressOf("cli");
    await rules(
      "node1",
      "nat",
      "-N MARK-MASQ",
      "-A MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
      "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE",
      "-A PREROUTING -d 10.96.0.2 -j MARK-MASQ",
      ...["PREROUTING", "OUTPUT"].map(
        (chain) => `-A ${chain} -d 10.96.0.2 -p tcp -j DNAT --to-destination ${cli}:80`,
      ),
    );
    expect(await alike("node/node1", "10.96.0.2:7")).toMatchObject({ outcome: "answered" });
    expect(await alike("pod/near", "10.96.0.2:7")).toMatchObject({
      outcome: "answered",
      seen: "192.168.18.11",
    });
    // To itself, and back by the same way.
    expect(await alike("pod/cli", "10.96.0.2:7")).toMatchObject({
      outcome: "answered",
      seen: "192.168.18.11",
    });
  });
});

it("hostPorts are followed to their pods, from everywhere", async () => {
  const mapped = pod("mapped", "nodeName: node1").replace(
    "containerPort: 80",
    "containerPort: 80, hostPort: 8080",
  );
  await trunkline.ask("apply", "-f", file("mapped.yaml", mapped));
  await trunkline.ask("wait", "--for", "ready", "pod/mapped");
  for (const from of ["pod/cli", "pod/web", "pod/mapped", "node/node1", "node/node2", "host/far"])
    expect(await alike(from, "node/node1:8080"), from).toMatchObject({ outcome: "answered" });
  expect(await alike("node/node1", "127.0.0.1:8080")).toMatchObject({ outcome: "answered" });
  expect(await alike("pod/cli", "node/node1:8081")).toMatchObject({ outcome: "refused" });
  const shut = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut}
spec: {podSelector: {matchLabels: {app: mapped}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 172.17.0.0/24}}]}]}
`;
  await trunkline.ask("apply", "-f", file("shut.yaml", shut));
  for (const [from, outcome] of [
    ["pod/cli", "filtered"],
    ["host/far", "answered"],
    ["node/node1", "answered"],
    ["node/node2", "filtered"],
  ] as const)
    expect(await alike(from, "node/node1:8080"), from).toMatchObject({ outcome });
  await trunkline.ask("delete", "-f", file("shut.yaml", shut), "-f", file("mapped.yaml", mapped));
});

describe("filters of others", () => {
  it.each([
    ["drop", "-A FORWARD -d 172.17.0.9 -j DROP", "filtered"],
    ["reject", "-A FORWARD -d 172.17.0.9 -j REJECT", "refused"],
    [
      "say that it is unreachable",
      "-A FORWARD -d 172.17.0.9 -j REJECT --reject-with icmp-host-prohibited",
      "unreachable",
    ],
    ["drop answers", "-A FORWARD -s 172.17.0.9 -j DROP", "filtered"],
    ["drop all but the first packet", "-A FORWARD -d 172.17.0.9 -p tcp ! --syn -j DROP", "filtered"],
    ["drop what is somebody else's", "-A FORWARD -s 10.9.0.0/16 -j DROP", "answered"],
  ])("%s", async (_what, rule, outcome) => {
    await rules("node1", "filter", rule);
    expect(await alike("pod/cli", "host/far:80")).toMatchObject({ outcome });
  });

  it("in nftables, where a policy drops what no rule accepts", async () => {
    const chain =
      "type filter hook forward priority 10; policy drop;\n ct state established,related accept\n ip daddr { 172.17.0.9, 10.0.0.0/8 } accept";
    await nft("node1", "inet fw", `table inet fw {\n chain forward {\n ${chain}\n }\n}\n`);
    expect(await alike("pod/cli", "host/far:80")).toMatchObject({ outcome: "answered" });
    const { said } = await alike("pod/cli", "host/choosy:80");
    expect(said).toMatchObject({ allowed: true, expected: "filtered" });
    expect(said.reasons[0]).toContain("nft inet fw forward, whose policy is to drop");
  });

  it("on a host", async () => {
    await rules("far", "filter", "-A INPUT -p tcp --dport 80 -j REJECT --reject-with tcp-reset");
    expect(await alike("pod/cli", "host/far:80")).toMatchObject({ outcome: "refused" });
    expect(await alike("pod/cli", "host/far/icmp")).toMatchObject({ outcome: "answered" });
  });
});

describe("what people change by hand", () => {
  it("an address on lo and one on a link bring their own source and network", async () => {
    await on("node2", "ip", "address", "add", "192.168.18.77/32", "dev", "lo");
    undo.push(() => on("node2", "ip", "address", "del", "192.168.18.77/32", "dev", "lo"));
    expect(await alike("pod/cli", "192.168.18.77:10250")).toMatchObject({ outcome: "answered" });
    await on("node1", "ip", "address", "add", "172.29.0.1/24", "dev", "eth0");
    undo.push(() => on("node1", "ip", "address", "del", "172.29.0.1/24", "dev", "eth0"));
    await on("gate", "ip", "address", "add", "172.29.0.2/24", "dev", "eth0");
    undo.push(() => on("gate", "ip", "address", "del", "172.29.0.2/24", "dev", "eth0"));
    expect((await alike("node/node1", "172.29.0.2:80")).said.sourceSeen).toBe("172.29.0.1");
  });

  it("a routing rule of somebody else's: its way is not known", async () => {
    await on("node1", "ip", "rule", "add", "from", "10.244.0.0/16", "lookup", "100", "priority", "900");
    undo.push(() => on("node1", "ip", "rule", "del", "priority", "900"));
    const { said, codes } = await both("pod/cli", "host/far:80");
    expect(codes).toEqual([0, 3]);
    expect(said.unknown).toEqual([expect.stringContaining("900: from 10.244.0.0/16")]);
  });
});

it("an egress address whose holder's agent is stuck is nobody's after some time", async () => {
  const rule = `
apiVersion: trunkline.dev/v1alpha1
kind: SourceNAT
metadata: {name: held}
spec:
  rules:
  - podSelector: {matchLabels: {app: cli}}
    destinations: [172.17.0.0/24]
    action: {type: Address, addresses: [192.168.18.240], egressNodes: {matchLabels: {egress: "yes"}}}
`;
  await trunkline.ask("apply", "-f", file("held.yaml", rule));
  const seen = async () => (await both("pod/cli", "host/far:80")).found.sourceSeen;
  for (let left = 40; left > 0 && (await seen()) !== "192.168.18.240"; left--) await sleep(100);
  expect(await alike("pod/cli", "host/far:80")).toMatchObject({ seen: "192.168.18.240" });
  const socket = path.join(trunkline.folder, "labs", trunkline.lab, "nodes", "node1", "agent.sock");
  const { stdout } = await run("ps", ["-eo", "pid=,args="]);
  const agent = Number.parseInt(
    stdout.split("\n").find((line) => / agent /.test(line) && line.includes(socket)) ?? "",
    10,
  );
  expect(readFileSync(`/proc/${agent}/cmdline`, "utf8")).toContain(socket);
  process.kill(agent, "SIGSTOP");
  try {
    const isThere = async () => (await on("node1", "ip", "address")).stdout.includes("192.168.18.240");
    for (let left = 80; left > 0 && (await isThere()); left--) await sleep(100);
    // Neighbours remember it for a while: until they have forgotten it nobody can tell.
    const { said, codes } = await both("pod/cli", "host/far:80");
    expect(said).toMatchObject({ allowed: true, reachable: null, sourceSeen: "192.168.18.240" });
    expect(said.unknown).toEqual([expect.stringContaining("still take 192.168.18.240 for node/node1's")]);
    expect(codes[1]).toBe(3);
    await on("gate", "ip", "neigh", "flush", "all");
    expect((await both("pod/cli", "host/far:80")).found.outcome).toBe("filtered");
    const store = `sqlite:${trunkline.entry().paths.store}`;
    const apart = await trunkline.say("explain", "pod/cli", "host/far:80", "--store", store, "-o", "json");
    expect(apart.code).toBe(3);
    expect(JSON.parse(apart.stdout).unknown).toEqual([expect.stringContaining("does not renew its lease")]);
  } finally {
    process.kill(agent, "SIGCONT");
    await trunkline.ask("delete", "sourcenat", "held");
  }
});

it("a pod that somebody's finalizer keeps has ended once nothing of it runs", async () => {
  const kept = pod("kept", "nodeName: node2").replace("labels:", "finalizers: [example.com/hold], labels:");
  await trunkline.ask("apply", "-f", file("kept.yaml", kept));
  await trunkline.ask("wait", "--for", "ready", "pod/kept");
  const address = await addressOf("kept");
  await trunkline.ask("delete", "pod", "kept", "--wait=false");
  const phase = async () =>
    (await trunkline.json<{ status: { phase: string } }>("get", "pod", "kept")).status.phase;
  for (let left = 50; left > 0 && (await phase()) === "Running"; left--) await sleep(100);
  expect(await phase()).toBe("Succeeded");
  const { code } = await trunkline.say("explain", "pod/cli", "pod/kept:80", "--lab", trunkline.lab);
  expect(code).toBe(3);
  expect(await alike("pod/cli", `${address}:80`)).toMatchObject({ outcome: "filtered" });
});
