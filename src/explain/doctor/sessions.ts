// BIRDs that do not run and BGP sessions that do not stand, with what to do: as agents tell, or, where they cannot be asked,
// as their nodes' objects say.
import type { ClusterFacts } from "../../plan/facts.ts";
import { adviceFor, ROUTING_CONDITION, type SessionReport } from "../../plan/routing/bird/report.ts";
import { routingProtocols } from "../../plan/routing/bird/settings.ts";
import type { NodeRouting } from "../routing/types.ts";
import type { Diagnosis } from "./diagnose.ts";

/** Returns the findings; `live`: what the agents that answer tell, by node. */
export function sessionFindings(facts: ClusterFacts, live: ReadonlyMap<string, NodeRouting>): Diagnosis[] {
  if (routingProtocols(facts).size === 0) return [];
  const away = new Set([...live.values()].filter(({ running }) => !running).map(({ node }) => node));
  return [...facts.nodes.keys()].toSorted().flatMap((name) => {
    const told = live.get(name);
    if (!told) return fromObject(facts, name);
    if (away.has(name)) return [birdAway(name, told)];
    return told.sessions
      .filter(({ state, peerNode }) => state !== "Established" && !away.has(peerNode ?? ""))
      .map(sessionDown);
  });
}

function birdAway(node: string, { error, sessions }: NodeRouting): Diagnosis {
  const since = sessions.find((one) => one.error?.code === "bird-away")?.since;
  const why = error === null ? "" : ` (${error})`;
  const when = since ? ` since ${since}` : "";
  const message = `BIRD does not run${when}${why}: the node tells its pods' routes to nobody, and learns none; look at bird/bird.log in the agent's state folder, and at the agent's log`;
  return { code: "bgp.bird-away", severity: "error", object: `Node/${node}`, message };
}

function sessionDown(session: SessionReport): Diagnosis {
  const { node, peer, peerNode, since, state, object, error } = session;
  const name = peerNode === null ? peer : `${peer} (${peerNode})`;
  const why = error ? `${error.code}: ${error.message}` : `its state is ${state ?? "not known"}`;
  const when = since ? `, since ${since}` : "";
  return {
    code: "bgp.session-down",
    severity: "error",
    object: `Node/${node}`,
    message: `no BGP session with ${name} (${object}${when}): ${why}; ${adviceFor(session)}`,
  };
}

function fromObject(facts: ClusterFacts, name: string): Diagnosis[] {
  const found = facts.nodes.get(name)?.status?.conditions?.find(({ type }) => type === ROUTING_CONDITION);
  if (found?.status !== "False") return [];
  const code = found.reason === "BirdAway" ? "bgp.bird-away" : "bgp.session-down";
  const message = `${found.message ?? "no reason given"} (since ${found.lastTransitionTime ?? "a time that is not known"})`;
  return [{ code, severity: "error", object: `Node/${name}`, message }];
}
