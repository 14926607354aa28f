// The networks of a random lab.
import type { Dice } from "./dice.ts";

export interface Net {
  readonly name: string;
  readonly four: string;
  /** Absent: IPv4 only. */
  readonly six?: string;
}

/** Returns a machine's addresses on a network. */
export const addressesOn = ({ four, six }: Net, last: number) => [
  `${four}.${last}`,
  ...(six === undefined ? [] : [`${six}::${last}`]),
];

/** Returns two to four networks; nodes stand on the first. */
export function netsOf(dice: Dice): Net[] {
  const ranges = ["192.168.18", "10.0.0", "172.17.0", "203.0.113"].slice(0, 2 + dice.below(3));
  return ranges.map((four, at) => ({
    name: `net${at}`,
    four,
    ...((at === 0 || dice.chance(60)) && { six: `fd00:${at + 18}` }),
  }));
}
