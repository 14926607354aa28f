// A pod's ADD waits until its address is where the destination reads it: what that adds to a plain ADD, for each kind of sink. The
// agent and the controller are processes of their own, as in production; their store is one SQLite file.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { waitForAgent } from "../../src/agent/install-cni.ts";
import { shimPath } from "../../src/agent/shim-path.ts";
import { type AddressList, type AddressListSink, addressListKind } from "../../src/api/kinds/address-list.ts";
import { nodeKind, podKind } from "../../src/api/kinds/core.ts";
import { type Host, hostKind } from "../../src/api/kinds/host.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { type Kernel, linuxMachine } from "../../src/kernel/index.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import { postgresServer } from "../../test/kernel/sinks/servers.ts";
import { launch } from "./launch.ts";
import { rounds } from "./quick.ts";
import { quantile, type Row, row } from "./row.ts";

const program = path.resolve(import.meta.dirname, "../../bin/trunkline");
const ADDS = rounds(40, 12);
const WARM_UP = 5;
const kinds = ["plain", "file", "nft", "postgres"] as const;
type Sort = (typeof kinds)[number];

export async function listAddRows(folder: string): Promise<Row[]> {
  const machine = linuxMachine();
  const kernel = machine.open("self");
  const uplink = kernel.links.add({ kind: "bridge", name: "up0", up: true });
  kernel.addresses.add({ linkIndex: uplink.index, address: "192.168.18.11/24", scope: "global" });
  await kernel.nft.run(
    "add table inet guard\nadd set inet guard clients { type ipv4_addr; flags interval; }\n",
  );
  const postgres = await postgresServer();
  const children: ChildProcess[] = [];
  try {
    await postgres.start();
    const sinks: Record<Exclude<Sort, "plain">, AddressListSink> = {
      file: { name: "file", file: { path: path.join(folder, "list.txt") } },
      nft: { name: "nft", nodes: {}, nft: { family: "inet", table: "guard", ipv4Set: "clients" } },
      postgres: postgres.spec,
    };
    const store = `sqlite:${path.join(folder, "adds.db")}`;
    await fill(path.join(folder, "adds.db"), sinks);
    const socket = path.join(folder, "agent.sock");
    const run = (...args: string[]) =>
      children.push(
        spawn(program, [...args, "--store", store, "--log-level", "error"], { stdio: "inherit" }),
      );
    run("controller", "--sink-folder", folder, postgres.folder);
    run("agent", "--node", "bench", "--state", path.join(folder, "adds"), "--socket", socket);
    await waitForAgent(socket, 20_000);
    await pause(1000);
    const has = effective(kernel, folder, postgres.file);
    const times = await measure(socket, path.join(folder, "adds"), has);
    return rowsOf(times);
  } finally {
    for (const child of children) await ended(child);
    await postgres.close();
    kernel.close();
  }
}

function rowsOf(times: ReadonlyMap<Sort, number[]>): Row[] {
  const plain = quantile(times.get("plain") ?? [], 0.5);
  const judged = (sort: Sort, what: string, value: number) => {
    const p50 = quantile(times.get(sort) ?? [], 0.5);
    const text = `ADD until the address is effective in ${what}, p50 over a plain ADD's ${plain.toFixed(1)} ms`;
    return row(`answers.list.add.${sort}`, text, "ms", p50 - plain, null, { of: "ours", at: "most", value });
  };
  return [
    judged("file", "a file", 20),
    judged("nft", "a set of the firewall", 20),
    judged("postgres", "PostgreSQL", 100),
  ];
}

/** The kinds take turns, so that all meet the same machine. */
async function measure(
  agentSocket: string,
  state: string,
  has: (sort: Sort, address: string) => Promise<boolean>,
): Promise<ReadonlyMap<Sort, number[]>> {
  const machine = linuxMachine();
  const config = JSON.stringify({
    cniVersion: "1.0.0",
    name: "bench",
    type: "trunkline",
    agentSocket,
    queueDir: path.join(state, "queue"),
  });
  const times = new Map<Sort, number[]>(kinds.map((sort) => [sort, []]));
  for (let i = 0; i < ADDS + WARM_UP; i++)
    for (const sort of kinds) {
      const id = `${sort}-${i}`;
      const netns = machine.createNetns(id);
      const env = (verb: string) => ({
        CNI_COMMAND: verb,
        CNI_CONTAINERID: id,
        CNI_NETNS: netns,
        CNI_IFNAME: "eth0",
        CNI_PATH: path.dirname(shimPath()),
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${id}`,
      });
      const added = await launch([{ program: shimPath(), input: config, env: env("ADD") }], 1);
      const pod = machine.open({ name: id });
      const address = pod.addresses.list().find((one) => one.address.startsWith("10.1."))?.address ?? "";
      pod.close();
      // Nobody looks before ADD has answered: what it promises is looked at as soon as it has.
      if (!(await has(sort, address.replace(/\/.*/, ""))))
        throw new Error(`${sort}: ADD has answered without ${address}`);
      if (i >= WARM_UP) times.get(sort)?.push(added.times[0] ?? Number.NaN);
      await launch([{ program: shimPath(), input: config, env: env("DEL") }], 1);
      await machine.removeNetns(id);
      await pause(25);
    }
  return times;
}

function effective(kernel: Kernel, folder: string, hba: string) {
  const isIn = (file: string, address: string) => readFileSync(file, "utf8").includes(`${address}/32`);
  return async (sort: Sort, address: string): Promise<boolean> => {
    if (address === "") return false;
    if (sort === "file") return isIn(path.join(folder, "list.txt"), address);
    if (sort === "postgres") return isIn(hba, address);
    return (
      sort === "plain" || ((await kernel.nft.text("list set inet guard clients")) ?? "").includes(address)
    );
  };
}

async function fill(database: string, sinks: Readonly<Record<string, AddressListSink>>): Promise<void> {
  const store = openSqliteStore(database);
  const status = { addresses: [{ type: "InternalIP" as const, address: "192.168.18.11" }] };
  await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata: { name: "bench" }, status });
  const own = { apiVersion: "trunkline.dev/v1alpha1" } as const;
  await store.create<Host>(hostKind, {
    ...own,
    kind: "Host",
    metadata: { name: "db" },
    spec: { addresses: ["172.17.0.9"] },
  });
  await store.create(ipPoolKind, {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: { name: "bench" },
    spec: { cidr: "10.1.0.0/16", natOutgoing: false },
  });
  for (const sort of kinds)
    for (let i = 0; i < ADDS + WARM_UP; i++)
      await store.create(podKind, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: `${sort}-${i}`, namespace: "default", labels: { sort } },
        spec: { nodeName: "bench", containers: [{ name: "c" }] },
      });
  for (const [sort, sink] of Object.entries(sinks))
    await store.create<AddressList>(addressListKind, {
      ...own,
      kind: "AddressList",
      metadata: { name: sort },
      spec: { for: [{ podSelector: { matchLabels: { sort } } }], to: "host/db", sinks: [sink] },
    });
  await store.close();
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const end = new Promise((resolve) => child.once("exit", resolve));
  child.kill();
  await end;
}
