// What happens in a random lab once it runs: pools are deleted under running pods, agents get stuck. The same dice give the
// same.
import { setTimeout as sleep } from "node:timers/promises";
import type { Commands } from "../../e2e/trunkline.ts";
import type { Dice } from "./dice.ts";

export interface Happenings {
  /** Pools that are deleted, if they are there. */
  readonly pools: readonly string[];
  /** Nodes whose agents get stuck; then each agent is a process of its own. */
  readonly stuck: readonly string[];
}

/** Returns what happens. */
export function happeningsOf(dice: Dice): Happenings {
  return {
    pools: dice.chance(25) ? dice.some(["four", "six", "single"], 50) : [],
    stuck: dice.chance(20) ? [dice.one(["node1", "node2"])] : [],
  };
}

/** Deletes the pools. */
export async function deletePools(commands: Commands, { pools }: Happenings): Promise<void> {
  for (const pool of pools) await commands.say("delete", "ippool", pool, "--lab", commands.lab);
}

interface Processes {
  readonly processes: readonly { readonly name: string; readonly pid: number | null }[];
}

/** How long others take to notice that an agent is stuck, and the kernel to take its egress addresses, in milliseconds. */
const NOTICED_MS = 4000;

/** Stops the agents where they are, without a word. Returns what lets them go on. */
export async function getStuck(commands: Commands, { stuck }: Happenings): Promise<() => void> {
  if (stuck.length === 0) return () => {};
  const { processes } = await commands.json<Processes>("lab", "process", "list");
  const pids = stuck.map((node) => processes.find(({ name }) => name === `agent/${node}`)?.pid);
  const agents = pids.map((pid) => {
    if (typeof pid !== "number") throw new Error("the agent is no process of its own");
    return pid;
  });
  for (const pid of agents) process.kill(pid, "SIGSTOP");
  await sleep(NOTICED_MS);
  return () => {
    for (const pid of agents) process.kill(pid, "SIGCONT");
  };
}
