// examples/allowlist: three workloads that grow and shrink, and a client in every pod that connects from its first moment on to all
// that admits by a list. No connection of theirs is ever refused, and every one of others always is.
import { existsSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AddressList, addressListKind } from "../../../src/api/kinds/address-list.ts";
import { type Pod, podKind } from "../../../src/api/kinds/core.ts";
import { run } from "../../../src/kernel/exec/index.ts";
import { linuxMachine } from "../../../src/kernel/index.ts";
import type { Kernel } from "../../../src/kernel/kernel.ts";
import { podNetns } from "../../../src/lab/pods/pod-runner.ts";
import { Informer } from "../../../src/store/informer.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";
import { Commands } from "../../e2e/trunkline.ts";

const example = path.resolve(import.meta.dirname, "../../../examples/allowlist");
const folder = "/tmp/trunkline-allowlist";
const workloads = ["web", "worker", "batch"];
const CLIENT_MS = 3000;
/** What a busy machine is slow to answer is not refused. */
const TIMEOUT_MS = 90_000;

interface Target {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly says?: string | Buffer;
  /** What its answer means; undefined: nothing. */
  readonly admits: (answer: string) => boolean;
}

const words = Buffer.from("user\0postgres\0database\0postgres\0\0");
const head = Buffer.alloc(8);
head.writeInt32BE(8 + words.length, 0);
head.writeInt32BE(0x00030000, 4);

const targets: readonly Target[] = [
  {
    name: "PostgreSQL",
    address: "192.168.200.10",
    port: 5432,
    says: Buffer.concat([head, words]),
    admits: (answer) => answer.startsWith("R"),
  },
  { name: "store", address: "192.168.200.11", port: 9000, admits: (answer) => answer.startsWith("172.16.") },
  {
    name: "nginx",
    address: "192.168.200.12",
    port: 80,
    says: "GET / HTTP/1.0\r\n\r\n",
    admits: (answer) => answer.includes(" 200 "),
  },
  { name: "HAProxy", address: "192.168.200.12", port: 7000, admits: (answer) => answer !== "" },
];

/** Connects from a namespace; returns what came back until the other end closed, or had said something. */
function ask(kernel: Kernel, { address, port, says }: Target): Promise<string> {
  const socket = new Socket({ fd: kernel.sockets.connectTcp(address, port), readable: true, writable: true });
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = "";
  socket.setEncoding("latin1");
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
  socket.on("error", () => {});
  socket.on("data", (text: string) => {
    answer += text;
    socket.destroy();
  });
  socket.on("close", () => resolve(answer));
  if (says !== undefined) socket.write(says);
  return promise;
}

interface Wrong {
  readonly pod: string;
  readonly target: string;
  readonly afterMs: number;
  readonly answer: string;
}

