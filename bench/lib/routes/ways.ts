// Packets between pods of two nodes, directly and through VXLAN: what a lab's nodes do for them, beside as many namespaces, links
// and hops that `ip` has made by hand: plain routes and the same kind of VXLAN device, once without a rule, and once with
// nothing but the kernel's tracking of connections, which whoever enforces policies or translates sources needs. All in one
// thread and by turns: slices of two paths that are made alike differ by less than one per cent.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { linuxMachine } from "../../../src/kernel/index.ts";
import { compiled } from "../compiled.ts";
import type { Need } from "../needs.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";

export const wayNeeds: readonly Need[] = [
  { program: "cc", debian: "gcc" },
  { program: "ethtool", debian: "ethtool" },
  { program: "nft", debian: "nftables" },
  { program: "bridge", debian: "iproute2" },
];

const root = path.resolve(import.meta.dirname, "../../..");
const SLICES = rounds(200, 30);
const TRIPS = 300;
const BYTES = 16 * 1024 * 1024;
/** Room for what VXLAN adds. */
const MTU = 1450;
const GATEWAY = "169.254.1.1";
/** Off on the agents' devices, because cards do not always make the sums that they promise for what is inside a tunnel. */
const OFFLOAD = "tx-checksum-ip-generic";
const kinds = ["direct", "vxlan"] as const;

interface Way {
  /** Namespaces of the two ends. */
  readonly ends: readonly [string, string];
  /** Of the second. */
  readonly address: string;
}

type Ways = Readonly<Record<(typeof kinds)[number], Way>>;

/** Measures in the private namespaces that it is called in. `folder`: for files of the moment. */
export async function measureWays(folder: string): Promise<Row[]> {
  const lab = new WaysLab(folder);
  let probe: Probe | undefined;
  try {
    const sides = { ours: await lab.up(), bare: handMade("bare", 40), tracked: handMade("tracked", 50) };
    for (const node of ["tracked-n1", "tracked-n2"]) track(node);
    probe = await Probe.start(Object.values(sides).flatMap((side) => kinds.map((kind) => side[kind])));
    return await rowsOf(probe);
  } finally {
    probe?.close();
    lab.down();
  }
}

async function rowsOf(probe: Probe): Promise<Row[]> {
  const most = { of: "ratio", at: "most", value: 1.03 } as const;
  const least = { of: "ratio", at: "least", value: 0.97 } as const;
  const out: Row[] = [];
  for (const [at, kind] of kinds.entries()) {
    // In the order of `sides`.
    const ways = [0, 1, 2].map((side) => side * kinds.length + at);
    const trips = await probe.byTurns("udp", ways, TRIPS);
    const bytes = await probe.byTurns("tcp", ways, BYTES);
    const microseconds = (of: number) => quantile(trips[of] ?? [], 0.5) / 1000;
    const gigabits = (of: number) => 8 / quantile(bytes[of] ?? [], 0.5);
    const [plain, tracked] = ["by hand", "by hand, with connections tracked"];
    const trip = `${kind}: there and back between pods of two nodes, median`;
    const rate = `${kind}: one TCP connection of one thread, median`;
    out.push(
      row(`way-${kind}-trip`, `${trip} (peer: ${plain})`, "us", microseconds(0), microseconds(1), most),
      row(
        `way-${kind}-trip-tracked`,
        `the same (peer: ${tracked})`,
        "us",
        microseconds(0),
        microseconds(2),
        most,
      ),
      row(`way-${kind}-rate`, `${rate} (peer: ${plain})`, "Gbit/s", gigabits(0), gigabits(1), least),
      row(
        `way-${kind}-rate-tracked`,
        `the same (peer: ${tracked})`,
        "Gbit/s",
        gigabits(0),
        gigabits(2),
        least,
      ),
    );
  }
  return out;
}

