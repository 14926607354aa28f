// Source translation: what the first packet of a connection costs with few and with many ranges, beside ip-masq-agent's
// own linear chain; how long a change of configuration takes with 10,000 pods on record; how long a takeover takes.
//
// First packets are UDP datagrams, each of a new source port, sent through a forwarding node: every one makes the
// kernel set up a connection and ask the NAT rules once. What they meet behind the node is dropped.
import { run } from "../src/kernel/exec/index.ts";
import type { Kernel } from "../src/kernel/index.ts";
import { clusterFacts, clusterNode, pod, pool, sourceNat } from "../src/plan/snat/facts.suite.ts";
import { type BedNode, type BedPod, NatBed } from "../test/kernel/nat-bed.ts";
import { ranInPrivate } from "./lib/private.ts";
import { quantile, type Row, row } from "./lib/row.ts";

const FEW = 3;
const MANY = 1000;
const ROUNDS = 31;
/** First packets in a round; far below what connection tracking holds. */
const PACKETS = 8_000;
const CHANGES = 60;
const PODS = 10_000;
const PODS_A_NODE = 250;
const TAKEOVERS = 5;
const destination = "203.0.113.10";

export async function bench(): Promise<readonly Row[] | undefined> {
  if (ranInPrivate()) return undefined;
  return [...(await firstPackets()), ...(await changes()), ...(await takeovers())];
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
    const ours = bed.addNode(1);
    const peer = bed.addNode(2);
    const ourPod = bed.addPod(ours, "172.16.1.5");
    const peerPod = bed.addPod(peer, "172.16.2.5");
    await bed.outside.nft.run(
      "table ip sink { chain in { type filter hook prerouting priority raw; udp dport 2000-62000 drop; }; }",
    );
    const rates: Record<string, number[]> = {};
    const measure = async (what: string, node: BedNode, { kernel }: BedPod, round: number) => {
      await run("conntrack", ["-F"], { netns: { name: node.netns } });
      rates[what] = [...(rates[what] ?? []), sendFirstPackets(kernel, round)];
    };
    for (let round = 0; round < ROUNDS; round++) {
      // Taking turns, and in changing order: the machine's mood is everybody's.
      const counts = round % 2 === 0 ? [FEW, MANY] : [MANY, FEW];
      for (const count of counts) {
        await bed.apply(ours, factsOf(configOf(count)));
        await measure(`ours ${count}`, ours, ourPod, round);
        await run("iptables-nft-restore", [], { netns: { name: peer.netns }, input: linearChain(count) });
        await measure(`peer ${count}`, peer, peerPod, round);
      }
    }
    const rate = (what: string) => quantile((rates[what] ?? []).slice(1), 0.5);
    // Of neighbours in time: the machine is not equally quick all the time.
    const share = (who: string) =>
      quantile(
        (rates[`${who} ${MANY}`] ?? []).map((many, n) => many / (rates[`${who} ${FEW}`]?.[n] ?? Number.NaN)),
        0.5,
      );
    return [
      row("first-packets-3", "first packets, 3 ranges", "1/s", rate(`ours ${FEW}`), rate(`peer ${FEW}`)),
      row(
        "first-packets-1000",
        "first packets, 1,000 ranges",
        "1/s",
        rate(`ours ${MANY}`),
        rate(`peer ${MANY}`),
      ),
      row("flat", "first packets, 1,000 ranges against 3", "share", share("ours"), share("peer"), {
        of: "ours",
        at: "least",
        value: 0.97,
      }),
    ];
  } finally {
    await bed.close();
  }
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
