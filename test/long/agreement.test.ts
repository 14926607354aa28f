// Everybody asks everybody, by every name and address and on many ports, in the examples and in random labs: what explain
// says is what packets find.
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, it } from "vitest";
import { podIps } from "../../src/api/kinds/core.ts";
import { bare } from "../../src/explain/ground/ground.ts";
import { podInterface } from "../../src/plan/subnets/pod-interface.ts";
import { compareAnswers, everybodyOf, type Question } from "../e2e/agreement.ts";
import { bothMatrices, keyOf, type PlannedCell, type ProbedCell, verdicts } from "../e2e/cells.ts";
import { Commands } from "../e2e/trunkline.ts";
import { Dice } from "./random/dice.ts";
import { changeLate, deletePools, getStuck, happeningsOf } from "./random/happenings.ts";
import { randomLab } from "./random/lab.ts";
import { moreMeddlingsOf } from "./random/more/meddlings.ts";
import { isMeant } from "./random/more/unknowable.ts";
import { meddle, meddlingsOf, type Scenery } from "./random/rules.ts";
import { giveInterfaces } from "./random/subnets.ts";
import { Tally } from "./random/tally.ts";
import { tunnelsStand } from "./random/tunnels.ts";

/** A file in which hunts of many hours note what they find. */
const diary = process.env["TRUNKLINE_TALLY"];
const note = (line: string) => diary !== undefined && appendFileSync(diary, `${line}\n`);

const ports = [undefined, "80", "81/udp", "9/sctp", "22", "10250"];

/** Returns how much was asked and what explain could not tell. */
async function compare(
  commands: Commands,
  dice: Dice,
  asked: readonly (string | undefined)[],
): Promise<Tally> {
  const everybody = await everybodyOf(commands);
  const all = [...everybody.names, ...everybody.addresses, ...everybody.nobodys];
  const isName = (text: string) => text.includes("/");
  // By name on every port; by address, which mostly means the same machines, on half of them.
  const questions = all.flatMap((from) =>
    all.flatMap((to) =>
      asked
        .filter(() => (isName(from) && isName(to)) || dice.chance(50))
        .map((port): Question => ({ from, to, port })),
    ),
  );
  expect(questions.length).toBeGreaterThan(2000);
  const findings = await compareAnswers(commands, everybody, questions, isMeant);
  for (const line of findings.differences) note(`  ${commands.lab}: ${line}`);
  expect(findings.differences).toEqual([]);
  const { probed, planned } = await bothMatrices(commands);
  // A cell that cannot be told is as good as none.
  const told = new Set(planned.filter(({ allowed }) => allowed !== null).map(keyOf));
  const known = (cells: readonly (ProbedCell | PlannedCell)[]) =>
    cells.filter((cell) => told.has(keyOf(cell)));
  const [plans, packets] = [verdicts(known(planned)), verdicts(known(probed))];
  for (const [key, verdict] of Object.entries(packets))
    if (plans[key] !== verdict)
      note(`  ${commands.lab}: ${key}: packets ${verdict}, matrix ${plans[key] ?? "silent"}`);
  expect(plans).toEqual(packets);
  return new Tally(findings);
}

interface SourceNats {
  readonly items: readonly {
    readonly spec: {
      readonly rules?: readonly {
        readonly action: { readonly addresses?: readonly string[]; readonly egressNodes?: object };
      }[];
    };
    readonly status?: {
      readonly holders?: readonly { readonly address: string }[];
      readonly conditions?: readonly object[];
    };
  }[];
}

/** Waits until nodes hold the egress addresses: before that explain says, rightly, that nobody does. */
async function electionsEnd(commands: Commands): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    const { items } = await commands.json<SourceNats>("get", "sourcenats");
    const open = items.flatMap(({ spec, status }) => {
      // What no node may take is told on the object.
      if ((status?.conditions ?? []).length > 0) return [];
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

/** Waits until nodes have told on which interfaces pods stand: before that explain says, rightly, that groups cannot be told. */
async function interfacesAreTold(commands: Commands): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    const { facts } = await everybodyOf(commands);
    const found = [...facts.pods.values()].flatMap((pod) => podInterface(facts, pod) ?? []);
    if (found.every(({ id }) => id !== undefined)) return;
    await sleep(250);
  }
}

