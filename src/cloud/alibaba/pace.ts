// How many calls a minute are made, by action: the cloud counts them for the whole account, so whoever makes too many makes
// others wait. Terway's own figures.

const usualPerMinute = 500;
const perMinute: Readonly<Record<string, number>> = {
  DescribeNetworkInterfaces: 800,
  AssignPrivateIpAddresses: 400,
  UnassignPrivateIpAddresses: 400,
  DescribeVSwitches: 300,
};
/** Calls that may come at once after a silence: a tenth of a minute's. */
const BURST_SHARE = 0.1;
const MINUTE_MS = 60_000;

export class Pace {
  readonly #now: () => number;
  /** When the next call of an action would be due if they came evenly. */
  readonly #dueAt = new Map<string, number>();

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a call, and returns how long it has to wait, in milliseconds. */
  wait(action: string): number {
    const rate = perMinute[action] ?? usualPerMinute;
    const each = MINUTE_MS / rate;
    const now = this.#now();
    const earliest = now - rate * BURST_SHARE * each;
    const due = Math.max(this.#dueAt.get(action) ?? earliest, earliest) + each;
    this.#dueAt.set(action, due);
    return Math.max(0, due - now);
  }
}
