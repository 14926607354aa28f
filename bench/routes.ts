// A reflector that tells a node of 5,000 other nodes' blocks: until all of them are in the kernel, beside BIRD alone with
// the very same configuration; what the agent itself takes meanwhile; one more node, until it is in another's kernel; and what
// packets between nodes take, directly and through VXLAN, beside ways made by hand.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { waitForAgent } from "../src/agent/install-cni.ts";
import { addressBlockKind } from "../src/api/kinds/address-block.ts";
import { BirdControl } from "../src/bird/control.ts";
import { birdFiles } from "../src/bird/files.ts";
import { readProtocols } from "../src/bird/read/protocols.ts";
import { type Kernel, linuxMachine } from "../src/kernel/index.ts";
import { openSqliteStore } from "../src/store/sqlite/store.ts";
import type { Store } from "../src/store/store.ts";
import type { Need } from "./lib/needs.ts";
import { ranInPrivate } from "./lib/private.ts";
import { ended, memoryMib, processorSeconds } from "./lib/processes.ts";
import { isQuick, rounds } from "./lib/quick.ts";
import { AS, blockOf, createNode, fill, REFLECTOR, simulated } from "./lib/routes/cluster.ts";
import { measureWays, wayNeeds } from "./lib/routes/ways.ts";
import { quantile, type Row, row } from "./lib/row.ts";

export const needs: readonly Need[] = [{ program: "bird", debian: "bird2" }, ...wayNeeds];

const root = path.dirname(import.meta.dirname);
const NODES = isQuick ? 500 : 5000;
const ROUNDS = rounds(10, 3);
const MORE_NODES = rounds(20, 5);
const ADDRESSES = { bench: "192.168.0.11", second: "192.168.0.12" } as const;
const PATIENCE_MS = 60_000;
/** The agent looks at its BIRD every second: a window has several looks. */
const WINDOW_MS = 5000;

const machine = linuxMachine();

