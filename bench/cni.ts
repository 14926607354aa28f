// ADD and DEL of our plugin (executable, agent, allocator, rules) beside Debian's bridge and host-local on the same kernel,
// from the start of the process to the end of its output; one at a time and eight at a time, taking turns.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { waitForAgent } from "../src/agent/install-cni.ts";
import { shimPath } from "../src/agent/shim-path.ts";
import { nodeKind, podKind } from "../src/api/kinds/core.ts";
import { ipPoolKind } from "../src/api/kinds/ip-pool.ts";
import { linuxMachine } from "../src/kernel/index.ts";
import { openSqliteStore } from "../src/store/sqlite/store.ts";
import { partsRows } from "./lib/cni-parts.ts";
import { type Job, type Launched, launch } from "./lib/launch.ts";
import { ranInPrivate } from "./lib/private.ts";
import { ended, memoryMib, processorSeconds } from "./lib/processes.ts";
import { rounds } from "./lib/quick.ts";
import { quantile, type Row, row } from "./lib/row.ts";

const root = path.dirname(import.meta.dirname);
const plugins = "/usr/lib/cni";
const ONE_BY_ONE = rounds(120, 40);
const WARM_UP = rounds(10, 5);
const BATCHES = rounds(6, 3);
const BATCH = 40;
const AT_A_TIME = 8;
const PODS_AT_REST = 250;
const MANY_PODS = 1000;
const MANY_ROUNDS = rounds(60, 25);
/** A minute, so that what an agent does every minute counts. */
const REST_SECONDS = rounds(60, 10);
/** Until it has tidied up behind the pods that came. */
const TIDY_MS = 8000;

export const needs = [
  { program: path.join(plugins, "bridge"), debian: "containernetworking-plugins" },
  { program: path.join(plugins, "host-local"), debian: "containernetworking-plugins" },
  { program: "cc", debian: "gcc" },
];

interface Plugin {
  readonly name: string;
  readonly executable: string;
  readonly config: string;
}

interface Bench {
  readonly folder: string;
  readonly machine: ReturnType<typeof linuxMachine>;
  readonly ours: Plugin;
  readonly peer: Plugin;
  readonly agent: ChildProcess;
}

/** @param args which parts: parts, one, eight, many, rest, lab; none: all of them */
export async function bench(args: readonly string[]): Promise<readonly Row[] | undefined> {
  if (ranInPrivate()) return undefined;
  const wanted = (part: string): boolean => args.length === 0 || args.includes(part);
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-bench-"));
  const parts = wanted("parts") ? await addParts(path.join(folder, "parts")) : [];
  const setUp = await prepare(folder);
  try {
    const plugin = [
      ...(wanted("one") ? await oneByOne(setUp) : []),
      ...(wanted("eight") ? await eightAtATime(setUp) : []),
      ...(wanted("many") ? await manyPods(setUp) : []),
      ...(wanted("rest") ? await atRest(setUp) : []),
    ];
    await ended(setUp.agent);
    return [...parts, ...plugin, ...(wanted("lab") ? await wholeLab(folder) : [])];
  } finally {
    await ended(setUp.agent);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** By an agent that says of each ADD where its time went. */
async function addParts(folder: string): Promise<Row[]> {
  mkdirSync(folder);
  const setUp = await prepare(folder, "debug");
  const kernel = setUp.machine.open("self");
  try {
    const pods = MANY_PODS;
    return await partsRows({
      folder,
      kernel,
      said: setUp.agent.stdout!,
      sandbox: (round) => {
        const box = sandbox(setUp, round % pods);
        const config = (socket: string | undefined) => (socket ? { agentSocket: socket } : {});
        const plugin = (socket?: string) => ({
          ...setUp.ours,
          config: JSON.stringify({ ...(JSON.parse(setUp.ours.config) as object), ...config(socket) }),
        });
        return { id: box.id, job: (verb, socket) => job(plugin(socket), verb, box) };
      },
      remove: (id) => setUp.machine.removeNetns(id),
    });
  } finally {
    await ended(setUp.agent);
    await kernel.links.remove("up0");
    kernel.close();
  }
}

async function prepare(folder: string, logLevel = "warn"): Promise<Bench> {
  const machine = linuxMachine();
  const kernel = machine.open("self");
  const uplink = kernel.links.add({ kind: "bridge", name: "up0", up: true });
  kernel.addresses.add({ linkIndex: uplink.index, address: "192.168.18.11/24", scope: "global" });
  kernel.close();
  const database = path.join(folder, "store.db");
  await fillStore(database);
  const agentSocket = path.join(folder, "agent.sock");
  const state = path.join(folder, "state");
  const arguments_ = [
    "agent",
    "--node",
    "bench",
    "--store",
    `sqlite:${database}`,
    "--state",
    state,
    "--socket",
    agentSocket,
  ];
  const agent = spawn(path.join(root, "bin/trunkline"), [...arguments_, "--log-level", logLevel], {
    stdio: ["inherit", logLevel === "debug" ? "pipe" : "inherit", "inherit"],
  });
  await waitForAgent(agentSocket, 20_000);
  const common = { cniVersion: "1.0.0", name: "bench" };
  return {
    folder,
    machine,
    agent,
    ours: {
      name: "ours",
      executable: shimPath(),
      config: JSON.stringify({
        ...common,
        type: "trunkline",
        agentSocket,
        queueDir: path.join(state, "queue"),
      }),
    },
    peer: {
      name: "peer",
      executable: path.join(plugins, "bridge"),
      config: JSON.stringify({
        ...common,
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        ipam: {
          type: "host-local",
          dataDir: path.join(folder, "host-local"),
          ranges: [[{ subnet: "10.99.0.0/16" }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      }),
    },
  };
}

async function fillStore(database: string): Promise<void> {
  const store = openSqliteStore(database);
  await store.create(nodeKind, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "bench" },
    status: { addresses: [{ type: "InternalIP", address: "192.168.18.11" }] },
  });
  await store.create(ipPoolKind, {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: { name: "bench" },
    spec: { cidr: "10.1.0.0/16" },
  });
  const pods = Math.max(ONE_BY_ONE + WARM_UP, BATCH, MANY_PODS + MANY_ROUNDS);
  for (let i = 0; i < pods; i++)
    await store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `pod-${i}`, namespace: "default", labels: { app: "bench" } },
      spec: { nodeName: "bench", containers: [{ name: "c" }] },
    });
  await store.close();
}

