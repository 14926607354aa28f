// What reviews have found explain to be wrong about is drawn for random labs by dice of their own, so that what they drew
// before stays: numbers that follow one another take turns, and a run of eight labs has nearly all of it.
import type { Dice } from "../dice.ts";
import type { Meddling, Scenery } from "../rules.ts";
import { moreRules } from "./rules.ts";
import { unknowableRules, unknowableWays } from "./unknowable.ts";
import { moreWays } from "./ways.ts";
import type { Kind } from "./words.ts";

/** So many of each a lab has. */
const RULES = 8;
const WAYS = 3;
/** One lab in so many has routing that explain cannot follow: it makes all of a machine's answers unsure. */
const LABS_WITH_WAYS = 4;

/** Returns what more is done to a lab. */
export function moreMeddlingsOf(dice: Dice, seed: number, scenery: Scenery): Meddling[] {
  const { nodes, routers, hosts } = scenery;
  // Most packets pass nodes.
  const places = [...nodes, ...nodes, ...routers, ...hosts.slice(0, 2)];
  const at = (kind: Kind, where: readonly string[]) => {
    const member = dice.one(where);
    return kind(dice, scenery).map((doing): Meddling => ({ member, ...doing }));
  };
  const turns = (kinds: readonly Kind[], count: number, from: number) =>
    Array.from({ length: count }, (_, nth) => kinds[(from * count + nth) % kinds.length]!);
  const lab = Math.abs(seed);
  return [
    ...turns(moreRules, RULES, lab).flatMap((kind) => at(kind, places)),
    ...turns(moreWays, WAYS, lab).flatMap((kind) => at(kind, places)),
    ...turns(unknowableRules, 1, lab).flatMap((kind) => at(kind, [...nodes, ...routers])),
    ...(lab % LABS_WITH_WAYS === 1
      ? turns(unknowableWays, 1, Math.floor(lab / LABS_WITH_WAYS)).flatMap((kind) =>
          at(kind, [...hosts, ...hosts, ...hosts, ...nodes]),
        )
      : []),
  ];
}
