// Tunnels in a random lab: pools of some labs ask for VXLAN between nodes.
import { setTimeout as sleep } from "node:timers/promises";
import { everybodyOf } from "../../e2e/agreement.ts";
import type { Commands } from "../../e2e/trunkline.ts";
import type { Dice } from "./dice.ts";

interface RandomObject {
  readonly kind?: string;
  readonly spec?: { readonly cidr?: string };
}

/** Returns the objects with pools that ask for tunnels, in one lab of four; else the same. */
export function withTunnels<O extends object>(dice: Dice, objects: readonly O[]): readonly O[] {
  if (!dice.chance(25)) return objects;
  return objects.map((one): O => {
    const { kind, spec } = one as RandomObject;
    if (kind !== "IPPool" || !dice.chance(70)) return one;
    return { ...one, spec: { ...spec, vxlanMode: dice.one(["Always", "Always", "CrossSubnet"]) } };
  });
}

/** Waits until nodes have told of their tunnels, and lead packets through them. */
export async function tunnelsStand(commands: Commands): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    const { facts } = await everybodyOf(commands);
    const wanted = [...facts.pools.values()].flatMap(({ spec }) =>
      "vxlanMode" in spec && spec.vxlanMode !== "Never" ? [spec.cidr.includes(":") ? 6 : 4] : [],
    );
    if (wanted.length === 0) return;
    const keys = wanted.map((family) => `projectcalico.org/IPv${family}VXLANTunnelAddr`);
    const nodes = [...facts.nodes.values()];
    if (nodes.every(({ metadata }) => keys.every((key) => metadata.annotations?.[key] !== undefined))) break;
    await sleep(250);
  }
  await sleep(ROUTES_MS);
}

/** How long routes take that lead through tunnels which all nodes have told of, in milliseconds. */
const ROUTES_MS = 1000;
