// Whether pods of one node reach those of the next, as explain says it: what stands in their way is nobody's policy, and the
// machines themselves tell (links that are down, routes that lead nowhere, other programs' rules).
import { isTerminal, podIps } from "../../api/kinds/core.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type End, podEnd } from "../ends.ts";
import { type Explanation, explain } from "../explain.ts";
import { type Ground, nodeName } from "../ground/ground.ts";
import type { Judges } from "../judges/judge.ts";
import type { Diagnosis } from "./diagnosis.ts";

/** Returns links of nodes that are down, and pairs of nodes whose pods do not reach each other, each with what mends it. */
export function wayFindings(facts: ClusterFacts, judges: Judges, ground: Ground): Diagnosis[] {
  const down = ground.machines.flatMap((machine) => downLinks(facts, machine));
  // In a ring: each node once as the one that sends, and once as the one that is asked.
  const ends = onePodEach(facts);
  const ways = ends.flatMap((from, at) => {
    const to = ends[(at + 1) % ends.length]!;
    return from === to
      ? []
      : [from, to].flatMap((one) => between(facts, judges, one, one === from ? to : from));
  });
  return [...down, ...unique(ways)];
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

/** One pod of each node, of those that run in a network of their own. */
function onePodEach({ pods }: ClusterFacts): readonly End[] {
  const byNode = new Map<string, End>();
  for (const [, pod] of [...pods].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const { nodeName: node, hostNetwork } = pod.spec;
    const isGone = isTerminal(pod) || pod.metadata.deletionTimestamp !== undefined;
    if (node === undefined || hostNetwork === true || isGone || podIps(pod).length === 0) continue;
    if (!byNode.has(node)) byNode.set(node, podEnd(pod));
  }
  return [...byNode].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, end]) => end);
}

function between(facts: ClusterFacts, judges: Judges, from: End, to: End): Diagnosis[] {
  const found: Diagnosis[] = [];
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
    const object = `Pod/${from.name.replace(/^pod\//, "")}`;
    const asked = `the way hop by hop: trunkline explain ${from.name} ${ofFamily(to)[0]}/icmp`;
    if (answer.unknown !== undefined)
      found.push({
        code: "way.unknown",
        severity: "note",
        object,
        message: `it cannot be told whether it reaches ${to.name}: ${answer.unknown.join("; ")}`,
      });
    else if (answer.reachable === false && isWayItself(answer)) {
      const mend = mendOf(answer, isSix);
      const how = mend === undefined ? asked : `to mend it: ${mend}; ${asked}`;
      found.push(error("way.broken", object, `it does not reach ${to.name}: ${answer.reasons[0]}; ${how}`));
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

function unique(found: readonly Diagnosis[]): Diagnosis[] {
  return [...new Map(found.map((one) => [`${one.object} ${one.message}`, one])).values()];
}

function error(code: string, object: string, message: string): Diagnosis {
  return { code, severity: "error", object, message };
}
