// Whether pods of one node reach those of the next, and those that are wired otherwise, as explain says it: what stands in
// their way is nobody's policy, and the machines themselves tell (links that are down, routes that lead nowhere, other
// programs' rules).
import type { ClusterFacts } from "../../plan/facts.ts";
import { type End, nodeOf } from "../ends.ts";
import { type Explanation, explain } from "../explain.ts";
import { type Ground, nodeName } from "../ground/ground.ts";
import type { Judges } from "../judges/judge.ts";
import { askedPairs } from "./asked.ts";
import type { Diagnosis } from "./diagnosis.ts";

/** Returns links of nodes that are down, and pairs of nodes whose pods do not reach each other, each with what mends it. */
export function wayFindings(facts: ClusterFacts, judges: Judges, ground: Ground): Diagnosis[] {
  const down = ground.machines.flatMap((machine) => downLinks(facts, machine));
  const ways = askedPairs(facts).flatMap(([one, other]) => [
    ...between(facts, judges, one, other),
    ...between(facts, judges, other, one),
  ]);
  const first = new Map<string, Diagnosis>();
  for (const { key, found } of ways) if (!first.has(key)) first.set(key, found);
  return [...down, ...first.values()];
}

function downLinks(facts: ClusterFacts, { name, links }: Ground["machines"][number]): Diagnosis[] {
  const node = nodeName(name);
  if (node === undefined) return [];
  return links.flatMap((link) =>
    link.down && link.network !== undefined && !isIdle(facts, node, link.interfaceID)
      ? [
          error(
            "node.link-down",
            `Node/${node}`,
            `link ${link.name} is down; to mend it: ip link set ${link.name} up (on the node)`,
          ),
        ]
      : [],
  );
}

/** An interface of the provider that no pod has is down on purpose: a trunk without members, one that is held for a name. */
function isIdle({ podEnis, nodeConfigs }: ClusterFacts, node: string, id: string | undefined): boolean {
  if (id === undefined) return false;
  const isShared =
    nodeConfigs.get(node)?.status?.interfaces?.some((one) => one.id === id && one.used > 0) === true;
  const isOwn = [...podEnis.values()].some(
    ({ spec, status }) =>
      status?.phase === "Bind" && spec.allocations?.some(({ eni }) => eni.id === id) === true,
  );
  return !isShared && !isOwn;
}

/** What is found of a pair; what cuts other pairs of the same nodes in the same way has the same key. */
interface Found {
  readonly key: string;
  readonly found: Diagnosis;
}

function between(facts: ClusterFacts, judges: Judges, from: End, to: End): Found[] {
  const found: Found[] = [];
  for (const isSix of [false, true]) {
    const ofFamily = (end: End) => end.addresses.filter((one) => one.includes(":") === isSix);
    if (ofFamily(from).length === 0 || ofFamily(to).length === 0) continue;
    // Every pod answers echoes, whatever else it listens to.
    const answer = explain(
      facts,
      judges,
      { ...from, addresses: ofFamily(from) },
      { ...to, addresses: ofFamily(to) },
      "icmp",
    );
    const note = (why: string, diagnosis: Diagnosis) =>
      found.push({ key: `${nodeOf(from)} ${nodeOf(to)} ${isSix} ${why}`, found: diagnosis });
    const object = `Pod/${from.name.replace(/^pod\//, "")}`;
    const asked = `the way hop by hop: trunkline explain ${from.name} ${ofFamily(to)[0]}/icmp`;
    if (answer.unknown !== undefined) {
      const why = answer.unknown.join("; ");
      const message = `it cannot be told whether it reaches ${to.name}: ${why}`;
      note(why, { code: "way.unknown", severity: "note", object, message });
    } else if (answer.reachable === false && isWayItself(answer)) {
      const mend = mendOf(answer, isSix);
      const how = mend === undefined ? asked : `to mend it: ${mend}; ${asked}`;
      const [why = ""] = answer.reasons;
      note(why, error("way.broken", object, `it does not reach ${to.name}: ${why}; ${how}`));
    }
  }
  return found;
}

/** What policies refuse is as somebody wants it. */
function isWayItself({ egress, ingress }: Explanation): boolean {
  return egress.allowed !== false && ingress.allowed !== false;
}

/** Returns the command that takes away what stands in the way, and where it runs; undefined: none is known. */
export function mendOf(
  { reasons, route }: Pick<Explanation, "reasons" | "route">,
  isSix: boolean,
): string | undefined {
  const [why = ""] = reasons;
  const rule = /(node|host)\/(\S+) (?:drops|rejects|refuses) it: (iptables-\S+)((?: -t \S+)?) -A (.+)$/.exec(
    why,
  );
  if (rule) {
    const [, , machine, tool = "", table = "", text] = rule;
    return `${isSix ? tool.replace(/^ip/, "ip6") : tool}${table} -D ${text} (on ${machine}, if nobody needs it)`;
  }
  const nowhere = /(?:node|host)\/(\S+) has a route to \S+ that leads nowhere$/.exec(why);
  const prefix = /^its route to (\S+)$/.exec(route.at(-1)?.by ?? "")?.[1];
  if (nowhere && prefix !== undefined)
    return `ip ${isSix ? "-6 " : ""}route del ${prefix} (on ${nowhere[1]}, if nobody needs it)`;
  return undefined;
}

function error(code: string, object: string, message: string): Diagnosis {
  return { code, severity: "error", object, message };
}
