// Whether a lab's nodes speak with those that its objects name, so that it is ready to route when it is said to be up.
import { setTimeout as sleep } from "node:timers/promises";
import { askLocal } from "../../base/http.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { SessionReport } from "../../plan/routing/bird/report.ts";
import { allSessions } from "../../plan/routing/bird/sessions.ts";
import { routingProtocols } from "../../plan/routing/bird/settings.ts";

/** Neighbours call again every second or two; a daemon of a router takes as long to begin. */
const PATIENCE_MS = 10_000;
const LOOK_MS = 100;
const ANSWER_MS = 2000;
/** What passes by itself while everybody starts. Of all else that an agent says of a session nothing becomes of waiting. */
const passing: ReadonlySet<string> = new Set(["no-answer", "connection-refused", "bird-away", "peer-closed"]);

/** What an agent tells of its BIRD, as far as it matters here. */
interface Told {
  readonly running: boolean;
  readonly sessions: readonly SessionReport[];
}

export interface RoutingReady {
  /** The objects as they are now. */
  readonly facts: () => Promise<ClusterFacts>;
  /** The health socket of a node's agent. */
  readonly socket: (node: string) => string;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  /** Default PATIENCE_MS. */
  readonly patienceMs?: number;
}

/**
 * Waits until the sessions that the objects ask for stand, and BIRD runs where RIP is spoken; no longer than its patience, and
 * not for what an agent knows a lasting reason of, such as another AS. Returns what is missing, worded; nothing where all is there.
 */
export async function routingReady({
  facts,
  socket,
  signal,
  patienceMs = PATIENCE_MS,
}: RoutingReady): Promise<string[]> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const now = await facts();
    const nodes = routingProtocols(now).size === 0 ? [] : [...now.nodes.keys()].toSorted();
    const told = new Map(
      await Promise.all(nodes.map(async (node) => [node, await ask(socket(node))] as const)),
    );
    const missing = missingOf(now, told);
    if (missing.every(({ lasting }) => lasting) || performance.now() > end || signal.aborted)
      return missing.map(({ text }) => text);
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
}

/** Returns what does not stand of what the objects ask for. `told`: by node; undefined: its agent has not answered. */
export function missingOf(
  facts: ClusterFacts,
  told: ReadonlyMap<string, Told | undefined>,
): { readonly text: string; readonly lasting: boolean }[] {
  const away = [...told].filter(([, one]) => one?.running !== true);
  const sessions = allSessions(facts).flatMap(({ node, protocol, peer, peerNode }) => {
    const one = told.get(node);
    if (one?.running !== true) return [];
    const report = one.sessions.find((each) => each.protocol === protocol);
    if (report?.state === "Established") return [];
    const error = report?.error;
    const whom = peerNode === undefined ? peer : `${peer} (${peerNode})`;
    const why = error ? `${error.code}: ${error.message}` : "not yet";
    return [
      {
        text: `${node} has no session with ${whom}: ${why}`,
        lasting: error ? !passing.has(error.code) : false,
      },
    ];
  });
  return [...away.map(([node]) => ({ text: `BIRD of ${node} does not run`, lasting: false })), ...sessions];
}

async function ask(socketPath: string): Promise<Told | undefined> {
  const answer = await askLocal({ socketPath, path: "/routing", patienceMs: ANSWER_MS }).catch(
    () => undefined,
  );
  return answer?.status === 200 ? (JSON.parse(answer.text) as Told) : undefined;
}
