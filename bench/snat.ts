// Source translation: what the first packet of a connection costs with few and with many ranges, beside ip-masq-agent's
// own linear chain; how long a change of configuration takes with 10,000 pods on record; how long a takeover takes.
//
// First packets are UDP datagrams, each of a new source port, sent through a forwarding node: every one makes the
// kernel set up a connection and ask the NAT rules once. What they meet behind the node is dropped.
import { run } from "../src/kernel/exec/index.ts";
import type { Kernel } from "../src/kernel/index.ts";
import { clusterFacts, clusterNode, pod, pool, sourceNat } from "../src/plan/snat/facts.suite.ts";
import { type BedNode, NatBed } from "../test/kernel/snat/nat-bed.ts";
import { ranInPrivate } from "./lib/private.ts";
import { rounds } from "./lib/quick.ts";
import { quantile, type Row, row } from "./lib/row.ts";

const FEW = 3;
const MANY = 1000;
const ROUNDS = rounds(61, 9);
/** First packets in a round; far below what connection tracking holds. */
const PACKETS = 8_000;
const CHANGES = rounds(60, 15);
const PODS = 10_000;
const MANY_PODS = 100_000;
const PODS_A_NODE = 250;
const TAKEOVERS = rounds(5, 3);

export const needs = [
  { program: "conntrack", debian: "conntrack" },
  { program: "iptables-nft-restore", debian: "iptables" },
];

const destination = "203.0.113.10";

export async function bench(): Promise<readonly Row[] | undefined> {
  if (ranInPrivate()) return undefined;
  return [...(await firstPackets()), ...(await changes()), ...(await podEvents()), ...(await takeovers())];
}

function ranges(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `10.${(n >> 7) & 255}.${(n & 127) * 2}.0/24`);
}

function configOf(count: number): string {
  const list = ranges(count).map((range) => `- ${range}\n`);
  return `cidrLimit: ${MANY}\nnonMasqueradeCIDRs:\n${list.join("")}`;
}

/** The rules that ip-masq-agent writes for the same ranges. */
function linearChain(count: number): string {
  const local = '-m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE"';
  const returns = ["169.254.0.0/16", ...ranges(count)].map(
    (range) => `-A IP-MASQ-AGENT -d ${range} ${local} -j RETURN`,
  );
  return [
    "*nat",
    ":POSTROUTING ACCEPT [0:0]",
    ":IP-MASQ-AGENT - [0:0]",
    "-A POSTROUTING -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT",
    ...returns,
    "-A IP-MASQ-AGENT -j MASQUERADE --random-fully",
    "COMMIT",
    "",
  ].join("\n");
}

/** Sends first packets, each of another pair of ports; returns how many a second. */
function sendFirstPackets(from: Kernel, round: number): number {
  const fd = from.sockets.openRaw(4, 17);
  const packet = Buffer.alloc(12);
  packet.writeUInt16BE(2000 + (round % 60_000), 2);
  packet.writeUInt16BE(packet.length, 4);
  const began = performance.now();
  for (let n = 0; n < PACKETS; n++) {
    packet.writeUInt16BE(10_000 + n, 0);
    from.sockets.sendRaw(fd, destination, packet);
  }
  const seconds = (performance.now() - began) / 1000;
  from.sockets.close(fd);
  return PACKETS / seconds;
}

async function firstPackets(): Promise<Row[]> {
  const bed = new NatBed();
  try {
    // Set up once: what a change of rules leaves to be done by the kernel is no cost of packets.
    const cases = [
      await ours(bed, 1, FEW),
      await ours(bed, 2, MANY),
      await peer(bed, 3, FEW),
      await peer(bed, 4, MANY),
    ];
    await bed.outside.nft.run(
      "table ip sink { chain in { type filter hook prerouting priority raw; udp dport 2000-62000 drop; }; }",
    );
    const rates: number[][] = cases.map(() => []);
    for (let round = 0; round < ROUNDS; round++) {
      // Taking turns, and in changing order: the machine's mood is everybody's.
      const turns = [...cases.entries()];
      for (const [at, { node, kernel }] of round % 2 === 0 ? turns : turns.toReversed()) {
        await run("conntrack", ["-F"], { netns: { name: node.netns } });
        const rate = sendFirstPackets(kernel, round);
        if (round > 0) rates[at]?.push(rate);
      }
    }
    const rate = (at: number) => quantile(rates[at] ?? [], 0.5);
    // Of neighbours in time.
    const share = (many: number, few: number) =>
      quantile(
        (rates[many] ?? []).map((one, n) => one / (rates[few]?.[n] ?? Number.NaN)),
        0.5,
      );
    const flat = { of: "ours", at: "least", value: 0.97 } as const;
    return [
      row("first-packets-3", "first packets, 3 ranges", "1/s", rate(0), rate(2)),
      row("first-packets-1000", "first packets, 1,000 ranges", "1/s", rate(1), rate(3)),
      row("flat", "first packets, 1,000 ranges against 3", "share", share(1, 0), share(3, 2), flat),
    ];
  } finally {
    await bed.close();
  }
}

interface Case {
  readonly node: BedNode;
  /** The pod that sends. */
  readonly kernel: Kernel;
}

