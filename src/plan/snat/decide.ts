// The evaluator: which address the other side sees, and what decided it. It reads the plan as the precedence table is
// written, and shares no code with the nft writer, so that each can check the other.
import {
  type Cidr,
  cidrContains,
  formatIp,
  type Ip,
  type IpRange,
  parseCidr,
  parseIp,
} from "../../base/ip.ts";
import { segmentAt } from "./intervals.ts";
import { linkLocal4, linkLocal6, type MasqConfig, type MasqRange } from "./masq-types.ts";
import type { SnatRowId } from "./rows.ts";
import { rangeName } from "./source-nat-rules.ts";
import type { Base, PodSource, SnatPlan, Translation } from "./types.ts";

/** The first packet of a connection that a pod opens, after any translation of its destination. */
export interface SnatFlow {
  readonly source: string;
  readonly destination: string;
  /** It came to the node by a link that is no pod's: a pod of another node may have sent it. Default: a pod of this node has. */
  readonly passing?: boolean;
}

export interface SnatDecision {
  readonly action: "None" | "Masquerade" | "Address" | "Drop";
  /** An address, a range where the kernel picks one, or undefined: no packet leaves, or the node has no such address. */
  readonly sourceSeen: string | undefined;
  readonly reason: string;
  /** Such as `ConfigMap/kube-system/ip-masq-agent`. */
  readonly object?: string;
  /** The line of the precedence table (docs/snat.md) that decided. */
  readonly row: SnatRowId;
  /** Line within the ConfigMap's text, where a range of it decided. */
  readonly line?: number;
  /** Path within the object. */
  readonly path?: string;
  /** The node that translates, where it is not the pod's own. */
  readonly by?: string;
}

/**
 * Returns what becomes of the flow's source address on the plan's node.
 * @throws TrunklineError `base.address`
 */
export function decideSnat(plan: SnatPlan, flow: SnatFlow): SnatDecision {
  const source = parseIp(flow.source);
  const destination = parseIp(flow.destination);
  const pod = plan.pods.get(formatIp(source));
  const base = pod?.base ?? baseOfRange(plan, source, flow);
  const keep = { action: "None", sourceSeen: formatIp(source) } as const;
  if (!base || source.family !== destination.family) {
    return { ...keep, row: "not-a-pod", reason: `${flow.source} is not a pod's address` };
  }
  const to = formatIp(destination);
  if (plan.nodeAddresses.some((address) => formatIp(parseIp(address)) === to)) {
    return { ...keep, row: "own-node", reason: `${to} is an address of node ${plan.node} itself` };
  }
  if (within(plan.inside[destination.family], destination)) {
    return { ...keep, row: "pod-to-pod", reason: `${to} is within the pods' ranges` };
  }
  const passing = pod === undefined && flow.passing === true && !within(plan.home[source.family], source);
  if (passing || base.row === "not-a-pod") {
    const decided = pod && clauseDecision(plan, pod, source, destination);
    return (
      decided ?? { ...keep, row: "not-a-pod", reason: `${flow.source} is no pod's of node ${plan.node}` }
    );
  }
  return (
    (pod && clauseDecision(plan, pod, source, destination)) ?? baseDecision(plan, base, source, destination)
  );
}

/** In a subnet there are other machines as well, and the node itself may be one of them: there only what a pod sent counts. */
function baseOfRange(plan: SnatPlan, source: Ip, { passing = false }: SnatFlow): Base | undefined {
  const range = segmentAt(plan.ranges[source.family], source.value);
  const isNode = plan.nodeAddresses.some((address) => formatIp(parseIp(address)) === formatIp(source));
  if (range || passing || isNode) return range?.value;
  return segmentAt(plan.subnets[source.family], source.value)?.value;
}

function clauseDecision(
  plan: SnatPlan,
  pod: PodSource,
  source: Ip,
  destination: Ip,
): SnatDecision | undefined {
  for (const clause of pod.clauses) {
    if (clause.family !== undefined && clause.family !== destination.family) continue;
    if (clause.destinations !== "all" && !clause.destinations.some((cidr) => cidrContains(cidr, destination)))
      continue;
    const { row, object, path } = clause;
    const why =
      row === "source-nat"
        ? `${object} ${path ?? ""} selects pod ${pod.pod} and this destination`
        : `${object} is annotated trunkline.dev/snat: ${clause.action.type}`;
    return {
      ...outcome(plan, clause.action, source, why),
      row,
      object,
      ...(path === undefined ? {} : { path }),
    };
  }
  return undefined;
}

