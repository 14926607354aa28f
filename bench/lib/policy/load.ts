// 1,001 policies on one pod into an empty kernel, in turns with iptables-restore of the same policies as chains. In this
// process, which has loaded some before (as an agent's has that is told of policies), and in new ones (as one that starts).
import { spawnSync } from "node:child_process";
import { linuxMachine } from "../../../src/kernel/index.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";
import { chainsPerPod } from "./chains.ts";
import { makePathCluster } from "./cluster.ts";
import { enforce } from "./enforce.ts";

const WARM_UP = 10;
const ROUNDS = rounds(40, 8);
const COLD_ROUNDS = rounds(9, 3);
const NETNS = "load";

interface Cost {
  readonly ms: number;
  /** Of processors, the kernel's time for it too. */
  readonly cpuMs: number;
}

/** Has our policies in force in a new namespace. */
async function loadOnce(): Promise<Cost> {
  const machine = linuxMachine();
  const cluster = makePathCluster(1001, true);
  return inNewNamespace(async () => {
    const kernel = machine.open({ name: NETNS });
    const before = process.cpuUsage();
    const ms = await enforce(kernel, cluster);
    const { user, system } = process.cpuUsage(before);
    kernel.close();
    return { ms, cpuMs: (user + system) / 1000 };
  });
}

async function inNewNamespace<T>(work: () => Promise<T> | T): Promise<T> {
  const machine = linuxMachine();
  machine.createNetns(NETNS);
  try {
    return await work();
  } finally {
    await machine.removeNetns(NETNS);
  }
}

function loadChains(input: string): Promise<Cost> {
  return inNewNamespace(() => {
    const began = performance.now();
    const script = "TIMEFORMAT='%U %S'; time ip netns exec \"$1\" iptables-restore";
    const done = spawnSync("bash", ["-c", script, "bash", NETNS], { input, encoding: "utf8" });
    const ms = performance.now() - began;
    if (done.status !== 0) throw new Error(`iptables-restore: ${done.stderr}`);
    const [user = 0, system = 0] = (done.stderr.trim().split("\n").at(-1) ?? "").split(" ").map(Number);
    return { ms, cpuMs: (user + system) * 1000 };
  });
}

function loadInNewProcess(): Cost {
  const done = spawnSync(process.execPath, [import.meta.filename], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`a process that loads policies: ${done.stderr}`);
  return JSON.parse(done.stdout) as Cost;
}

export async function loadRows(): Promise<Row[]> {
  const input = chainsPerPod(makePathCluster(1001, true));
  for (let round = 0; round < WARM_UP; round++) await loadOnce();
  const warm: [Cost, Cost][] = [];
  for (let round = 0; round < ROUNDS; round++) warm.push([await loadOnce(), await loadChains(input)]);
  const cold: [Cost, Cost][] = [];
  for (let round = 0; round < COLD_ROUNDS; round++) cold.push([loadInNewProcess(), await loadChains(input)]);
  const what = "1,001 policies on one pod into an empty kernel (peer: iptables-restore, in turns)";
  return [
    loadRow("policy.load.turns", what, warm, "ms", { of: "ratio", at: "most", value: 0.4 }),
    loadRow("policy.load.turns.cpu", `${what}, processor time`, warm, "cpuMs"),
    loadRow("policy.load.start", `${what}, in a process that has just started`, cold, "ms"),
    loadRow("policy.load.start.cpu", `${what}, the same, processor time`, cold, "cpuMs"),
  ];
}

/** The median pair, so that what is compared is near in time. */
function loadRow(
  id: string,
  what: string,
  pairs: readonly [Cost, Cost][],
  figure: keyof Cost,
  bar?: Parameters<typeof row>[5],
): Row {
  const [ratio, peer] = [
    quantile(
      pairs.map(([ours, theirs]) => ours[figure] / theirs[figure]),
      0.5,
    ),
    quantile(
      pairs.map(([, theirs]) => theirs[figure]),
      0.5,
    ),
  ];
  return row(id, what, "ms", ratio * peer, peer, bar);
}

// As a program of its own it loads them once, and prints what that cost.
if (import.meta.main) process.stdout.write(JSON.stringify(await loadOnce()));
