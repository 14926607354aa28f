// NetworkPolicy: from event to enforced, a whole cluster computed, first packets however many policies there are, and the
// restart; beside one iptables chain per pod on the same kernel.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { linuxMachine } from "../src/kernel/index.ts";
import { chainsPerPod } from "./lib/policy/chains.ts";
import { makeCluster, makePathCluster } from "./lib/policy/cluster.ts";
import { enforce } from "./lib/policy/enforce.ts";
import { eventRows } from "./lib/policy/events.ts";
import { flowTableRows, prepareMachine } from "./lib/policy/flow-tables.ts";
import { loadRows } from "./lib/policy/load.ts";
import { memberRows } from "./lib/policy/member.ts";
import { BenchPath, trackingText } from "./lib/policy/paths.ts";
import { rangeRows } from "./lib/policy/ranges.ts";
import { isPrivate, ranInPrivate } from "./lib/private.ts";
import { rounds } from "./lib/quick.ts";
import { quantile, type Row, row } from "./lib/row.ts";

/** Short, so that what it is compared with is near in time. */
const SLICE_MS = 20;
/** A bar of 3 % wants medians of many pairs: one pair's spread is ten. */
const ROUNDS = { tcp: rounds(60, 12), udp: rounds(200, 30) } as const;
const PEER_ROUNDS = rounds(40, 6);
export const needs = [{ program: "iptables-restore", debian: "iptables" }];

