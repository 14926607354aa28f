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
  /** What changes while they are: they do not hear of it. */
  readonly late: readonly Late[];
}

/** An object that is written, or the words that take one away. */
export type Late = { readonly apply: object } | { readonly remove: readonly string[] };

/** Returns what happens. */
export function happeningsOf(dice: Dice): Happenings {
  const pools = dice.chance(25) ? dice.some(["four", "six", "single"], 50) : [];
  const stuck = dice.chance(20) ? [dice.one(["node1", "node2"])] : [];
  return { pools, stuck, late: stuck.length > 0 && dice.chance(60) ? latest(dice) : [] };
}

function latest(dice: Dice): Late[] {
  const app = () => dice.one(["a", "b", "c", "d"]);
  const policy = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "late", namespace: dice.one(["default", "other"]) },
    spec: {
      podSelector: { matchLabels: { app: app() } },
      policyTypes: dice.one([["Ingress"], ["Egress"]]),
      ingress: [{ from: [{ podSelector: { matchLabels: { app: app() } } }] }],
    },
  };
  const translation = {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "SourceNAT",
    metadata: { name: "late" },
    spec: {
      rules: [
        {
          podSelector: { matchLabels: { app: app() } },
          action: { type: dice.one(["None", "Masquerade"]) },
        },
      ],
    },
  };
  const all: Late[] = [
    { apply: policy },
    { apply: translation },
    { remove: ["networkpolicy", "p0", "-n", dice.one(["default", "other"])] },
    { remove: ["sourcenat", "rule"] },
  ];
  const some = dice.some(all, 40);
  return some.length > 0 ? some : [{ apply: policy }];
}

/** Changes objects, and gives those agents the time that still hear of it. */
export async function changeLate(commands: Commands, { late }: Happenings): Promise<void> {
  for (const [at, one] of late.entries()) {
    if ("apply" in one) {
      const text = JSON.stringify(one.apply);
      await commands.ask("apply", "-f", commands.file(`late-${at}.yaml`, text));
    }
    // It may not be there.
    else await commands.say("delete", ...one.remove, "--lab", commands.lab);
  }
  if (late.length > 0) await sleep(LATE_MS);
}

/** Deletes the pools. */
export async function deletePools(commands: Commands, { pools }: Happenings): Promise<void> {
  for (const pool of pools) await commands.say("delete", "ippool", pool, "--lab", commands.lab);
}

interface Processes {
  readonly processes: readonly { readonly name: string; readonly pid: number | null }[];
}

/** How long the other agents take to do what has changed, in milliseconds. */
const LATE_MS = 2000;
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
