// A pod's ADD waits until its address is where the destination reads it: what that adds to a plain ADD, for each kind of sink. The
// agent and the controller are processes of their own, as in production; their store is one SQLite file.
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import {
  type AddressList,
  type AddressListSink,
  addressListKind,
} from "../../../src/api/kinds/address-list.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";
import { postgresServer } from "../../../test/kernel/sinks/servers.ts";
import { createPod, daemon, fillNode, OwnAgent } from "../own-agent.ts";
import { ended } from "../processes.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";

const ADDS = rounds(40, 12);
const WARM_UP = 5;
const kinds = ["plain", "file", "nft", "postgres"] as const;
type Sort = (typeof kinds)[number];

export async function listAddRows(folder: string): Promise<Row[]> {
  const database = path.join(folder, "adds.db");
  const file = path.join(folder, "list.txt");
  const postgres = await postgresServer();
  await fill(database, {
    file: { name: "file", file: { path: file } },
    nft: { name: "nft", nodes: {}, nft: { family: "inet", table: "guard", ipv4Set: "clients" } },
    postgres: postgres.spec,
  });
  const agent = await OwnAgent.start(path.join(folder, "adds"), database);
  await agent.kernel.nft.run(
    "add table inet guard\nadd set inet guard clients { type ipv4_addr; flags interval; }\n",
  );
  const controller = daemon(database, ["controller", "--sink-folder", folder, postgres.folder]);
  try {
    await postgres.start();
    await pause(1000);
    const isIn = (place: string, address: string) => readFileSync(place, "utf8").includes(`${address}/32`);
    return rowsOf(
      await measure(agent, {
        plain: async () => true,
        file: async (address) => isIn(file, address),
        postgres: async (address) => isIn(postgres.file, address),
        nft: async (address) =>
          ((await agent.kernel.nft.text("list set inet guard clients")) ?? "").includes(address),
      }),
    );
  } finally {
    await ended(controller);
    await agent.end();
    await postgres.close();
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
  agent: OwnAgent,
  effective: Readonly<Record<Sort, (address: string) => Promise<boolean>>>,
): Promise<ReadonlyMap<Sort, number[]>> {
  const times = new Map<Sort, number[]>(kinds.map((sort) => [sort, []]));
  for (let i = 0; i < ADDS + WARM_UP; i++)
    for (const sort of kinds) {
      const pod = `${sort}-${i}`;
      const { ms, address } = await agent.plug(pod);
      // What ADD promises is looked at as soon as it has answered.
      if (address === "" || !(await effective[sort](address)))
        throw new Error(`${sort}: ADD has answered without '${address}'`);
      if (i >= WARM_UP) times.get(sort)?.push(ms);
      await agent.unplug(pod);
      await pause(25);
    }
  return times;
}

async function fill(database: string, sinks: Readonly<Record<string, AddressListSink>>): Promise<void> {
  const store = openSqliteStore(database);
  await fillNode(store);
  for (const sort of kinds)
    for (let i = 0; i < ADDS + WARM_UP; i++) await createPod(store, `${sort}-${i}`, { sort });
  for (const [sort, sink] of Object.entries(sinks))
    await store.create<AddressList>(addressListKind, {
      apiVersion: "trunkline.dev/v1alpha1",
      kind: "AddressList",
      metadata: { name: sort },
      spec: { for: [{ podSelector: { matchLabels: { sort } } }], to: "host/db", sinks: [sink] },
    });
  await store.close();
}
