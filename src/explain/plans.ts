// The plans that answers are read from, made once for a set of facts and only when they are asked for.
import { formatIp, parseIp } from "../base/ip.ts";
import { type ClusterFacts, type NodeFacts, nodeIps } from "../plan/facts.ts";
import {
  decideWithForeign,
  type ForeignRules,
  noForeignRules,
  ruleName,
} from "../plan/snat/foreign/index.ts";
import { planSnat, type SnatPlan, snatRows } from "../plan/snat/index.ts";
import { type End, nodeOf } from "./ends.ts";
import { Atlas } from "./ground/atlas.ts";
import { bare, type Ground } from "./ground/ground.ts";
import type { Flow, Judges, SourceDecision } from "./judge.ts";
import { policyJudge } from "./policy-judge.ts";

/** What only a look at a running node tells. */
export interface NodeKnowledge {
  /** ip-masq-agent's configuration that its agent remembers as usable. */
  readonly lastGood?: string;
  /** Other programs' NAT rules. */
  readonly foreign: ForeignRules;
}

/** Returns what decides flows among these facts; `known` where there are nodes to look at, `ground` where all of the network is known. */
export function judgesOf(
  facts: ClusterFacts,
  known: ReadonlyMap<string, NodeKnowledge> = new Map(),
  ground?: Ground,
): Judges {
  const atlas = ground && new Atlas(facts, ground);
  const plans = new Map<string, SnatPlan>();
  const planOf = (node: string) => {
    const lastGood = known.get(node)?.lastGood;
    const memory = lastGood === undefined ? {} : { lastGood };
    const before = plans.get(node);
    if (before) return before;
    const made = planSnat(facts, nodeFacts(facts, node), memory);
    // For the kernel all of a node's addresses are its own; which rule applies is decided by those that its object has.
    const added = atlas?.machine(`node/${node}`)?.added ?? [];
    const held = made.egress.filter(({ holder }) => holder === node).map(({ address }) => address);
    const whole = { ...made, nodeAddresses: [...made.nodeAddresses, ...added.map(bare), ...held] };
    plans.set(node, whole);
    return whole;
  };
  const foreignOf = (node: string) => known.get(node)?.foreign ?? noForeignRules;
  const source = (flow: KnownFlow) => {
    const decision = decideSource(planOf, foreignOf, flow);
    return atlas ? ofUplink(atlas, flow, decision) : decision;
  };
  return { ...policyJudge(facts), source, ...(atlas && { atlas }) };
}

/** Masquerading takes the address of the link that the packet leaves by: it matters on nodes with several. */
function ofUplink(atlas: Atlas, { from, destination }: KnownFlow, decision: SourceDecision): SourceDecision {
  const machine = decision.action === "Masquerade" ? atlas.machineOf(from) : undefined;
  const own = machine && atlas.sourceOn(machine, destination);
  const known = machine?.links.flatMap(({ addresses }) => addresses.map((text) => text.split("/")[0]));
  // Another node's rules may translate, too: then the address is that one's.
  return own !== undefined && known?.includes(decision.sourceSeen)
    ? { ...decision, sourceSeen: own }
    : decision;
}

/** What can be known of a node without being on it: enough for plans that do not depend on interfaces' names. */
function nodeFacts(facts: ClusterFacts, name: string): NodeFacts {
  const node = facts.nodes.get(name);
  return { node: name, addresses: node ? nodeIps(node) : [], uplink: "", endpoints: new Map() };
}

type KnownFlow = Flow & { source: string; destination: string };

function decideSource(
  planOf: (node: string) => SnatPlan,
  foreignOf: (node: string) => ForeignRules,
  flow: KnownFlow,
): SourceDecision {
  const { from, to, source } = flow;
  if (from.name === to.name)
    return { action: "None", sourceSeen: source, reason: "the packet never leaves the pod" };
  const node = nodeOf(from);
  const first =
    node === undefined
      ? ({
          action: "None",
          sourceSeen: source,
          reason: `${from.name} is outside of the cluster: only pods' traffic is translated`,
        } as const)
      : decideOn(planOf(node), foreignOf(node), flow);
  if (first.by !== undefined && isOwn(planOf(first.by), flow.destination)) {
    // The holder translates what it sends on, and this ends there.
    const reason = `${flow.destination} is an address of node ${first.by} itself, which holds the source address`;
    return {
      action: "None",
      sourceSeen: source,
      reason,
      ...(first.object !== undefined && { object: first.object }),
    };
  }
  const last = otherNode(to, node);
  if (last === undefined || first.action !== "None") return first;
  // On its way to a pod the packet passes the rules of that pod's node, too.
  const there = decideOn(planOf(last), foreignOf(last), flow);
  return there.foreignRule === undefined ? first : there;
}

function isOwn({ nodeAddresses }: SnatPlan, address: string): boolean {
  const wanted = formatIp(parseIp(address));
  return nodeAddresses.some((own) => formatIp(parseIp(own)) === wanted);
}

function otherNode(to: End, node: string | undefined): string | undefined {
  const there = to.type === "pod" ? nodeOf(to) : undefined;
  return there === node ? undefined : there;
}

function decideOn(
  plan: SnatPlan,
  rules: ForeignRules,
  { source, destination, port }: KnownFlow,
): SourceDecision {
  const protocol = port === undefined ? "icmp" : port.protocol.toLowerCase();
  const { foreign, row, ...decision } = decideWithForeign(plan, rules, { source, destination, protocol });
  return {
    ...decision,
    row,
    rowNumber: snatRows.findIndex(({ id }) => id === row) + 1,
    ...(foreign && { foreignRule: ruleName(foreign) }),
  };
}