let sandboxes = 0;

interface Sandbox {
  readonly id: string;
  readonly netns: string;
  readonly pod: string;
}

function sandbox(setUp: Bench, pod: number): Sandbox {
  const id = `sandbox-${sandboxes++}`;
  return { id, netns: setUp.machine.createNetns(id), pod: `pod-${pod}` };
}

function job(plugin: Plugin, verb: "ADD" | "DEL" | "VERSION", { id, netns, pod }: Sandbox): Job {
  return {
    program: plugin.executable,
    input: plugin.config,
    env: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: id,
      CNI_NETNS: netns,
      CNI_IFNAME: "eth0",
      CNI_PATH: plugins,
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod}`,
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    },
  };
}

/** Runs a plugin; returns milliseconds from its start to its end. */
async function call(plugin: Plugin, verb: "ADD" | "DEL", box: Sandbox): Promise<number> {
  const { times } = await launch([job(plugin, verb, box)], 1);
  return times[0] ?? Number.NaN;
}

async function oneByOne(setUp: Bench): Promise<Row[]> {
  const times = {
    ours: { ADD: [] as number[], DEL: [] as number[] },
    peer: { ADD: [] as number[], DEL: [] as number[] },
  };
  for (let i = 0; i < ONE_BY_ONE + WARM_UP; i++) {
    // Who goes first changes, so that neither always finds what the other has left to do.
    const order = i % 2 === 0 ? (["ours", "peer"] as const) : (["peer", "ours"] as const);
    const boxes = { ours: sandbox(setUp, i), peer: sandbox(setUp, i) };
    for (const verb of ["ADD", "DEL"] as const)
      for (const who of order) {
        const time = await call(setUp[who], verb, boxes[who]);
        if (i >= WARM_UP) times[who][verb].push(time);
        // What is left to do behind the answer must not slow down the other one's next call.
        await sleep(25);
      }
    await Promise.all([boxes.ours, boxes.peer].map((box) => setUp.machine.removeNetns(box.id)));
  }
  const at = (verb: "ADD" | "DEL", share: number) =>
    [quantile(times.ours[verb], share), quantile(times.peer[verb], share)] as const;
  const most = (value: number) => ({ of: "ratio", at: "most", value }) as const;
  return [
    row("add-p50", "ADD, one at a time, median", "ms", ...at("ADD", 0.5), most(0.5)),
    row("add-p99", "ADD, one at a time, 99th percentile", "ms", ...at("ADD", 0.99)),
    row("del-p50", "DEL, one at a time, median", "ms", ...at("DEL", 0.5), most(0.2)),
    row("del-p99", "DEL, one at a time, 99th percentile", "ms", ...at("DEL", 0.99)),
  ];
}

async function eightAtATime(setUp: Bench): Promise<Row[]> {
  const rates = { ours: [] as number[], peer: [] as number[] };
  const waits = { ours: [] as number[], peer: [] as number[] };
  for (let batch = 0; batch < BATCHES; batch++) {
    const order = batch % 2 === 0 ? (["ours", "peer"] as const) : (["peer", "ours"] as const);
    for (const who of order) {
      const boxes = Array.from({ length: BATCH }, (_, pod) => sandbox(setUp, pod));
      const { times, wall } = await all(setUp[who], "ADD", boxes);
      waits[who].push(...times);
      rates[who].push((BATCH * 1000) / wall);
      await all(setUp[who], "DEL", boxes);
      await Promise.all(boxes.map((box) => setUp.machine.removeNetns(box.id)));
      await sleep(300);
    }
  }
  const least = { of: "ratio", at: "least", value: 3 } as const;
  return [
    row(
      "add-rate-8",
      "ADD, eight at a time, median of batches",
      "1/s",
      quantile(rates.ours, 0.5),
      quantile(rates.peer, 0.5),
      least,
    ),
    row(
      "add-p50-8",
      "ADD, eight at a time, median",
      "ms",
      quantile(waits.ours, 0.5),
      quantile(waits.peer, 0.5),
    ),
  ];
}

function all(plugin: Plugin, verb: "ADD" | "DEL", boxes: readonly Sandbox[]): Promise<Launched> {
  return launch(
    boxes.map((box) => job(plugin, verb, box)),
    AT_A_TIME,
  );
}

async function atRest(setUp: Bench): Promise<Row[]> {
  const boxes = Array.from({ length: PODS_AT_REST }, (_, pod) => sandbox(setUp, pod));
  await all(setUp.ours, "ADD", boxes);
  await sleep(TIDY_MS);
  const pid = setUp.agent.pid ?? 0;
  const before = processorSeconds(pid);
  await sleep(REST_SECONDS * 1000);
  const percent = ((processorSeconds(pid) - before) / REST_SECONDS) * 100;
  const most = (value: number) => ({ of: "ours", at: "most", value }) as const;
  return [
    row(
      "rest-rss",
      `agent at rest with ${PODS_AT_REST} pods, resident memory`,
      "MiB",
      memoryMib(pid),
      null,
      most(72),
    ),
    row("rest-cpu", `agent at rest with ${PODS_AT_REST} pods, CPU`, "%", percent, null, most(0.5)),
  ];
}

/**
 * ADD on a node with a thousand pods beside the same with a few. The two cannot take turns, so each is measured beside the
 * peer, which has no other pods in both, and the ratios are compared.
 */
async function manyPods(setUp: Bench): Promise<Row[]> {
  const boxes: Sandbox[] = [];
  const fill = async (count: number): Promise<void> => {
    const more = Array.from({ length: count - boxes.length }, (_, at) => sandbox(setUp, boxes.length + at));
    boxes.push(...more);
    await all(setUp.ours, "ADD", more);
    await sleep(3000);
  };
  const measured = async (): Promise<number> => {
    const ratios: number[] = [];
    for (let i = 0; i < MANY_ROUNDS; i++) {
      const [ours, peer] = [sandbox(setUp, MANY_PODS + i), sandbox(setUp, MANY_PODS + i)];
      const order = i % 2 === 0 ? ([ours, peer] as const) : ([peer, ours] as const);
      const times = new Map<Sandbox, number>();
      for (const box of order) times.set(box, await call(setUp[box === ours ? "ours" : "peer"], "ADD", box));
      ratios.push((times.get(ours) ?? Number.NaN) / (times.get(peer) ?? Number.NaN));
      await call(setUp.ours, "DEL", ours);
      await call(setUp.peer, "DEL", peer);
      await sleep(25);
      await Promise.all([ours, peer].map((box) => setUp.machine.removeNetns(box.id)));
    }
    return quantile(ratios, 0.5);
  };
  await fill(10);
  const few = await measured();
  await fill(MANY_PODS);
  const many = await measured();
  await all(setUp.ours, "DEL", boxes);
  await Promise.all(boxes.map((box) => setUp.machine.removeNetns(box.id)));
  const text = `ADD with ${MANY_PODS} pods on the node, as a share of bridge + host-local's (peer: with 10 pods), median`;
  return [row("add-1000", text, "share", many, few, { of: "ratio", at: "most", value: 1.15 })];
}