describe("examples/allowlist", () => {
  const trunkline = new Commands();
  const machine = linuxMachine();
  const counts = { listed: 0, others: 0, pods: 0 };
  const wrong: Wrong[] = [];
  const clients = new Set<Promise<void>>();
  const ending = new Set<string>();
  const torn: string[] = [];
  let watching = true;
  let store: ReturnType<typeof openSqliteStore>;
  let pods: Informer<Pod>;
  let reading: Promise<void>;

  async function client(pod: Pod): Promise<void> {
    const { uid, name } = pod.metadata;
    const isListed = workloads.includes(pod.metadata.labels?.["app"] ?? "");
    const kernel = machine.open({ name: podNetns(trunkline.lab, uid) });
    const began = performance.now();
    counts.pods++;
    try {
      while (performance.now() - began < CLIENT_MS && !ending.has(uid)) {
        const answers = await Promise.all(targets.map((target) => ask(kernel, target)));
        // What is cut off because the pod ends says nothing.
        if (ending.has(uid)) return;
        for (const [at, answer] of answers.entries()) {
          const target = targets[at]!;
          counts[isListed ? "listed" : "others"]++;
          if (target.admits(answer) !== isListed)
            wrong.push({
              pod: name,
              target: target.name,
              afterMs: performance.now() - began,
              answer: answer.slice(0, 80),
            });
        }
        await pause(20);
      }
    } finally {
      kernel.close();
    }
  }

  /** What any reader finds in the files, at any moment. */
  async function read(): Promise<void> {
    const forms: readonly (readonly [string, RegExp])[] = [
      ["nginx/allow.conf", /^(# .*\n)?(allow [\d./]+;\n)*deny all;\n$/],
      ["haproxy/allow.lst", /^(# .*\n([\d./]+\n)*)?$/],
      [
        "postgres/pg_hba.conf",
        /^local all all peer\n(# >>> AddressList db\n#.*\n(host all all [\d./]+ trust\n)*# <<< AddressList db\n)?$/,
      ],
      ["proxy.json", /^\{\n[\s\S]*\n\}\n$/],
    ];
    while (watching) {
      for (const [name, form] of forms) {
        const file = path.join(folder, name);
        const text = existsSync(file) ? readFileSync(file, "utf8") : undefined;
        if (text !== undefined && !form.test(text)) torn.push(`${name}: ${text.slice(0, 200)}`);
      }
      await pause(2);
    }
  }

  beforeAll(async () => {
    await trunkline.up("examples/allowlist");
    const env = { TRUNKLINE_LABS: path.join(trunkline.folder, "labs") };
    await run(path.join(example, "servers.sh"), ["--lab", trunkline.lab], { env, timeoutMs: 120_000 });
    await trunkline.ask("apply", "-f", path.join(example, "lists.yaml"));
    store = openSqliteStore(trunkline.entry().paths.store);
    pods = new Informer<Pod>(store, podKind);
    pods.on(({ type, object, previous }) => {
      const { uid, deletionTimestamp } = object.metadata;
      if (type === "deleted" || deletionTimestamp !== undefined) ending.add(uid);
      else if (object.status?.phase === "Running" && previous?.status?.phase !== "Running") {
        const running = client(object).finally(() => clients.delete(running));
        clients.add(running);
      }
    });
    pods.start();
    await pods.synced;
    reading = read();
  }, 180_000);
  afterAll(async () => {
    watching = false;
    await pods?.stop();
    await Promise.all([...clients, reading]);
    await store?.close();
    await run(path.join(example, "servers.sh"), ["stop"], { timeoutMs: 60_000 });
    await trunkline.end();
  }, 120_000);

  const lists = async () => (await store.list<AddressList>(addressListKind)).items;
  const sizes = async () => (await lists()).map(({ status }) => status?.entries?.length);
  const scale = async (replicas: number) => {
    for (const name of [...workloads, "other"])
      await trunkline.ask(
        "scale",
        `deployment/${name}`,
        "--replicas",
        String(name === "other" ? Math.min(replicas, 6) : replicas),
      );
    await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "90s");
  };

  it("refuses no connection of a listed workload, and every other one", async () => {
    await trunkline.ask("apply", "-f", path.join(example, "workloads.yaml"));
    await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
    await scale(40);
    expect(await sizes()).toEqual([120, 120, 120]);
    for (const { status } of await lists())
      for (const sink of status?.sinks ?? []) expect(sink).toMatchObject({ revision: status?.revision });
    await pause(CLIENT_MS);
    await scale(2);
    // What nobody uses any more goes once it has rested.
    await expect.poll(sizes, { timeout: 60_000, interval: 500 }).toEqual([6, 6, 6]);
    await Promise.all(clients);
    expect({ wrong: wrong.slice(0, 10), torn: torn.slice(0, 3) }).toEqual({ wrong: [], torn: [] });
    console.log(counts);
    expect(counts.pods).toBeGreaterThanOrEqual(126);
    expect(counts.listed).toBeGreaterThan(1000);
    expect(counts.others).toBeGreaterThan(50);
    const events = await trunkline.json<{ items: { reason: string; message: string }[] }>(
      "get",
      "events",
      "-A",
    );
    expect(events.items.filter(({ reason }) => reason === "AddressListNotReady")).toEqual([]);
  }, 400_000);
});
