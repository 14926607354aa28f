// Addresses of subnets: ADD from a warm pool beside ADD with blocks, by the same executable and agents of their own; and a
// thousand pods on fifty nodes beside what a provider of 200 ms and ten calls a second allows.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { waitForAgent } from "../src/agent/install-cni.ts";
import { shimPath } from "../src/agent/shim-path.ts";
import { configMapKind, nodeKind, podKind } from "../src/api/kinds/core.ts";
import { ipPoolKind } from "../src/api/kinds/ip-pool.ts";
import { type NodeConfig, nodeConfigKind } from "../src/api/kinds/node-config.ts";
import { subnetKind } from "../src/api/kinds/subnet.ts";
import { linuxMachine } from "../src/kernel/index.ts";
import { openSqliteStore } from "../src/store/sqlite/store.ts";
import type { Store } from "../src/store/store.ts";
import { launch } from "./lib/launch.ts";
import { manyPods } from "./lib/many-pods.ts";
import { groupRows } from "./lib/policy/groups.ts";
import { ranInPrivate } from "./lib/private.ts";
import { ended } from "./lib/processes.ts";
import { isQuick, rounds } from "./lib/quick.ts";
import { quantile, type Row, row } from "./lib/row.ts";

const root = path.dirname(import.meta.dirname);
const NODE = "bench";
const ZONE = "topology.kubernetes.io/zone";
const ROUNDS = rounds(200, 40);
const WARM_UP = 10;
/** No pod waits for another one's address to rest. */
const WARM = ROUNDS + WARM_UP + 40;
export async function bench(args: readonly string[]): Promise<readonly Row[] | undefined> {
  if (ranInPrivate()) return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-bench-"));
  const wanted = (part: string): boolean => args.length === 0 || args.includes(part);
  try {
    return [
      ...(wanted("warm") ? await warmPool(folder) : []),
      ...(wanted("groups") ? await groupRows() : []),
      ...(args.includes("small") ? await manyPods(folder, "small") : []),
      ...(wanted("scale") && !isQuick ? await manyPods(folder, "scale") : []),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Side {
  readonly name: string;
  readonly agent: ChildProcess;
  readonly config: string;
}

async function warmPool(folder: string): Promise<Row[]> {
  const machine = linuxMachine();
  const sides = {
    ours: await startSide(folder, "subnets", ["--provider", "vlan"], fillSubnets),
    peer: await startSide(folder, "blocks", [], fillBlocks),
  };
  try {
    await warm(path.join(folder, "subnets.db"));
    const times = { ours: [] as number[], peer: [] as number[] };
    for (let i = 0; i < ROUNDS + WARM_UP; i++) {
      // Who goes first changes, so that neither always finds what the other has left to do.
      const order = i % 2 === 0 ? (["ours", "peer"] as const) : (["peer", "ours"] as const);
      for (const who of order) {
        const id = `${who}-${i}`;
        const netns = machine.createNetns(id);
        const run = async (verb: "ADD" | "DEL") => {
          const done = await launch([job(sides[who], verb, id, netns, `pod-${i}`)], 1);
          return done.times[0] ?? Number.NaN;
        };
        const time = await run("ADD");
        if (i >= WARM_UP) times[who].push(time);
        await sleep(25);
        await run("DEL");
        await machine.removeNetns(id);
        await sleep(25);
      }
    }
    const at = (share: number) => [quantile(times.ours, share), quantile(times.peer, share)] as const;
    const bar = { of: "ratio", at: "most", value: 1.1 } as const;
    return [
      row("warm-p50", "ADD from a warm pool of a subnet (peer: blocks), median", "ms", ...at(0.5), bar),
      row("warm-p99", "the same, 99th percentile", "ms", ...at(0.99)),
    ];
  } finally {
    for (const { agent } of Object.values(sides)) await ended(agent);
  }
}

async function startSide(
  folder: string,
  name: string,
  more: readonly string[],
  fill: (store: Store) => Promise<void>,
): Promise<Side> {
  const machine = linuxMachine();
  machine.createNetns(name);
  const kernel = machine.open({ name });
  const uplink = kernel.links.add({ kind: "veth", name: "up0", up: true, peer: { name: "up1", up: true } });
  kernel.addresses.add({ linkIndex: uplink.index, address: "192.168.18.11/24", scope: "global" });
  kernel.close();
  const database = path.join(folder, `${name}.db`);
  const store = openSqliteStore(database);
  const addresses = [{ type: "InternalIP" as const, address: "192.168.18.11" }];
  const metadata = { name: NODE, labels: { [ZONE]: "h" } };
  await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata, status: { addresses } });
  await fill(store);
  for (let i = 0; i < ROUNDS + WARM_UP; i++)
    await store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `pod-${i}`, namespace: "default" },
      // Elsewhere, so that nobody keeps an address ready for it before its ADD.
      spec: { nodeName: "another", containers: [{ name: "c" }] },
    });
  await store.close();
  const agentSocket = path.join(folder, `${name}.sock`);
  const state = path.join(folder, name);
  const words = ["agent", "--node", NODE, "--netns", name, "--store", `sqlite:${database}`];
  const where = ["--state", state, "--socket", agentSocket, "--log-level", "warn"];
  const agent = spawn(path.join(root, "bin/trunkline"), [...words, ...where, ...more], { stdio: "inherit" });
  await waitForAgent(agentSocket, 20_000);
  const queueDir = path.join(state, "queue");
  const config = { cniVersion: "1.0.0", name: "bench", type: "trunkline", agentSocket, queueDir };
  return { name, agent, config: JSON.stringify(config) };
}

async function fillBlocks(store: Store): Promise<void> {
  const { apiVersion } = ipPoolKind;
  const metadata = { name: "bench" };
  await store.create(ipPoolKind, { apiVersion, kind: "IPPool", metadata, spec: { cidr: "10.1.0.0/16" } });
}

async function fillSubnets(store: Store): Promise<void> {
  const { apiVersion } = subnetKind;
  const spec = { zone: "h", cidr: "10.2.0.0/16" };
  await store.create(subnetKind, { apiVersion, kind: "Subnet", metadata: { name: "vsw-1" }, spec });
  const settings = { vswitches: { h: ["vsw-1"] }, min_pool_size: WARM, max_pool_size: WARM + 20 };
  await store.create(configMapKind, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "eni-config", namespace: "kube-system" },
    data: { eni_conf: JSON.stringify(settings) },
  });
}

async function warm(database: string): Promise<void> {
  const store = openSqliteStore(database);
  const idle = ({ status }: NodeConfig) => (status?.interfaces ?? []).reduce((sum, one) => sum + one.idle, 0);
  try {
    for (let left = 300; left > 0; left--) {
      const config = await store.get(nodeConfigKind, NODE);
      if (config && idle(config) >= WARM) return;
      await sleep(200);
    }
    throw new Error("the pool does not fill");
  } finally {
    await store.close();
  }
}

function job({ config }: Side, verb: "ADD" | "DEL", id: string, netns: string, pod: string) {
  return {
    program: shimPath(),
    input: config,
    env: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: id,
      CNI_NETNS: netns,
      CNI_IFNAME: "eth0",
      CNI_PATH: "/usr/lib/cni",
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod}`,
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    },
  };
}