export async function bench(args: readonly string[]): Promise<readonly Row[] | undefined> {
  // What it is made of is fetched, which has to be while there is a network.
  if (args.includes("flow-tables") && !isPrivate) await prepareMachine();
  if (ranInPrivate()) return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-bench-"));
  const wanted = (part: string): boolean => args.length === 0 || args.includes(part);
  try {
    return [
      ...(wanted("full") ? fullRows() : []),
      ...(wanted("events") ? await eventRows(makeCluster(3334, 30, 3, 250), folder) : []),
      ...(wanted("ranges") ? await rangeRows(folder) : []),
      ...(wanted("restart") ? await restartRows() : []),
      ...(wanted("load") ? await loadRows() : []),
      ...(wanted("member") ? await memberRows() : []),
      ...(wanted("packets") ? await packetRows() : []),
      // A virtual machine is started for it: only where it is asked for by name.
      ...(args.includes("flow-tables") ? await flowTableRows() : []),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What bin/trunkline starts an agent with. */
const daemonFlags = ["--max-semi-space-size=4", "--heap-growing-percent=30", "--no-sparkplug"];
const daemonEnv = { MALLOC_ARENA_MAX: "2" };

/** 25,000 namespaces, 100,000 pods, 75,000 policies in a process of its own; the best of three. */
function fullRows(): Row[] {
  const runs = Array.from({ length: rounds(3, 1) }, () => {
    const script = path.join(import.meta.dirname, "lib/policy/full.ts");
    const { stdout } = spawnSync(process.execPath, [...daemonFlags, script], {
      encoding: "utf8",
      env: { ...process.env, ...daemonEnv },
    });
    return JSON.parse(stdout) as { seconds: number; mib: number };
  });
  const seconds = Math.min(...runs.map((run) => run.seconds));
  const mib = Math.max(...runs.map((run) => run.mib));
  return [
    row(
      "policy.full.time",
      "25,000 namespaces, 100,000 pods, 75,000 policies (peer: Antrea's published 5.8 s)",
      "s",
      seconds,
      5.8,
      { of: "ours", at: "most", value: 0.9 },
    ),
    row("policy.full.memory", "the same, whole process (peer: 1.6 GB)", "MiB", mib, 1600, {
      of: "ours",
      at: "most",
      value: 320,
    }),
  ];
}

/** The second start finds the first one's table and replaces it whole. */
async function restartRows(): Promise<Row[]> {
  const machine = linuxMachine();
  machine.createNetns("restart");
  const kernel = machine.open({ name: "restart" });
  const cluster = makeCluster(3334, 30, 3, 250);
  const times: number[] = [];
  for (let i = 0; i < 4; i++) times.push(await enforce(kernel, cluster));
  kernel.close();
  await machine.removeNetns("restart");
  const again = times.slice(1);
  return [
    row(
      "policy.restart",
      "restart: 250 pods here, 10,000 policies and 100,000 pods in the cluster, until in sync",
      "s",
      Math.min(...again) / 1000,
      null,
      { of: "ours", at: "most", value: 2 },
    ),
  ];
}

interface Variant {
  readonly id: string;
  readonly what: string;
  readonly path: BenchPath;
  readonly bar: boolean;
}

async function packetRows(): Promise<Row[]> {
  const variants: Variant[] = [];
  const rows: Row[] = [];
  for (const [count, onOne] of [
    [10, false],
    [1000, false],
    [10_000, false],
    [1001, true],
  ] as const) {
    const cluster = makePathCluster(count, onOne);
    const name = `${count}${onOne ? " policies on one pod" : " policies"}`;
    const ours = await BenchPath.make(`o${count}`);
    const oursMs = await enforce(ours.node, cluster);
    const peer = await BenchPath.make(`p${count}`);
    const began = performance.now();
    const input = chainsPerPod(cluster);
    const loaded = spawnSync("ip", ["netns", "exec", `p${count}-n`, "iptables-restore"], {
      input,
      encoding: "utf8",
    });
    if (loaded.status !== 0) throw new Error(`iptables-restore: ${loaded.stderr}`);
    ours.ruledBy({ table: "inet trunkline", reversePath: true });
    peer.ruledBy({ table: "ip filter", reversePath: false });
    rows.push(
      row(
        `policy.load.${count}`,
        `${name}: all of it into an empty kernel (peer: iptables-restore)`,
        "ms",
        oursMs,
        performance.now() - began,
      ),
    );
    variants.push(
      { id: `ours.${count}`, what: name, path: ours, bar: true },
      { id: `chains.${count}`, what: `${name} as iptables chains`, path: peer, bar: false },
    );
  }
  variants.push({
    id: "least",
    what: "that rule and strict reverse paths alone",
    path: await leastPath(),
    bar: false,
  });
  for (const what of ["tcp", "udp"] as const) rows.push(...(await compare(what, variants)));
  for (const { path: each } of variants) each.close();
  return rows;
}

/**
 * The least that guards pods' addresses: the kernel's strict check of reverse paths, beside the one rule that the peer has. What ours
 * costs beyond it is for policies.
 */
async function leastPath(): Promise<BenchPath> {
  const least = await BenchPath.make("least");
  const table = "inet least";
  await least.node.nft.run(trackingText(table));
  least.ruledBy({ table, reversePath: true });
  return least;
}

/**
 * All variants take turns in short slices, each between two of its own path without its rules, and the median of these
 * pairs' ratios counts: the machine's other work changes from second to second, but hardly within a pair. The ratio is that
 * of processor time: a packet's whole way, to the server's socket and back, is walked in the client's system calls, so on an
 * idle core it is the ratio of rates, and on a busy machine it is still the path's.
 */
async function compare(what: "tcp" | "udp", variants: readonly Variant[]): Promise<Row[]> {
  const ratios = new Map<Variant, number[]>(variants.map((variant) => [variant, []]));
  const plainRates: number[] = [];
  for (const { path: each } of variants) await each.slice(what, SLICE_MS);
  for (let round = 0; round < ROUNDS[what]; round++)
    for (const variant of round % 2 === 0 ? variants : variants.toReversed()) {
      if (!variant.bar && round >= PEER_ROUNDS) continue;
      const { ratio, rates } = await variant.path.pair(what, SLICE_MS);
      plainRates.push(...rates);
      ratios.get(variant)?.push(ratio);
    }
  const label = what === "tcp" ? "new TCP connections" : "packets of an established flow";
  const base = quantile(plainRates, 0.5);
  const rows = variants.map((variant): Row => {
    const found = ratios.get(variant) ?? [];
    const ratio = quantile(found, 0.5);
    const spread = `${quantile(found, 0.25).toFixed(2)}..${quantile(found, 0.75).toFixed(2)}`;
    const text = `${label}, ${variant.what} (peer: connection tracking only; middle half ${spread})`;
    const judged = row(`policy.${what}.${variant.id}`, text, "1/s", ratio * base, base, {
      of: "ratio",
      at: "least",
      value: 0.9,
    });
    return variant.bar && what === "tcp" ? judged : { ...judged, bar: "", held: null };
  });
  if (what === "udp")
    rows.push(
      openRow(
        variants.flatMap((one) => (one.bar ? (ratios.get(one) ?? []) : [])),
        base,
      ),
    );
  const ours = rows.filter((_, at) => variants[at]?.bar === true).map((one) => one.ratio ?? Number.NaN);
  const least = Math.min(...ours) / Math.max(...ours);
  if (what === "tcp")
    rows.push(
      row("policy.tcp.flat", `${label}: slowest of ours beside fastest`, "share", least, null, {
        of: "ours",
        at: "least",
        value: 0.95,
      }),
    );
  return rows;
}

/**
 * An open connection's packets pass the same few rules however many policies there are, so all pairs judge that one path: a
 * bar of 3 % is narrower than what one set of rules' pairs can tell.
 */
function openRow(pairs: readonly number[], base: number): Row {
  const ratio = quantile(pairs, 0.5);
  const text = `packets of an established flow, all sets of policies together, ${pairs.length} pairs (peer: connection tracking only)`;
  return row("policy.udp.ours", text, "1/s", ratio * base, base, { of: "ratio", at: "least", value: 0.97 });
}
