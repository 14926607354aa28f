// Everybody asks everybody, by every name and address and on many ports, in the examples and in random labs: what explain
// says is what packets find.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { podIps } from "../../src/api/kinds/core.ts";
import { bare } from "../../src/explain/ground/ground.ts";
import { disagreements, everybodyOf, type Question } from "../e2e/agreement.ts";
import { bothMatrices, keyOf, type PlannedCell, type ProbedCell, verdicts } from "../e2e/cells.ts";
import { Commands } from "../e2e/trunkline.ts";
import { Dice, randomLab } from "./random-lab.ts";
import { meddle, meddlingsOf } from "./random-rules.ts";

const ports = [undefined, "80", "81/udp", "9/sctp", "22", "10250"];

async function compare(commands: Commands, asked: readonly (string | undefined)[]): Promise<void> {
  const everybody = await everybodyOf(commands);
  const all = [...everybody.names, ...everybody.addresses, ...everybody.nobodys];
  const questions = all.flatMap((from) =>
    all.flatMap((to) => asked.map((port): Question => ({ from, to, port }))),
  );
  expect(questions.length).toBeGreaterThan(3000);
  expect(await disagreements(commands, everybody, questions)).toEqual([]);
  const { probed, planned } = await bothMatrices(commands);
  // A cell that cannot be told is as good as none.
  const told = new Set(planned.filter(({ allowed }) => allowed !== null).map(keyOf));
  const known = (cells: readonly (ProbedCell | PlannedCell)[]) =>
    cells.filter((cell) => told.has(keyOf(cell)));
  expect(verdicts(known(planned))).toEqual(verdicts(known(probed)));
}

interface SourceNats {
  readonly items: readonly {
    readonly spec: {
      readonly rules?: readonly {
        readonly action: { readonly addresses?: readonly string[]; readonly egressNodes?: object };
      }[];
    };
    readonly status?: { readonly holders?: readonly { readonly address: string }[] };
  }[];
}

/** Waits until nodes hold the egress addresses: before that explain says, rightly, that nobody does. */
async function electionsEnd(commands: Commands): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    const { items } = await commands.json<SourceNats>("get", "sourcenats");
    const open = items.flatMap(({ spec, status }) => {
      const held = new Set(status?.holders?.map(({ address }) => address));
      const wanted = (spec.rules ?? []).flatMap(({ action }) =>
        action.egressNodes === undefined ? [] : (action.addresses ?? []),
      );
      return wanted.filter((address) => !held.has(address));
    });
    if (open.length === 0) return;
    await sleep(250);
  }
  // Nobody may hold some of them: that is an answer, too.
}

/** Lets others have their way with two labs of three, and gives agents the time to answer. */
async function meddled(commands: Commands, seed: number): Promise<void> {
  if (seed % 3 === 0) return;
  const { facts } = await everybodyOf(commands);
  const { members, ground } = commands.entry().record;
  const named = (role: string) => members.flatMap((one) => (one.role === role ? [one.name] : []));
  const networks = ground.machines.flatMap(({ links }) => links.flatMap(({ addresses }) => addresses));
  const scenery = {
    nodes: named("node"),
    hosts: named("host"),
    pods: [...facts.pods.values()].flatMap(podIps).filter((ip) => ip.startsWith("10.1.")),
    nets: [...new Set(networks.flatMap((text) => /^(\d+\.\d+\.\d+)\./.exec(text)?.[1] ?? []))].map(
      (net) => `${net}.0/24`,
    ),
    nodeAddresses: ground.machines
      .flatMap(({ name, links }) =>
        name.startsWith("node/") ? links.flatMap(({ addresses }) => addresses.map(bare)) : [],
      )
      .filter((address) => !address.includes(":")),
  };
  if (scenery.pods.length === 0) return;
  const namespaces = new Map(members.map(({ name, netns }) => [name, netns]));
  await meddle(namespaces, meddlingsOf(new Dice(seed), scenery));
  await sleep(2000);
}

const policies = "examples/network-policy";
it.each([
  ["examples/first-light", ["examples/first-light/workloads.yaml"], ["8080", "3306"]],
  [
    policies,
    [`${policies}/network-policy.yaml`, `${policies}/allow-nginxclient-as-meant.yaml`],
    ["8080", "6379"],
  ],
  ["examples/source-nat", [], []],
  ["examples/source-nat", ["examples/source-nat/ip-masq-agent.yaml"], []],
] as const)("in %s with %s", async (example, manifests, more) => {
  const commands = new Commands();
  try {
    await commands.up(example);
    for (const file of manifests) await commands.ask("apply", "-f", file);
    await commands.ask("wait", "--for", "ready", "--all", "-A");
    await compare(commands, [...ports, ...more]);
  } finally {
    await commands.end();
  }
});

const first = Number(process.env["TRUNKLINE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const rounds = Number(process.env["TRUNKLINE_ROUNDS"] ?? 8);
it.each(Array.from({ length: rounds }, (_, at) => first + at))(
  "in a random lab (TRUNKLINE_SEED=%d)",
  async (seed) => {
    const commands = new Commands();
    const { lab, objects } = randomLab(seed);
    const { file } = commands;
    try {
      await commands.up(file("lab.yaml", lab));
      await commands.ask("apply", "-f", file("objects.yaml", objects));
      await commands.ask("wait", "--for", "ready", "--all", "-A");
      await electionsEnd(commands);
      await meddled(commands, seed);
      await compare(commands, ports);
    } finally {
      await commands.end();
    }
  },
);
