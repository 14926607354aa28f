// What the kernel counts and tells of packets that the rules refuse.
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readDeniedCounts } from "../../../src/agent/denied/denied-counts.ts";
import type { NetworkPolicy } from "../../../src/api/kinds/network-policy.ts";
import { type LoggedPacket, MAIN_TABLE, ROUTE_PROTOCOL } from "../../../src/kernel/index.ts";
import { LOG_GROUP } from "../../../src/plan/policy/nft/refusals.ts";
import { until } from "../scene.ts";
import type { PolicyBed } from "./policy-bed.ts";
import { friend, linkOf, meta, other, server, trio } from "./policy-trio.ts";

const policy = (name: string, app: string, spec: Partial<NetworkPolicy["spec"]>): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { ...meta, name, namespace: "x", uid: name },
  spec: { podSelector: { matchLabels: { app } }, ...spec },
});

let bed: PolicyBed;
let told: LoggedPacket[];
let lost: number;
let log: { stop(): void };

beforeEach(async () => {
  bed = await trio(
    policy("shut", "server", { policyTypes: ["Ingress"] }),
    policy("in", "other", { policyTypes: ["Egress"] }),
  );
  told = [];
  lost = 0;
  log = bed.node.packetLog(LOG_GROUP, (packets, missing) => {
    told.push(...packets);
    lost += missing;
  });
});

afterEach(async () => {
  log.stop();
  await bed.close();
});

const flow = (from: string, to: string, port: number) => ({ from, to, protocol: "TCP", port }) as const;

it("tells of a refused packet with its links and ends, and of none that passes", async () => {
  expect(
    await bed.send([flow(friend, server, 80), flow(other, friend, 81), flow(server, friend, 82)]),
  ).toEqual([false, false, true]);
  await until(() => told.length === 2);
  const indexOf = (at: number) => bed.node.links.get(linkOf(at))?.index;
  expect(told.toSorted((a, b) => (a.ends?.port ?? 0) - (b.ends?.port ?? 0))).toMatchObject([
    {
      prefix: "trunkline ingress",
      inLink: indexOf(2),
      outLink: indexOf(1),
      ends: { source: friend, destination: server, protocol: 6, port: 80 },
    },
    {
      prefix: "trunkline egress",
      inLink: indexOf(3),
      ends: { source: other, destination: friend, protocol: 6, port: 81 },
    },
  ]);
});

it("counts all, and tells of no more than the limit of the pod; other pods are told of all the same", async () => {
  const flows = Array.from({ length: 3000 }, (_, at) => flow(friend, server, 1 + (at % 500)));
  await bed.send(flows);
  await bed.send([flow(other, server, 80)]);
  const { links } = await readDeniedCounts(bed.node.nft);
  expect(links.filter(({ packets }) => packets > 0)).toEqual([
    { link: linkOf(1), by: "ingress", packets: 3000, bytes: 3000 * 40 },
    { link: linkOf(3), by: "egress", packets: 1, bytes: 40 },
  ]);
  await until(() => told.some(({ prefix }) => prefix === "trunkline egress"));
  await sleep(200);
  const ingress = told.filter(({ prefix }) => prefix === "trunkline ingress");
  expect(ingress.length).toBeGreaterThanOrEqual(10);
  expect(ingress.length).toBeLessThan(1000);
  expect(lost).toBe(0);
});

it("tells what guards refuse: a forged address, and a link that the rules do not know", async () => {
  const { kernel } = bed.end(friend)!;
  const linkIndex = kernel.links.get("eth0")!.index;
  kernel.addresses.add({ linkIndex, address: "fd00::99/128", scope: "global", noDad: true });
  kernel.routes.add({
    family: 6,
    type: "unicast",
    protocol: ROUTE_PROTOCOL,
    table: MAIN_TABLE,
    destination: "fd00::1/128",
    via: "fe80::1",
    linkIndex,
    onlink: true,
    source: "fd00::99",
  });
  bed.plug(linkOf(9), ["10.0.0.9"]);
  await bed.send([{ ...flow("fd00::99", "fd00::1", 80), by: "fd00::2" }, flow("10.0.0.9", friend, 80)]);
  await until(() => told.length >= 2);
  expect(told.map(({ prefix }) => prefix).toSorted()).toEqual(["trunkline forged", "trunkline unknown-pod"]);
});

it("has one listener: another is refused, and may listen once the first has gone", () => {
  expect(() => bed.node.packetLog(LOG_GROUP, () => {})).toThrow(
    expect.objectContaining({ code: "kernel.permission" }),
  );
  log.stop();
  log = bed.node.packetLog(LOG_GROUP, () => {});
});