/** A cluster on this machine, by the command line: its start, and 250 pods on its three nodes. */
async function wholeLab(folder: string): Promise<Row[]> {
  const manifest = path.join(folder, "pods.yaml");
  writeFileSync(manifest, podsManifest);
  const env = { ...process.env, TRUNKLINE_LABS: path.join(folder, "labs") };
  const trunkline = async (...words: string[]) => {
    const began = performance.now();
    const child = spawn(path.join(root, "bin/trunkline"), words, {
      env,
      stdio: ["ignore", "ignore", "inherit"],
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    if (code !== 0) throw new Error(`trunkline ${words.join(" ")} ended with ${code}`);
    return (performance.now() - began) / 1000;
  };
  try {
    const up = await trunkline("lab", "up", path.join(root, "examples/first-light"), "-d");
    const applied = await trunkline("apply", "-f", manifest);
    const ready = applied + (await trunkline("wait", "--for", "ready", "--all", "--timeout", "60s"));
    const most = (value: number) => ({ of: "ours", at: "most", value }) as const;
    return [
      row("lab-up", "lab up with three nodes", "s", up, null, most(2)),
      row("lab-pods", `from apply to ${PODS_AT_REST} pods ready on three nodes`, "s", ready, null, most(10)),
    ];
  } finally {
    await trunkline("lab", "down");
  }
}

const podsManifest = `apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: bench}
spec: {cidr: 10.1.0.0/16}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: bench, namespace: default}
spec:
  replicas: ${PODS_AT_REST}
  selector: {app: bench}
  template:
    metadata: {labels: {app: bench}}
    spec:
      containers:
        - {name: web, image: web, ports: [{containerPort: 80}]}
`;
