// Ranges of a policy that change while packets come: what stays allowed passes at every moment, and the map is not made anew.
import { afterEach, beforeEach, expect, it } from "vitest";
import type { NetworkPolicy } from "../../../src/api/kinds/network-policy.ts";
import type { PolicyBed } from "./policy-bed.ts";
import { friend, meta, other, rulesetOf, server, trio } from "./policy-trio.ts";

const RANGES = 2000;
const key = "x/ranges";
const many = Array.from({ length: RANGES }, (_, n) => `11.${n >> 6}.${(n & 63) * 4}.0/24`);

function policyOf(cidrs: readonly string[]): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { ...meta, name: "ranges", namespace: "x", uid: "p" },
    spec: {
      podSelector: { matchLabels: { app: "server" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: cidrs.map((cidr) => ({ ipBlock: { cidr } })) }],
    },
  };
}

let bed: PolicyBed;
beforeEach(async () => {
  bed = await trio(policyOf([...many, `${friend}/32`]));
});
afterEach(() => bed.close());

async function change(cidrs: readonly string[]): Promise<void> {
  bed.facts = { ...bed.facts, policies: new Map([[key, policyOf(cidrs)]]) };
  await bed.apply(new Map([["networkpolicies", new Set([key])]]));
}

const flows = (from: string, count = 1) =>
  Array.from({ length: count }, () => ({ from, to: server, protocol: "UDP", port: 80 }) as const);
const mapName = async () => /map (policy-in-block4-\w+)/.exec(await rulesetOf(bed))?.[1];

it("refuses nobody who stays allowed, also where the very range changes", async () => {
  const steps: readonly (readonly string[])[] = [
    // One range of friend's and the other's addresses, and apart again.
    [...many, `${friend}/32`, `${other}/32`],
    [...many, `${friend}/32`],
    [...many, "10.0.0.0/24"],
    [...many.slice(1), `${friend}/32`],
    [...many, `${friend}/32`, "200.0.0.0/8"],
    [...many.slice(0, 5), ...many.slice(900), `${friend}/31`],
  ];
  for (let round = 0; round < 3; round++)
    for (const cidrs of steps) {
      const [seen] = await Promise.all([bed.send(flows(friend, 300)), change(cidrs)]);
      expect(seen.filter((passed) => !passed)).toEqual([]);
      const isOther = cidrs.some((cidr) => ["10.0.0.0/24", `${other}/32`, `${friend}/31`].includes(cidr));
      expect(await bed.send([...flows(friend), ...flows(other)])).toEqual([true, isOther]);
    }
});

it("changes the map that is there, but where somebody's range would be another one", async () => {
  const before = await mapName();
  await change([...many, `${friend}/32`, "200.0.0.0/8"]);
  await change([...many.slice(1), `${friend}/32`, "200.0.0.0/8"]);
  expect(await mapName()).toBe(before);
  expect(await rulesetOf(bed)).toContain("200.0.0.0/8");
  await change([...many.slice(1), `${friend}/32`, `${other}/32`]);
  const renewed = await mapName();
  expect(renewed).not.toBe(before);
  await change([...many, `${friend}/32`, `${other}/32`]);
  expect(await mapName()).toBe(renewed);
  expect(await bed.send([...flows(friend), ...flows(other)])).toEqual([true, true]);
});

it("leaves what a new agent would write", async () => {
  for (const cidrs of [
    many,
    [...many.slice(7), "10.0.0.0/30"],
    [...many.slice(3), "10.0.0.0/30", "201.0.0.0/9"],
  ])
    await change(cidrs);
  const changed = await rulesetOf(bed);
  bed.startManager();
  await bed.apply();
  expect(await rulesetOf(bed)).toBe(changed);
});

it("takes maps away that nobody is isolated by any more", async () => {
  await change([...many, "10.0.0.0/24"]);
  bed.facts = { ...bed.facts, policies: new Map() };
  await bed.apply(new Map([["networkpolicies", new Set([key])]]));
  expect(await mapName()).toBeUndefined();
  expect(await bed.send(flows(other))).toEqual([true]);
});
