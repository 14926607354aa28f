// What a node tells of its routing that is not as it should be: findings about objects, and sessions that do not stand.
import type { ClusterFacts } from "../../plan/facts.ts";
import type { RoutingFinding } from "../../plan/routing/bird/findings.ts";
import { routingProtocols } from "../../plan/routing/bird/settings.ts";
import type { NodeRouting } from "./types.ts";

/** Returns the problems that one node tells of. Where its BIRD is away, no session of it is blamed for that. */
export function routingProblems(facts: ClusterFacts, live: NodeRouting): RoutingFinding[] {
  const { node, findings, error } = live;
  const object = `Node/${node}`;
  const own = (code: string, message: string): RoutingFinding => ({ code, object, node, message });
  const isAway = !live.running && routingProtocols(facts).size > 0;
  return [
    ...findings,
    ...(isAway ? [own("bird-away", "BIRD does not run: it tells no routes, and hears none")] : []),
    ...(error === null ? [] : [own("bird", error)]),
    ...(isAway ? [] : downSessions(live)),
  ];
}

function downSessions({ node, sessions, findings }: NodeRouting): RoutingFinding[] {
  // What keeps a session from being configured is among the findings.
  const told = new Set(findings.map(({ code, object }) => `${code} ${object}`));
  return sessions.flatMap(({ object, peer, state, error }) =>
    state === "Established" || !error || told.has(`${error.code} ${object}`)
      ? []
      : [{ code: error.code, object, node, message: `no session with ${peer}: ${error.message}` }],
  );
}