/** What somebody who meddles with a lab may name. */
async function sceneryOf(commands: Commands): Promise<Scenery> {
  const { facts } = await everybodyOf(commands);
  const { members, ground } = commands.entry().record;
  const named = (role: string) => members.flatMap((one) => (one.role === role ? [one.name] : []));
  const addressesOf = (role: string) =>
    ground.machines
      .flatMap(({ name, links }) =>
        name.startsWith(`${role}/`) ? links.flatMap(({ addresses }) => addresses.map(bare)) : [],
      )
      .filter((address) => !address.includes(":"));
  const networks = ground.machines.flatMap(({ links }) => links.flatMap(({ addresses }) => addresses));
  const prefixes = (form: RegExp, rest: string) =>
    [...new Set(networks.flatMap((text) => form.exec(text)?.[1] ?? []))].map((net) => `${net}${rest}`);
  const ips = [...facts.pods.values()].flatMap(podIps);
  return {
    nodes: named("node"),
    hosts: named("host"),
    routers: named("router"),
    pods: ips.filter((ip) => ip.startsWith("10.1.")),
    nets: prefixes(/^(\d+\.\d+\.\d+)\./, ".0/24"),
    nodeAddresses: addressesOf("node"),
    hostAddresses: addressesOf("host"),
    pods6: ips.filter((ip) => ip.startsWith("fd00:1:")),
    nets6: prefixes(/^(fd00:\d+)::/, "::/64"),
  };
}

/** One lab in so many is left as it was built. */
const UNTOUCHED = 6;

/** Lets others have their way with a lab, and gives agents the time to answer. */
async function meddled(commands: Commands, seed: number): Promise<void> {
  if (seed % UNTOUCHED === 0) return;
  const scenery = await sceneryOf(commands);
  if (scenery.pods.length === 0) return;
  const { members } = commands.entry().record;
  const namespaces = new Map(members.map(({ name, netns }) => [name, netns]));
  const more = moreMeddlingsOf(new Dice(seed ^ 0x3c3c3c), seed, scenery);
  const all = [...(seed % 3 === 0 ? [] : meddlingsOf(new Dice(seed), scenery)), ...more];
  for (const one of all) note(`  ${commands.lab} ${one.member}: ${one.input ?? one.command.join(" ")}`);
  await meddle(namespaces, all);
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
    expect((await compare(commands, new Dice(1), [...ports, ...more])).share).toBe(0);
  } finally {
    await commands.end();
  }
});

const first = Number(process.env["TRUNKLINE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const rounds = Number(process.env["TRUNKLINE_ROUNDS"] ?? 8);
const seeds = Array.from({ length: rounds }, (_, at) => first + at);
const tallies = new Map<number, Tally>();

it.concurrent.each(seeds)("in a random lab (TRUNKLINE_SEED=%d)", async (seed) => {
  const commands = new Commands();
  const { file } = commands;
  const { lab, objects, own } = randomLab(seed);
  const happenings = happeningsOf(new Dice(seed + 1));
  let goOn = () => {};
  let result = "DIFFERS";
  try {
    await commands.up(file("lab.yaml", lab), ...(happenings.stuck.length > 0 ? ["--separate"] : []));
    if (own.length > 0) await commands.ask("lab", "process", "stop", "controller");
    await commands.ask("apply", "-f", file("objects.yaml", objects));
    await giveInterfaces(commands, own);
    await commands.ask("wait", "--for", "ready", "--all", "-A");
    await electionsEnd(commands);
    await interfacesAreTold(commands);
    await tunnelsStand(commands);
    await deletePools(commands, happenings);
    await meddled(commands, seed);
    goOn = await getStuck(commands, happenings);
    await changeLate(commands, happenings);
    const tally = await compare(commands, new Dice(seed + 2), ports);
    tallies.set(seed, tally);
    // What has changed behind a stuck agent's back is not known, and may be much of a small lab.
    if (happenings.late.length === 0)
      expect(tally.share, tally.reasons(3).join("; ")).toBeLessThan(MOST_UNKNOWN_IN_ONE);
    result = "alike";
  } catch (error) {
    result = `DIFFERS ${String(error).split("\n")[0]}`;
    throw error;
  } finally {
    goOn();
    await commands.end();
    note(`${seed} ${commands.lab} ${result} ${tallies.get(seed)?.text ?? ""}`);
  }
});

/**
 * A look at 100 labs found 1 % on average and 6 % in the worst, all from rules with lots and limits, addresses that two
 * machines claim, and the like: that which cannot be known.
 */
const MOST_UNKNOWN = 0.03;
/** Of what is meant to be unknown (random/more/unknowable.ts); a look at 120 labs found 2 %. */
const MOST_MEANT = 0.1;
const MOST_UNKNOWN_IN_ONE = 0.2;

afterAll(() => {
  const all = Tally.sum([...tallies.values()]);
  if (all.asked === 0) return;
  console.info(`explain: ${all.text}`);
  for (const line of all.reasons(12)) console.info(line);
  // Of a few labs one of the worst may be half.
  if (tallies.size < 8) return;
  expect(all.share, "of all that cannot be told").toBeLessThan(MOST_UNKNOWN);
  expect(all.meant, "of what must not be told").toBeLessThan(MOST_MEANT);
  expect(all.meant, "of what must not be told").toBeGreaterThan(0);
});