/** The program that holds both ends of all ways. */
class Probe {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(ways: readonly Way[]): Promise<Probe> {
    const words = ways.flatMap(({ ends, address }) => [...ends, address]);
    const probe = new Probe(spawn(compiled("way-probe"), words, { stdio: ["pipe", "pipe", "inherit"] }));
    if ((await probe.#line()) !== "ready") throw new Error("the ways' ends do not come together");
    return probe;
  }

  /** Returns nanoseconds for each of `count` (round trips or bytes), for each of the ways, slice by slice. */
  async byTurns(what: "udp" | "tcp", ways: readonly number[], count: number): Promise<number[][]> {
    const times = ways.map((): number[] => []);
    for (let i = 0; i <= SLICES; i++) {
      const order = [...ways.keys()];
      for (const at of i % 2 === 0 ? order : order.toReversed()) {
        this.#child.stdin!.write(`${what} ${ways[at]} ${count}\n`);
        const took = Number(await this.#line()) / count;
        // The first slice warms up.
        if (i > 0) times[at]?.push(took);
      }
    }
    return times;
  }

  close(): void {
    this.#child.kill();
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("way-probe has ended");
    return value;
  }
}

/** A lab of two nodes on one network, with a pod of a direct pool and one of a tunnelled pool on each. */
class WaysLab {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(folder: string) {
    this.#folder = folder;
    this.#env = { ...process.env, TRUNKLINE_LABS: path.join(folder, "labs") };
  }

  async up(): Promise<Ways> {
    const file = path.join(this.#folder, "ways.yaml");
    const objects = path.join(this.#folder, "ways-objects.yaml");
    writeFileSync(file, labFile);
    writeFileSync(objects, labObjects);
    this.#say("lab", "up", file, "-d");
    this.#say("apply", "-f", objects);
    this.#say("wait", "--for", "ready", "--all", "--timeout", "60s");
    // Nodes write down their tunnels' ends once the devices stand.
    const node = linuxMachine().open({ name: "tl-ways-node1" });
    try {
      for (let left = 100; !node.routes.list({ protocol: OURS }).some(({ onlink }) => onlink); left--) {
        if (left === 0) throw new Error("the tunnel does not come");
        await sleep(100);
      }
    } finally {
      node.close();
    }
    return { direct: this.#way("d"), vxlan: this.#way("v") };
  }

  down(): void {
    this.#say("lab", "down", "--all");
  }

  #way(letter: string): Way {
    const [near, far] = [this.#pod(`${letter}1`), this.#pod(`${letter}2`)];
    return { ends: [near.netns, far.netns], address: far.address };
  }

  #pod(name: string): { netns: string; address: string } {
    const address = this.#say("get", "pod", name, "-o", "jsonpath={.status.podIP}").trim();
    const netns = linuxMachine()
      .listNetns()
      .find((one) => one.includes(".pod-") && addressesIn(one).includes(`${address}/32`));
    if (netns === undefined) throw new Error(`pod ${name} has no namespace`);
    return { netns, address };
  }

  #say(...words: string[]): string {
    const stdio = ["ignore", "pipe", "pipe"] as const;
    return execFileSync(path.join(root, "bin/trunkline"), words, {
      env: this.#env,
      stdio: [...stdio],
      encoding: "utf8",
    });
  }
}

/** rtnetlink's number of our routes. */
const OURS = 84;

function addressesIn(netns: string): string[] {
  const kernel = linuxMachine().open({ name: netns });
  try {
    return kernel.addresses.list().map(({ address }) => address);
  } finally {
    kernel.close();
  }
}

/** Two nodes on a bridge and two pods on each, by `ip` alone. `number`: of the network between the nodes. */
function handMade(name: string, number: number): Ways {
  for (const part of ["lan", "n1", "n2", "d1", "d2", "v1", "v2"])
    execFileSync("ip", ["netns", "add", `${name}-${part}`]);
  batch(`${name}-lan`, ["link add lan type bridge", "link set lan up"]);
  for (const [own, other] of [
    [1, 2],
    [2, 1],
  ] as const)
    makeNode(name, number, own, other);
  for (const [own, other] of [
    [1, 2],
    [2, 1],
  ] as const)
    teachTunnel(name, number, own, other);
  return {
    direct: { ends: [`${name}-d1`, `${name}-d2`], address: `10.${number}.2.2` },
    vxlan: { ends: [`${name}-v1`, `${name}-v2`], address: `10.${number + 1}.2.2` },
  };
}

function makeNode(name: string, number: number, own: number, other: number): void {
  const node = `${name}-n${own}`;
  batch(`${name}-lan`, [
    `link add p${own} type veth peer name eth0 netns ${node}`,
    `link set p${own} master lan up`,
  ]);
  batch(node, [
    "link set eth0 up",
    `address add 192.168.${number}.${own}/24 dev eth0`,
    `link add vx type vxlan id 77 local 192.168.${number}.${own} dstport 4789 nolearning ttl auto udpcsum`,
    `link set vx mtu ${MTU} address 02:00:00:00:00:0${own}`,
    "link set vx up",
    `address add 10.${number + 1}.${own}.1/32 dev vx`,
  ]);
  inside(node, "sysctl", "-qw", "net.ipv4.ip_forward=1");
  inside(node, "ethtool", "-K", "vx", OFFLOAD, "off");
  plugPod(node, `${name}-d${own}`, "pd", `10.${number}.${own}.2`);
  plugPod(node, `${name}-v${own}`, "pv", `10.${number + 1}.${own}.2`);
  batch(node, [
    `route add 10.${number}.${other}.0/24 via 192.168.${number}.${other}`,
    `route add 10.${number + 1}.${other}.0/24 via 10.${number + 1}.${other}.1 dev vx onlink`,
  ]);
}

function plugPod(node: string, pod: string, link: string, address: string): void {
  batch(node, [`link add ${link} type veth peer name eth0 netns ${pod}`, `link set ${link} mtu ${MTU} up`]);
  batch(pod, [
    `link set eth0 mtu ${MTU} up`,
    `address add ${address}/32 dev eth0`,
    `route add ${GATEWAY} dev eth0`,
    `route add default via ${GATEWAY} dev eth0`,
    `neighbour replace ${GATEWAY} lladdr ${macOf(node, link)} dev eth0 nud permanent`,
  ]);
  batch(node, [
    `route add ${address} dev ${link}`,
    `neighbour replace ${address} lladdr ${macOf(pod, "eth0")} dev ${link} nud permanent`,
  ]);
}

function teachTunnel(name: string, number: number, own: number, other: number): void {
  const [node, mac] = [`${name}-n${own}`, `02:00:00:00:00:0${other}`];
  batch(node, [`neighbour replace 10.${number + 1}.${other}.1 lladdr ${mac} dev vx nud permanent`]);
  const to = ["dst", `192.168.${number}.${other}`, "self", "permanent"];
  inside(node, "bridge", "fdb", "replace", mac, "dev", "vx", ...to);
}

/** What a stateful rule and a translating one need, and no more. */
function track(netns: string): void {
  inside(
    netns,
    "nft",
    "add table inet t; add chain inet t f { type filter hook forward priority 0; }; add chain inet t n { type nat hook postrouting priority 100; }; add rule inet t f ct state established,related accept",
  );
}

function macOf(netns: string, link: string): string {
  const kernel = linuxMachine().open({ name: netns });
  try {
    return kernel.links.get(link)?.mac ?? "";
  } finally {
    kernel.close();
  }
}

function batch(netns: string, lines: readonly string[]): void {
  execFileSync("ip", ["-n", netns, "-batch", "-"], {
    input: `${lines.join("\n")}\n`,
    stdio: ["pipe", "ignore", "inherit"],
  });
}

function inside(netns: string, ...command: string[]): void {
  execFileSync("ip", ["netns", "exec", netns, ...command], { stdio: ["ignore", "ignore", "inherit"] });
}

const labFile = `name: ways
networks: [{name: lan, cidr: 192.168.18.0/24}]
nodes:
  - {name: node1, address: 192.168.18.11}
  - {name: node2, address: 192.168.18.12}
`;

const pod = (name: string, node: string, pool: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, annotations: {cni.projectcalico.org/ipv4pools: '["${pool}"]'}}
spec: {nodeName: ${node}, containers: [{name: c}]}
`;

const pool = (name: string, spec: string) =>
  `---\napiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;

const labObjects = [
  pool("direct", "cidr: 10.1.0.0/16"),
  pool("tunnelled", "cidr: 10.2.0.0/16, vxlanMode: Always"),
  ...[1, 2].flatMap((at) => [pod(`d${at}`, `node${at}`, "direct"), pod(`v${at}`, `node${at}`, "tunnelled")]),
].join("");
