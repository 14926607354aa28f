// What is wrong with routing as it is planned, beyond single sessions: told by `route sessions` and `lint`.
import { parseAsNumber } from "../../../api/as-number.ts";
import { nodeAnnotation } from "../../../api/kinds/routing/node-annotations.ts";
import type { ClusterFacts } from "../../facts.ts";
import { missingFilters, rulesFor } from "./filters.ts";
import { sessionsOf } from "./sessions.ts";
import {
  bgpSettings,
  clusterId,
  ignoredInterfaces,
  namePattern,
  passwordOf,
  routingProtocols,
  routingSettings,
} from "./settings.ts";

export interface RoutingFinding {
  readonly code: string;
  /** `KIND/NAME` */
  readonly object: string;
  readonly node: string;
  readonly message: string;
}

/** Returns the findings about one node. `unresolved`: routes that its BIRD has and cannot use. */
export function routingFindings(
  facts: ClusterFacts,
  name: string,
  unresolved: readonly { readonly prefix: string; readonly nextHop: string }[] = [],
): RoutingFinding[] {
  const node = facts.nodes.get(name);
  const protocols = routingProtocols(facts);
  if (!node || protocols.size === 0) return [];
  const sessions = sessionsOf(facts, name);
  const out: RoutingFinding[] = [];
  const find = (code: string, object: string, message: string) =>
    out.push({ code, object, node: name, message });
  for (const session of sessions) {
    if (session.held) find(session.held.code, session.object, `${session.peer}: ${session.held.message}`);
    for (const filter of missingFilters(facts, session))
      find(
        "filter-missing",
        session.object,
        `BGPFilter ${filter} does not exist: nothing passes in or out of the session with ${session.peer}`,
      );
    for (const direction of ["import", "export"] as const) {
      const { why } = rulesFor(facts, session, direction);
      if (why !== undefined) find("filter-bad-range", session.object, `${session.peer}: ${why}`);
    }
  }
  const asNumber = nodeAnnotation(node, "asNumber");
  if (asNumber !== undefined && parseAsNumber(asNumber) === undefined)
    find(
      "bad-as-number",
      `Node/${name}`,
      `the annotation says '${asNumber}', which is no AS number: it counts as absent`,
    );
  const reflector = nodeAnnotation(node, "reflectorClusterId");
  if (reflector !== undefined && clusterId(node) === undefined)
    find(
      "bad-cluster-id",
      `Node/${name}`,
      `the annotation says '${reflector}', which is no cluster id (an IPv4 address such as 244.0.0.1): it counts as absent`,
    );
  if (clusterId(node) !== undefined && !sessions.some((one) => one.client))
    find("reflector-without-clients", `Node/${name}`, "it is a route reflector, and no node is its client");
  if (protocols.has("bgp") && sessions.length === 0 && facts.nodes.size > 1)
    find(
      "no-sessions",
      `Node/${name}`,
      "BGP is on, and the node has no session: it hears of nobody's routes",
    );
  const ignored = ignoredInterfaces(facts);
  for (const text of bgpSettings(facts).ignoredInterfaces ?? [])
    if (!ignored.includes(text))
      find(
        "bad-interface-pattern",
        "BGPConfiguration/default",
        `'${text}' is not the name of an interface: no interface is passed over for it`,
      );
  for (const text of (protocols.has("rip") && routingSettings(facts).rip?.interfaces) || [])
    if (namePattern(text) === undefined)
      find(
        "bad-interface-pattern",
        "RoutingConfiguration/default",
        `'${text}' is no regular expression: RIP is spoken on no interface by it`,
      );
  const rip = protocols.has("rip") ? passwordOf(facts, routingSettings(facts).rip?.password) : undefined;
  if (rip?.state === "missing")
    find(
      "secret-missing",
      "RoutingConfiguration/default",
      `${rip.why}: without the password RIP is not spoken`,
    );
  for (const { prefix, nextHop } of unresolved)
    find(
      "next-hop-unresolved",
      `Node/${name}`,
      `${prefix} is announced with the next hop ${nextHop}, which no route of the node leads to: it is not used`,
    );
  return out;
}