function baseDecision(plan: SnatPlan, base: Base, source: Ip, destination: Ip): SnatDecision {
  const { row, object } = base;
  if (base.type !== "config" || !plan.config.config) {
    const action = base.type === "masquerade" ? "masquerade" : "none";
    const why = {
      "pool-off": `${object} says natOutgoing: false`,
      "pool-on": `${object} says natOutgoing: true`,
    }[row as "pool-off" | "pool-on"];
    return { ...outcome(plan, { type: action }, source, why ?? "nothing asks for translation"), row, object };
  }
  return { ...configDecision(plan, plan.config.config, source, destination), object };
}

function configDecision(plan: SnatPlan, config: MasqConfig, source: Ip, destination: Ip): SnatDecision {
  const exempt = longest(config.nonMasquerade, destination);
  const inverse = longest(config.masquerade ?? [], destination);
  const local = linkLocalRange(config, destination);
  const spared = local && (!exempt || local.length > exempt.cidr.length) ? undefined : exempt;
  const sparedLength = spared?.cidr.length ?? local?.length ?? -1;
  const stale = plan.config.state === "current" ? "" : ` (${plan.config.state} configuration)`;
  if (inverse && inverse.cidr.length > sparedLength) {
    const why = `${inverse.text} in masqueradeCIDRs${lineOf(inverse)}${stale}`;
    return {
      ...outcome(plan, { type: "masquerade" }, source, why),
      row: "config-inverse",
      line: inverse.line,
    };
  }
  if (spared) {
    const why = `${spared.text} in nonMasqueradeCIDRs${lineOf(spared)}${stale}`;
    return { ...outcome(plan, { type: "none" }, source, why), row: "config-range", line: spared.line };
  }
  if (local) {
    const why = `the destination is link-local and masqLinkLocal${local.family === 6 ? "IPv6" : ""} is false${stale}`;
    return { ...outcome(plan, { type: "none" }, source, why), row: "config-range" };
  }
  const type = config.othersMasqueraded ? "masquerade" : "none";
  const list = config.othersMasqueraded ? "nonMasqueradeCIDRs" : "masqueradeCIDRs";
  return {
    ...outcome(plan, { type }, source, `the destination is in no range of ${list}${stale}`),
    row: "config-others",
  };
}

function lineOf(range: MasqRange): string {
  return range.line > 0 ? `, line ${range.line}` : " (default)";
}

function longest(ranges: readonly MasqRange[], ip: Ip): MasqRange | undefined {
  let best: MasqRange | undefined;
  for (const range of ranges) {
    if (cidrContains(range.cidr, ip) && (!best || range.cidr.length > best.cidr.length)) best = range;
  }
  return best;
}

function linkLocalRange(config: MasqConfig, ip: Ip): Cidr | undefined {
  if (ip.family === 4 ? config.masqLinkLocal : config.masqLinkLocalIPv6) return undefined;
  const cidr = parseCidr(ip.family === 4 ? linkLocal4 : linkLocal6);
  return cidrContains(cidr, ip) ? cidr : undefined;
}

function outcome(
  plan: SnatPlan,
  action: Translation,
  source: Ip,
  reason: string,
): Pick<SnatDecision, "action" | "sourceSeen" | "reason" | "by"> {
  switch (action.type) {
    case "none":
      return { action: "None", sourceSeen: formatIp(source), reason };
    case "masquerade": {
      const own = plan.nodeAddresses.find((address) => parseIp(address).family === source.family);
      return { action: "Masquerade", sourceSeen: own, reason };
    }
    case "address":
      return { action: "Address", sourceSeen: rangeName(action.range), reason };
    case "steer":
      return { action: "Address", sourceSeen: action.address, reason, by: action.holder };
    case "drop":
      return {
        action: "Drop",
        sourceSeen: undefined,
        reason: `${reason}, but no node holds ${action.address}`,
      };
  }
}

function within(ranges: readonly IpRange[], ip: Ip): boolean {
  return ranges.some((range) => range.first <= ip.value && ip.value <= range.last);
}