export async function bench(): Promise<readonly Row[] | undefined> {
  if (ranInPrivate()) return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-bench-"));
  const end: (() => Promise<void>)[] = [];
  try {
    const ways = await measureWays(folder);
    return [...(await measure(folder, end)), ...ways];
  } finally {
    for (const one of end.toReversed()) await one();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(folder: string, end: (() => Promise<void>)[]): Promise<Row[]> {
  const lans = { ours: makeLan("ours", ["bench", "second"]), peer: makeLan("peer", ["bench"]) };
  const database = path.join(folder, "store.db");
  const store = openSqliteStore(database);
  end.push(() => store.close());
  await fill(store, ADDRESSES, NODES);
  const reflectors = {
    ours: await startReflector(folder, lans.ours, Object.values(ADDRESSES), end),
    peer: await startReflector(folder, lans.peer, [ADDRESSES.bench], end),
  };
  const agent = await startAgent(folder, "bench", database, end);
  const config = await settledConfig(agent.state);
  const alone = await startBird(folder, lans.peer.netns("bench"), "alone", config, end);
  const sides = {
    ours: { reflector: reflectors.ours, kernel: lans.ours.open("bench"), bird: () => agent.bird() },
    peer: { reflector: reflectors.peer, kernel: lans.peer.open("bench"), bird: () => Promise.resolve(alone) },
  };
  const quietMiB = memoryMib(agent.process.pid!);
  const times = { ours: [] as number[], peer: [] as number[] };
  const shares: number[] = [];
  for (let i = 0; i <= ROUNDS; i++)
    for (const who of i % 2 === 0 ? (["ours", "peer"] as const) : (["peer", "ours"] as const)) {
      const { time, share } = await converge(sides[who], who, agent.process);
      // The first round warms both up.
      if (i > 0) times[who].push(time);
      if (i > 0 && who === "ours") shares.push(share * 100);
    }
  await sides.ours.reflector.command("enable n0");
  await allThere(sides.ours.kernel, NODES);
  const fullMiB = memoryMib(agent.process.pid!);
  const second = await startAgent(folder, "second", database, end);
  const joins = await moreNodes(store, sides.ours.kernel, second.state);
  const most = (of: "ratio" | "ours", value: number) => ({ of, at: "most", value }) as const;
  const what = `${NODES} blocks, from the session up to all routes in the kernel (peer: BIRD alone)`;
  return [
    row(
      "converge-p50",
      `${what}, median`,
      "ms",
      quantile(times.ours, 0.5),
      quantile(times.peer, 0.5),
      most("ratio", 1.1),
    ),
    row("converge-max", "the same, longest", "ms", Math.max(...times.ours), Math.max(...times.peer)),
    row(
      "agent-cpu",
      "the agent's share of one processor in the five seconds from then on, median",
      "%",
      quantile(shares, 0.5),
      null,
      most("ours", 10),
    ),
    row(
      "agent-memory",
      "what the agent's memory grows by",
      "MiB",
      Math.max(0, fullMiB - quietMiB),
      null,
      most("ours", 10),
    ),
    row(
      "one-more-p50",
      "one more node and a block, until another node has the route, median",
      "ms",
      quantile(joins, 0.5),
      null,
      most("ours", 100),
    ),
    row("one-more-max", "the same, longest", "ms", Math.max(...joins)),
  ];
}

interface Side {
  readonly reflector: BirdControl;
  readonly kernel: Kernel;
  bird(): Promise<BirdControl>;
}

/**
 * Takes the session away and gives it back. Returns the milliseconds from when it stands until all routes are there, and
 * the agent's share of a processor meanwhile and for the looks at BIRD that follow.
 */
async function converge(
  { reflector, kernel, bird }: Side,
  who: "ours" | "peer",
  agent: ChildProcess,
): Promise<{ time: number; share: number }> {
  await reflector.command("disable n0");
  await until(`${who} forgets`, () => birdsRoutes(kernel) === 0, 200);
  await sleep(1500);
  let count = 0;
  let last = 0;
  const watch = kernel.watch(["route"], (event) => {
    if (event.kind !== "route" || event.change !== "new" || event.route.protocol !== BIRD) return;
    count++;
    last = Date.now();
  });
  try {
    const [began, before] = [performance.now(), processorSeconds(agent.pid!)];
    await reflector.command("enable n0");
    await until(`${who} hears all`, async () => count >= NODES || (await woken(reflector)), 20);
    const { text } = await (await bird()).command(`show protocols all ${SESSION}`);
    // BIRD says when the session stood, to the millisecond.
    const time = last - Date.parse(readProtocols(text).get(SESSION)?.since ?? "");
    if (who === "ours") await sleep(Math.max(0, WINDOW_MS - (performance.now() - began)));
    return { time, share: (processorSeconds(agent.pid!) - before) / ((performance.now() - began) / 1000) };
  } finally {
    watch.stop();
    // Only one of the two keeps routes alive at a time.
    if (who === "peer") await reflector.command("disable n0");
  }
}

/**
 * BIRD 2.0.12 keeps the last of many routes back until something wakes it, which its own loop does after three seconds: that is
 * the reflector's, and not what is measured here.
 */
async function woken(reflector: BirdControl): Promise<false> {
  await reflector.command("show status");
  return false;
}

/** rtnetlink's number of BIRD's routes. */
const BIRD = 12;
/** What the agent calls the session with the reflector. */
const SESSION = "bgp_192_168_0_1";

function birdsRoutes(kernel: Kernel): number {
  return kernel.routes.list().filter(({ protocol }) => protocol === BIRD).length;
}

async function allThere(kernel: Kernel, wanted: number): Promise<void> {
  await until("all routes are there", () => birdsRoutes(kernel) >= wanted, 100);
}

/** Nodes that come with a block: their BIRD is a second agent's, which announces the block once it is confirmed. */
async function moreNodes(store: Store, kernel: Kernel, state: string): Promise<number[]> {
  await until(
    "the second node speaks",
    async () => /Established/.test((await ask(birdFiles(state).control, `show protocols ${SESSION}`)) ?? ""),
    100,
  );
  await sleep(2000);
  const times: number[] = [];
  for (let i = 0; i < MORE_NODES; i++) {
    const { address, block } = simulated(NODES + i);
    let seen: number | undefined;
    const watch = kernel.watch(["route"], (event) => {
      if (
        event.kind === "route" &&
        event.route.destination === `${block}/26` &&
        event.route.protocol === BIRD
      )
        seen ??= performance.now();
    });
    const began = performance.now();
    await createNode(store, `n${NODES + i}`, address);
    await store.create(addressBlockKind, blockOf(NODES + i, "second"));
    await until(`block ${block} arrives`, () => seen !== undefined, 2);
    times.push((seen ?? began) - began);
    watch.stop();
    await sleep(300);
  }
  return times;
}

async function until(what: string, done: () => boolean | Promise<boolean>, everyMs: number): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !(await done()); await sleep(everyMs))
    if (performance.now() > end) throw new Error(`it takes too long: ${what}`);
}

interface Lan {
  netns(member: string): string;
  open(member: string): Kernel;
}

