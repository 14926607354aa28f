// Says on the node's object whether its routes are told and heard: what doctor and explain go by where they cannot ask the
// agent. Written when it changes, and once it has been so for two looks, as sessions begin with a moment of silence.
import type { Condition, Node } from "../../api/kinds/core.ts";
import { ROUTING_CONDITION, type SessionReport } from "../../plan/routing/bird/report.ts";

export type RoutesTold = Pick<Condition, "type" | "status" | "reason" | "message">;

const ESTABLISHED = "Established";

/**
 * Returns the condition; undefined: there is nothing to say, and nothing was said.
 * @param running BIRD does; undefined: nobody asks for BIRD
 */
export function routesTold(
  node: Node | undefined,
  running: boolean | undefined,
  sessions: readonly SessionReport[],
): RoutesTold | undefined {
  const type = ROUTING_CONDITION;
  if (running === undefined) {
    const told = node?.status?.conditions?.some((one) => one.type === type && one.status !== "True");
    return told ? { type, status: "True", reason: "NotNeeded", message: "no BGP and no RIP" } : undefined;
  }
  if (!running)
    return {
      type,
      status: "False",
      reason: "BirdAway",
      message: "BIRD does not run: the node tells its routes to nobody, and hears none",
    };
  const down = sessions.filter(({ state }) => state !== ESTABLISHED);
  const stands = `${sessions.length - down.length} of ${sessions.length} sessions`;
  if (down.length === 0) return { type, status: "True", reason: "Told", message: stands };
  const each = down.map(({ peer, peerNode, error }) => {
    const name = peerNode === null ? peer : `${peer} (${peerNode})`;
    return `${name}: ${error ? `${error.code}: ${error.message}` : "no session"}`;
  });
  return { type, status: "False", reason: "SessionsDown", message: `${stands}; ${each.join("; ")}` };
}

/** Lets a condition through once it was the same twice, and not again until it is another one. */
export class Settled {
  #last = "";
  #told = "";

  /** Returns whether it is to be written now. */
  take(condition: RoutesTold): boolean {
    const text = JSON.stringify(condition);
    const isSettled = text === this.#last;
    this.#last = text;
    return isSettled && text !== this.#told;
  }

  /** It has been written. */
  done(condition: RoutesTold): void {
    this.#told = JSON.stringify(condition);
  }
}
