// How long freed addresses rest, as people write it: the agent's option and the lab file take the same.
import { parseGoDuration } from "../../base/go-duration.ts";

const longestMs = 3_600_000;

/** What is said of a text that `parseCooldown` does not take. */
export const cooldownRule = "must be a time from 0s to 1h with its unit, such as 30s, 500ms or 2m";

/** Returns the milliseconds of a text such as `30s`, or undefined where it is no time, or too long a one. */
export function parseCooldown(text: string): number | undefined {
  const ms = parseGoDuration(text);
  return ms === undefined || ms < 0 || ms > longestMs ? undefined : Math.round(ms);
}
