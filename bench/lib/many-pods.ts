// A thousand pods on fifty nodes of one lab: their addresses of a subnet whose provider is slow and strict, and of blocks, for
// what the lab's one process needs anyway.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { barePods } from "./bare-pods.ts";
import { processorSecondsWithChildren } from "./processes.ts";
import { type Row, row } from "./row.ts";

const root = path.resolve(import.meta.dirname, "../..");
/** How many nodes and pods; the small one only where it is asked for. */
const SCALES = { small: { nodes: 5, pods: 100 }, scale: { nodes: 50, pods: 1000 } } as const;
const LATENCY_MS = 200;
const CALLS_PER_SECOND = 10;

interface Calls {
  readonly calls: Readonly<Record<string, { readonly made: number; readonly failed: number }>>;
}

interface Ran {
  /** Until all run. */
  readonly seconds: number;
  /** Processor time of the lab's process for it, and of the plugins that it has run. */
  readonly cpuSeconds: number;
  readonly made: number;
  readonly answered: number;
}

export async function manyPods(folder: string, part: keyof typeof SCALES): Promise<Row[]> {
  const { nodes, pods } = SCALES[part];
  const ours = await run(folder, nodes, pods, "subnets");
  const blocks = await run(folder, nodes, pods, "blocks");
  const what = `${pods} pods on ${nodes} nodes, ${LATENCY_MS} ms and ${CALLS_PER_SECOND} calls/s, until all run`;
  const bound = ours.answered / CALLS_PER_SECOND + LATENCY_MS / 1000;
  const most = (of: "ratio" | "ours", value: number) => ({ of, at: "most", value }) as const;
  const time = `${what} (peer: what the rate of these calls takes)`;
  // One thread does the work of fifty agents, fifty kubelets, the scheduler and the store.
  const cpu = `processor time of the lab's process and its plugins for it (peer: the bound above)${ours.cpuSeconds > bound ? ": more than the bound, so that one thread cannot hold it" : ""}`;
  const floor = await barePods(pods);
  return [
    row(`${part}-time`, time, "s", ours.seconds, bound, most("ratio", 1.2)),
    row(`${part}-calls`, "answered calls a pod", "", ours.answered / pods, null, most("ours", 0.2)),
    row(`${part}-refused`, "throttled calls a pod", "", (ours.made - ours.answered) / pods),
    row(`${part}-cpu`, cpu, "s", ours.cpuSeconds, bound),
    row(
      `${part}-floor`,
      "processor time of as many namespaces, wires and plugin processes, and nothing else (peer: the bound above)",
      "s",
      floor,
      bound,
    ),
    row(
      `${part}-blocks-time`,
      "time (peer: the same pods with blocks, no provider)",
      "s",
      ours.seconds,
      blocks.seconds,
    ),
    row(
      `${part}-blocks-cpu`,
      "processor time (peer: the same with blocks)",
      "s",
      ours.cpuSeconds,
      blocks.cpuSeconds,
    ),
  ];
}

async function run(folder: string, nodes: number, pods: number, what: "subnets" | "blocks"): Promise<Ran> {
  const labs = path.join(folder, "labs");
  const name = `bench-${what}`;
  const trunkline = (...words: string[]) => command(labs, words);
  const made = async () => {
    if (what === "blocks") return { made: 0, answered: 0 };
    const { calls } = JSON.parse(await trunkline("lab", "provider", "show", "-o", "json")) as Calls;
    const sum = (which: "made" | "failed") => Object.values(calls).reduce((all, one) => all + one[which], 0);
    return { made: sum("made"), answered: sum("made") - sum("failed") };
  };
  const file = (of: string, value: unknown) => {
    const full = path.join(folder, of);
    writeFileSync(full, JSON.stringify(value));
    return full;
  };
  try {
    // JSON is YAML.
    await trunkline("lab", "up", file("lab.yaml", labOf(name, nodes, what)), "-d");
    await trunkline("apply", "-f", file("config.json", what === "subnets" ? configOf() : poolObject()));
    // Every node has asked for what it has, which is nothing, before the clock starts.
    await sleep(5000);
    const latency = ["--latency", `${LATENCY_MS}ms`, "--calls-per-second", `${CALLS_PER_SECOND}`];
    if (what === "subnets") await trunkline("lab", "provider", "set", ...latency);
    const [before, cpu] = [await made(), cpuOf(labs, name)];
    const began = performance.now();
    await trunkline("apply", "-f", file("pods.json", podsOf(pods)));
    await trunkline("wait", "--for", "ready", "--all", "--timeout", "900s");
    const seconds = (performance.now() - began) / 1000;
    const cpuSeconds = cpuOf(labs, name) - cpu;
    const after = await made();
    return {
      seconds,
      cpuSeconds,
      made: after.made - before.made,
      answered: after.answered - before.answered,
    };
  } finally {
    await trunkline("lab", "down");
  }
}

async function command(labs: string, words: readonly string[]): Promise<string> {
  const child = spawn(path.join(root, "bin/trunkline"), words, {
    env: { ...process.env, TRUNKLINE_LABS: labs },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = new Promise((resolve) => child.on("close", resolve));
  const said = await text(child.stdout);
  const code = await closed;
  if (code !== 0) throw new Error(`trunkline ${words.join(" ")} ended with ${code}`);
  return said;
}

/** Returns the processor time of a lab's process and its plugins so far, in seconds. */
function cpuOf(labs: string, name: string): number {
  const record = JSON.parse(readFileSync(path.join(labs, name, "lab.json"), "utf8")) as {
    readonly process: { readonly pid: number };
  };
  return processorSecondsWithChildren(record.process.pid);
}

function labOf(name: string, count: number, what: "subnets" | "blocks"): object {
  const nodes = Array.from({ length: count }, (_, n) => ({
    name: `n${n}`,
    address: `192.168.20.${n + 10}`,
    zone: "h",
  }));
  return {
    name,
    networks: [{ name: "machines", cidr: "192.168.20.0/24" }],
    routers: [{ name: "vpc", addresses: ["192.168.20.1"] }],
    ...(what === "subnets" && {
      subnets: [{ id: "vsw-1", zone: "h", cidr: "10.2.0.0/20" }],
      securityGroups: [{ id: "sg-1" }],
    }),
    nodes,
  };
}

function configOf(): object {
  const settings = { vswitches: { h: ["vsw-1"] }, security_group: "sg-1" };
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "eni-config", namespace: "kube-system" },
    data: { eni_conf: JSON.stringify(settings) },
  };
}

function poolObject(): object {
  const spec = { cidr: "10.1.0.0/16" };
  return { apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name: "bench" }, spec };
}

function podsOf(replicas: number): object {
  const spec = { containers: [{ name: "web", image: "web", ports: [{ containerPort: 80 }] }] };
  return {
    apiVersion: "v1",
    kind: "ReplicationController",
    metadata: { name: "bench", namespace: "default" },
    spec: {
      replicas,
      selector: { app: "bench" },
      template: { metadata: { labels: { app: "bench" } }, spec },
    },
  };
}