/** A reflector that is the wire, too: its bridge has a link to every node. */
function makeLan(name: string, nodes: readonly (keyof typeof ADDRESSES)[]): Lan {
  const netns = (member: string) => `${name}-${member}`;
  machine.createNetns(netns("rr"));
  const reflector = machine.open({ name: netns("rr") });
  const bridge = reflector.links.add({ kind: "bridge", name: "lan", up: true });
  reflector.addresses.add({ linkIndex: bridge.index, address: `${REFLECTOR}/16`, scope: "global" });
  for (const node of nodes) {
    machine.createNetns(netns(node));
    const port = reflector.links.add({
      kind: "veth",
      name: node,
      up: true,
      peer: { name: "eth0", netns: { name: netns(node) }, up: true },
    });
    reflector.links.change(port.index, { master: bridge.index });
    const kernel = machine.open({ name: netns(node) });
    const linkIndex = kernel.links.get("eth0")?.index ?? 0;
    kernel.addresses.add({ linkIndex, address: `${ADDRESSES[node]}/16`, scope: "global" });
    kernel.close();
  }
  reflector.close();
  return { netns, open: (member) => machine.open({ name: netns(member) }) };
}

/** It originates all nodes' blocks, each by that node's address. Sessions begin when they are let. */
async function startReflector(
  folder: string,
  lan: Lan,
  clients: readonly string[],
  end: (() => Promise<void>)[],
): Promise<BirdControl> {
  const routes = Array.from({ length: NODES }, (_, at) => simulated(at));
  const config = [
    `router id ${REFLECTOR};`,
    "protocol device {}",
    "protocol direct { ipv4; }",
    "protocol static blocks { ipv4;",
    ...routes.map(({ block, address }) => `  route ${block}/26 via ${address};`),
    "}",
    ...clients.flatMap((client, at) => [
      `protocol bgp n${at} { ${at === 0 ? "disabled; " : ""}passive; local ${REFLECTOR} as ${AS}; neighbor ${client} as ${AS}; multihop; rr client;`,
      '  ipv4 { import all; export where source = RTS_BGP || proto = "blocks"; next hop keep; gateway recursive; };',
      "}",
    ]),
  ].join("\n");
  return await startBird(folder, lan.netns("rr"), lan.netns("rr"), config, end);
}

async function startBird(
  folder: string,
  netns: string,
  name: string,
  config: string,
  end: (() => Promise<void>)[],
): Promise<BirdControl> {
  const own = path.join(folder, name);
  mkdirSync(own);
  const file = path.join(own, "bird.conf");
  writeFileSync(file, config.replaceAll(/^log .*$/gm, ""));
  const socket = path.join(own, "ctl");
  const bird = spawn("ip", ["netns", "exec", netns, "bird", "-f", "-c", file, "-s", socket], {
    stdio: "inherit",
  });
  end.push(() => ended(bird));
  await until(`${name} starts`, async () => (await ask(socket, "show status")) !== undefined, 50);
  return await BirdControl.connect(socket);
}

/** Returns the answer; undefined where nobody answers. */
async function ask(socket: string, command: string): Promise<string | undefined> {
  try {
    const control = await BirdControl.connect(socket);
    try {
      return (await control.command(command)).text;
    } finally {
      control.close();
    }
  } catch {
    return undefined;
  }
}

async function startAgent(folder: string, node: string, database: string, end: (() => Promise<void>)[]) {
  const state = path.join(folder, node);
  const socket = path.join(folder, `${node}.sock`);
  const words = ["agent", "--node", node, "--netns", `ours-${node}`, "--store", `sqlite:${database}`];
  const child = spawn(
    path.join(root, "bin/trunkline"),
    [...words, "--state", state, "--socket", socket, "--log-level", "error"],
    { stdio: "inherit" },
  );
  end.push(async () => {
    await ended(child);
    // Its BIRD outlives it.
    await ask(birdFiles(state).control, "down");
  });
  await waitForAgent(socket, PATIENCE_MS);
  let control: BirdControl | undefined;
  return {
    process: child,
    state,
    bird: async () => (control ??= await BirdControl.connect(birdFiles(state).control)),
  };
}

/** Returns the configuration that the agent has given its BIRD, once it stays the same. */
async function settledConfig(state: string): Promise<string> {
  const { config, control } = birdFiles(state);
  let before = "";
  await until(
    "the agent's BIRD is configured",
    async () => {
      if ((await ask(control, "show status")) === undefined) return false;
      const text = readFileSync(config, "utf8");
      const same = text === before && text.includes("protocol bgp");
      before = text;
      return same;
    },
    1000,
  );
  return before;
}