async function ours(bed: NatBed, number: number, count: number): Promise<Case> {
  const node = bed.addNode(number);
  const { kernel } = bed.addPod(node, `172.16.${number}.5`);
  await bed.apply(node, factsOf(configOf(count)));
  return { node, kernel };
}

async function peer(bed: NatBed, number: number, count: number): Promise<Case> {
  const node = bed.addNode(number);
  const { kernel } = bed.addPod(node, `172.16.${number}.5`);
  await run("iptables-nft-restore", [], { netns: { name: node.netns }, input: linearChain(count) });
  return { node, kernel };
}

function factsOf(config: string) {
  return clusterFacts({
    pools: [pool("pods", "172.16.0.0/16")],
    nodes: [clusterNode("node1", "192.168.18.11")],
    config,
  });
}

async function changes(): Promise<Row[]> {
  const bed = new NatBed();
  try {
    const node = bed.addNode(1);
    const pods = Array.from({ length: PODS }, (_, n) =>
      pod(`p${n}`, `172.16.${n >> 8}.${n & 255}`, {
        node: `node${Math.floor(n / PODS_A_NODE) + 1}`,
        labels: { app: `a${n % 20}` },
      }),
    );
    const rules = [
      {
        podSelector: { matchLabels: { app: "a1" } },
        destinations: ["203.0.113.0/24"],
        action: { type: "None" },
      },
    ] as const;
    const facts = (config: string) =>
      clusterFacts({
        pools: [pool("pods", "172.16.0.0/16")],
        pods,
        sourceNats: [sourceNat("one", rules)],
        config,
      });
    const both = [configOf(FEW), "nonMasqueradeCIDRs: [10.0.0.0/8, 172.16.0.0/12]"].map(facts);
    const times: number[] = [];
    for (let change = 0; change < CHANGES; change++) {
      const next = both[change % 2];
      if (!next) continue;
      const began = performance.now();
      await node.manager.apply(
        next,
        node.facts(),
        new Map([["configmaps", new Set(["kube-system/ip-masq-agent"])]]),
      );
      times.push(performance.now() - began);
    }
    const most = { of: "ours", at: "most", value: 20 } as const;
    const rest = times.slice(2);
    return [
      row(
        "change-p50",
        "configuration change to the kernel, 10,000 pods, median",
        "ms",
        quantile(rest, 0.5),
        null,
        most,
      ),
      row("change-p95", "the same, 95th percentile", "ms", quantile(rest, 0.95), null, most),
    ];
  } finally {
    await bed.close();
  }
}

/** What a pod of another node costs this one. */
async function podEvents(): Promise<Row[]> {
  const bed = new NatBed();
  try {
    const node = bed.addNode(1);
    const pods = Array.from({ length: MANY_PODS }, (_, n) =>
      pod(`p${n}`, `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, {
        node: `node${Math.floor(n / PODS_A_NODE) + 1}`,
      }),
    );
    const facts = clusterFacts({ pools: [pool("pods", "10.0.0.0/8")], pods });
    await bed.apply(node, facts);
    const times: number[] = [];
    for (let n = 0; n < CHANGES; n++) {
      const began = performance.now();
      await node.manager.apply(
        facts,
        node.facts(),
        new Map([["pods", new Set([`shop/p${MANY_PODS - n - 1}`])]]),
      );
      times.push(performance.now() - began);
    }
    const most = { of: "ours", at: "most", value: 1 } as const;
    const name = "a pod of another node changes, 100,000 pods, median";
    return [row("pod-event", name, "ms", quantile(times, 0.5), null, most)];
  } finally {
    await bed.close();
  }
}

/** From the holder's death to the other node's rules, address and announcement. */
async function takeovers(): Promise<Row[]> {
  const times: number[] = [];
  for (let turn = 0; turn < TAKEOVERS; turn++) times.push(await takeover());
  const most = { of: "ours", at: "most", value: 3000 } as const;
  return [
    row("takeover", "egress address taken over, slowest of five", "ms", Math.max(...times), null, most),
  ];
}

async function takeover(): Promise<number> {
  const bed = new NatBed();
  try {
    const address = "192.168.18.250";
    const nodes = [bed.addNode(1), bed.addNode(2)];
    const rule = {
      action: { type: "Address", addresses: [address], egressNodes: { matchLabels: { egress: "yes" } } },
    } as const;
    const facts = clusterFacts({
      pools: [pool("pods", "172.16.0.0/16")],
      nodes: nodes.map((node) => clusterNode(node.name, node.address, { egress: "yes" })),
      sourceNats: [sourceNat("one", [rule])],
    });
    for (const node of nodes) await bed.apply(node, facts);
    const holds = (node: BedNode) =>
      node.kernel.addresses.list().some((one) => one.address === `${address}/32`);
    await until(() => nodes.some(holds));
    const holder = nodes.find(holds);
    const heir = nodes.find((node) => node !== holder);
    if (!holder || !heir) throw new Error("nobody holds the address");
    const began = performance.now();
    await bed.kill(holder);
    await until(() => holds(heir));
    return performance.now() - began;
  } finally {
    await bed.close();
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let left = 2000; !condition(); left--) {
    if (left === 0) throw new Error("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
