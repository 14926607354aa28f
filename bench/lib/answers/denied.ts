// Packets that policies refuse: what a hundred thousand of them a second cost the agent, whether all are counted, and what it costs
// those that are allowed that the kernel tells of them.
import { execFile } from "node:child_process";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { readDeniedCounts } from "../../../src/agent/denied/denied-counts.ts";
import { type NetworkPolicy, networkPolicyKind } from "../../../src/api/kinds/network-policy.ts";
import { LOG_GROUP } from "../../../src/plan/policy/nft/refusals.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";
import { compiled } from "../compiled.ts";
import { createPod, fillNode, OwnAgent } from "../own-agent.ts";
import { ipOf, makePathCluster } from "../policy/cluster.ts";
import { enforce } from "../policy/enforce.ts";
import { BenchPath } from "../policy/paths.ts";
import { processorSeconds } from "../processes.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";

const RATE = 100_000;
const SECONDS = rounds(10, 3);
const SLICE_MS = 20;
const PAIRS = rounds(300, 40);
const TABLE = "inet trunkline";
const SILENT = "inet silent";

export async function deniedRows(folder: string): Promise<Row[]> {
  const database = path.join(folder, "denied.db");
  const store = openSqliteStore(database);
  await fillNode(store);
  for (const name of ["shut", "loud"]) await createPod(store, name, { app: name });
  await store.create<NetworkPolicy>(networkPolicyKind, {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "shut", namespace: "default" },
    spec: { podSelector: { matchLabels: { app: "shut" } }, policyTypes: ["Ingress"] },
  });
  await store.close();
  const agent = await OwnAgent.start(path.join(folder, "denied"), database);
  try {
    const { address } = await agent.plug("shut");
    await agent.plug("loud");
    await pause(2000);
    const counted = async () =>
      (await readDeniedCounts(agent.kernel.nft)).links.reduce((sum, { packets }) => sum + packets, 0);
    const pid = agent.process.pid ?? 0;
    const [before, cpu] = [await counted(), processorSeconds(pid)];
    const { sent, seconds } = await flood("loud", address, RATE, SECONDS);
    const used = ((processorSeconds(pid) - cpu) / seconds) * 100;
    const refused = (await counted()) - before;
    const rate = Math.round(sent / seconds).toLocaleString("en");
    return [
      row(
        "answers.denied.cpu",
        `agent's CPU while ${rate} packets a second are refused (${RATE.toLocaleString("en")} were asked for)`,
        "% of a core",
        used,
        null,
        { of: "ours", at: "most", value: 10 },
      ),
      row("answers.denied.exact", "refused packets that are counted (peer: sent)", "", refused, sent, {
        of: "ratio",
        at: "least",
        value: 1,
      }),
    ];
  } finally {
    for (const pod of ["shut", "loud"]) await agent.unplug(pod).catch(() => {});
    await agent.end();
  }
}

/**
 * The very same rules with what tells of refusals and without, on one path, in turns; meanwhile the client is refused, too. The
 * ratio is that of processor time (policy.ts says why).
 */
export async function toldRows(): Promise<Row[]> {
  const bed = await BenchPath.make("told");
  await enforce(bed.node, makePathCluster(10, false), true);
  const told = (await bed.node.nft.text(`list table ${TABLE}`)) ?? "";
  const silent = told
    .replace(`table ${TABLE} {`, `table ${SILENT} {`)
    .replaceAll(/limit rate \S+ burst \d+ packets log prefix "[^"]*" group \d+ snaplen \d+/g, "");
  if (silent.includes(" log ") || !told.includes(" log ")) throw new Error("the rules' text has changed");
  await bed.node.nft.run(silent);
  bed.ruledBy({ table: TABLE, reversePath: false, instead: [SILENT] });
  const listener = bed.node.packetLog(LOG_GROUP, () => {});
  const pairs = { tcp: [] as number[], udp: [] as number[] };
  const rates = { tcp: [] as number[], udp: [] as number[] };
  const ending = new AbortController();
  const refused = flood("told-c", ipOf(0), 2000, 600, ending.signal).catch(() => {});
  try {
    for (let round = 0; round < PAIRS; round++)
      for (const what of ["tcp", "udp"] as const) {
        const before = await bed.sliceBy(what, SLICE_MS, false);
        const { cpu } = await bed.sliceBy(what, SLICE_MS, true);
        const after = await bed.sliceBy(what, SLICE_MS, false);
        rates[what].push(before.rate, after.rate);
        pairs[what].push((before.cpu + after.cpu) / (2 * cpu));
      }
  } finally {
    ending.abort();
    await refused;
    listener.stop();
    bed.close();
  }
  const judged = (what: "tcp" | "udp", text: string) => {
    const base = quantile(rates[what], 0.5);
    const spread = `${quantile(pairs[what], 0.25).toFixed(2)}..${quantile(pairs[what], 0.75).toFixed(2)}`;
    const whole = `${text} while others are refused, told of (peer: not told of; middle half ${spread})`;
    const ratio = quantile(pairs[what], 0.5);
    const bar = { of: "ratio", at: "least", value: 0.99 } as const;
    return row(`answers.denied.told.${what}`, whole, "1/s", ratio * base, base, bar);
  };
  return [judged("tcp", "new TCP connections"), judged("udp", "packets of an established flow")];
}

/** Sends from a namespace. */
async function flood(netns: string, to: string, rate: number, seconds: number, signal?: AbortSignal) {
  const args = ["netns", "exec", netns, compiled("flood"), to, "9", `${rate}`, `${seconds}`];
  const { stdout } = await promisify(execFile)("ip", args, { signal });
  const [sent = 0, took = 1] = stdout.split(" ").map(Number);
  return { sent, seconds: took };
}
