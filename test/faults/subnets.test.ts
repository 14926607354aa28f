// Subnets while whoever acts for them is killed: agents as processes of their own, which die by SIGKILL before and after
// their calls to the provider, at random instants, or hear nothing of what was done. Whatever happened: no address is had
// twice, every pod's address is on an interface of its node, and the provider has no interface that no node knows of.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NodeConfig } from "../../src/api/kinds/node-config.ts";
import { randomOf } from "./hammer/random.ts";
import { calls, deployment, effects, eniConfig, SubnetLab, twiceIn } from "./subnet-lab.ts";

const SEEDS = 20;
const STEPS = 5;
/** Two interfaces of four addresses on each of three nodes. */
const MOST_PODS = 20;
const lab = `
name: subnet-kills
networks:
  - {name: machines, cidr: 192.168.20.0/24}
  - {name: data, cidr: 10.9.0.0/24}
routers: [{name: vpc, addresses: [192.168.20.1, 10.9.0.1]}]
subnets: [{id: vsw-1, zone: h, cidr: 10.2.1.0/26}]
securityGroups: [{id: sg-1}]
nodes:
${[1, 2, 3].map((n) => `  - {name: node${n}, address: 192.168.20.1${n}, zone: h, instance: {adapters: 3, ipv4PerAdapter: 4}}`).join("\n")}
hosts: [{name: db, address: 10.9.0.5, ports: [3306], admit: [10.2.1.0/26]}]
addressCooldown: 300ms
`;
const objects = [
  eniConfig({ vswitches: { h: ["vsw-1"] }, security_group: "sg-1", max_pool_size: 1 }),
  deployment("web", 3),
];

describe("subnets while agents are killed", () => {
  const trunkline = new SubnetLab();
  beforeAll(async () => {
    await trunkline.up(trunkline.file("lab.yaml", lab), "--separate");
    await trunkline.apply(objects);
  }, 120_000);
  afterAll(() => trunkline.end());

  /** Addresses that two pods show that both live. */
  const twice = async () => twiceIn((await trunkline.living()).flatMap(({ status }) => status?.podIP ?? []));

  async function step(random: () => number): Promise<string> {
    const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
    const what = pick(["scale", "scale", "fault", "fault", "fault", "kill", "delete"] as const);
    switch (what) {
      case "scale": {
        const replicas = `${Math.floor(random() * MOST_PODS)}`;
        await trunkline.ask("scale", "deploy/web", "--replicas", replicas);
        return `scale ${replicas}`;
      }
      case "fault": {
        const [call, effect] = [pick(calls), pick(effects)];
        await trunkline.ask("lab", "provider", "fault", call, effect);
        return `${call} ${effect}`;
      }
      case "kill": {
        const name = pick(["agent/node1", "agent/node2", "agent/node3", "controller"]);
        // It may be away already, killed by a call.
        await trunkline.say("lab", "process", "kill", name, "--lab", trunkline.lab);
        return `kill ${name}`;
      }
      case "delete": {
        const all = await trunkline.pods();
        const { metadata } = all.length > 0 ? pick(all) : { metadata: { name: "none" } };
        await trunkline.say("delete", "pod", metadata.name, "--lab", trunkline.lab);
        return `delete ${metadata.name}`;
      }
    }
  }

  /** What the provider has for us beyond what nodes say they have, and the other way round. */
  async function differences(): Promise<readonly string[]> {
    const known = new Map<string, readonly string[]>();
    const { items } = await trunkline.json<{ items: readonly NodeConfig[] }>("get", "nodeconfigs");
    for (const { status } of items)
      for (const one of status?.interfaces ?? []) known.set(one.id, one.addresses?.toSorted() ?? []);
    const present = new Map((await trunkline.ours()).map(({ id, addresses }) => [id, addresses.toSorted()]));
    return [
      ...[...present].flatMap(([id, addresses]) =>
        `${known.get(id)}` === `${addresses}`
          ? []
          : [`${id}: the provider has ${addresses}, nodes ${known.get(id)}`],
      ),
      ...[...known.keys()].flatMap((id) => (present.has(id) ? [] : [`${id}: the provider does not have it`])),
    ];
  }

  const asked = process.env["TRUNKLINE_SEED"];
  const first = asked === undefined ? Math.floor(Math.random() * 1e9) : Number(asked);
  const seeds = asked === undefined ? Array.from({ length: SEEDS }, (_, at) => first + at) : [first];

  it.each(seeds)(
    "nothing leaks and nothing is given twice: TRUNKLINE_SEED=%i",
    async (seed) => {
      const random = randomOf(seed);
      const done: string[] = [];
      for (let at = 0; at < STEPS; at++) {
        done.push(await step(random));
        await pause(random() * 700);
        expect(await twice(), done.join("; ")).toEqual([]);
      }
      await trunkline.ask("lab", "provider", "fault", "--clear");
      await trunkline.ask("scale", "deploy/web", "--replicas", "9");
      expect(await trunkline.ready("deploy/web"), done.join("; ")).toBeUndefined();
      // What is superfluous goes back after its rest, and nodes say what they have a little later.
      let left = await differences();
      for (let tries = 60; tries > 0 && left.length > 0; tries--) {
        await pause(500);
        left = await differences();
      }
      expect(left, done.join("; ")).toEqual([]);
      expect(await twice(), done.join("; ")).toEqual([]);
      const living = await trunkline.living();
      const interfaces = await trunkline.ours();
      for (const { spec, status, metadata } of living) {
        const owner = interfaces.find(({ addresses }) => addresses.includes(status?.podIP ?? ""));
        expect(owner?.instanceID, `${metadata.name} ${status?.podIP} after ${done.join("; ")}`).toBe(
          `i-${spec.nodeName}`,
        );
      }
      const [one] = living;
      const answer = await trunkline.json<object>("probe", `pod/${one?.metadata.name}`, "host/db:3306");
      expect(answer, done.join("; ")).toMatchObject({ reachable: true, sourceSeen: one?.status?.podIP });
    },
    600_000,
  );
});
