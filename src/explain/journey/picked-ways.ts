// A route with several next hops: the kernel picks one for each flow, by a hash of its ends that nobody foretells.
import type { Choices } from "../../plan/foreign/index.ts";
import type { Onward } from "../ground/onward.ts";

/** Picks a way wherever there are several, the same one for the same ways of one journey. */
export class PickedWays {
  readonly #picked = new Map<string, number>();

  /** Returns the way that is taken. Each of several is one more world; what is not known ends this one. */
  of(next: Onward, choices: Choices): Exclude<Onward, { type: "several" | "unknown" }> {
    if (next.type === "unknown") throw choices.untold(next.why);
    if (next.type !== "several") return next;
    const at = this.#picked.get(next.why) ?? choices.pick(next.ways.length, next.why);
    this.#picked.set(next.why, at);
    return this.of(next.ways[at]!, choices);
  }
}
