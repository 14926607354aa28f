// The plans that answers are read from, made once for a set of facts and only when they are asked for.
import { type ClusterFacts, type NodeFacts, nodeIps } from "../../plan/facts.ts";
import type { Ruleset } from "../../plan/foreign/index.ts";
import {
  type ClusterPart,
  ClusterParts,
  decideSnat,
  planSnat,
  type SnatPlan,
} from "../../plan/snat/index.ts";
import { nodeOf } from "../ends.ts";
import { Atlas } from "../ground/atlas.ts";
import { bare, type Ground } from "../ground/ground.ts";
import { decisionOf } from "../journey/decision.ts";
import { behindOf, type UnattendedNode } from "../trace/unattended.ts";
import { GroupJudge } from "./group-judge.ts";
import type { Flow, Judges, SourceDecision } from "./judge.ts";
import { policyJudge } from "./policy-judge.ts";

/** What only a look at running machines tells. */
export interface Knowledge {
  /** By node: ip-masq-agent's configuration that its agent remembers as usable. */
  readonly lastGood?: ReadonlyMap<string, string>;
  /** By machine, `node/NAME` or `host/NAME`: other programs' rules; one that is not there has not been looked at. */
  readonly rules?: ReadonlyMap<string, Ruleset>;
  /** Egress addresses whose holder no longer renews its lease, where nobody has looked at the holder itself. */
  readonly stale?: ReadonlySet<string>;
  /** Nodes whose agents do not serve, by name. */
  readonly unattended?: ReadonlyMap<string, UnattendedNode>;
}

/** Returns what decides flows among these facts; `ground` where all of the network is known. */
export function judgesOf(facts: ClusterFacts, known: Knowledge = {}, ground?: Ground): Judges {
  const atlas = ground && new Atlas(facts, ground);
  const planOf = plansOf(facts, known, atlas);
  const policies = policyJudge(facts);
  const groups = facts.subnets.size > 0 ? new GroupJudge(facts) : undefined;
  const rulesOf = (machine: string) => known.rules?.get(machine);
  const unattended = known.unattended ?? new Map();
  const behind = behindOf(facts, unattended);
  return {
    ...policies,
    ...(groups && { groups }),
    source: (flow) => decideSource(planOf, flow),
    stale: known.stale ?? new Set(),
    foreign:
      unattended.size > 0 ||
      [...(known.rules?.values() ?? [])].some(
        ({ chains, unreadable }) =>
          unreadable.length > 0 ||
          [...chains.values()].some(({ rules, policy }) => rules.length > 0 || policy === "drop"),
      ),
    ...(atlas && {
      atlas,
      network: { facts, atlas, policies: policies.policies, groups, planOf, rulesOf, behind },
    }),
  };
}

/**
 * Returns what decides sources alone, as far as objects tell: much quicker made than all that decides a flow.
 * @param parts kept from one set of facts to the next: then what is about the cluster is read anew only when it has changed
 */
export function sourceJudgeOf(facts: ClusterFacts, parts?: ClusterParts): Pick<Judges, "source"> {
  const planOf = plansOf(facts, {}, undefined, parts);
  return { source: (flow) => decideSource(planOf, flow) };
}

function plansOf(
  facts: ClusterFacts,
  known: Knowledge = {},
  atlas?: Atlas,
  parts = new ClusterParts(),
): (node: string) => SnatPlan {
  const plans = new Map<string, SnatPlan>();
  // Of the same facts for all nodes, and made when first asked for.
  let cluster: ClusterPart | undefined;
  let podsByNode: ReadonlyMap<string | undefined, readonly string[]> | undefined;
  return (node) => {
    const lastGood = known.lastGood?.get(node);
    const before = plans.get(node);
    if (before) return before;
    podsByNode ??= keysByNode(facts);
    const local = podsByNode.get(node) ?? [];
    cluster ??= parts.read(facts, undefined);
    const memory = lastGood === undefined ? { local, cluster } : { local, lastGood };
    const made = planSnat(facts, nodeFacts(facts, node), memory);
    // For the kernel all of a node's addresses are its own; which rule applies is decided by those that its object has.
    const own = atlas?.machine(`node/${node}`)?.links.flatMap(({ addresses }) => addresses.map(bare)) ?? [];
    const held = made.egress.filter(({ holder }) => holder === node).map(({ address }) => address);
    const nodeAddresses = [...new Set([...made.nodeAddresses, ...own, ...held])];
    const whole = { ...made, nodeAddresses };
    plans.set(node, whole);
    return whole;
  };
}

function keysByNode(facts: ClusterFacts): ReadonlyMap<string | undefined, readonly string[]> {
  const keys = new Map<string | undefined, string[]>();
  for (const [key, { spec }] of facts.pods) {
    const known = keys.get(spec.nodeName);
    if (known) known.push(key);
    else keys.set(spec.nodeName, [key]);
  }
  return keys;
}

/** What can be known of a node without being on it: enough for plans that do not depend on interfaces' names. */
function nodeFacts(facts: ClusterFacts, name: string): NodeFacts {
  const node = facts.nodes.get(name);
  return { node: name, addresses: node ? nodeIps(node) : [], uplink: "", endpoints: new Map() };
}

type KnownFlow = Flow & { source: string; destination: string };

/** As far as objects tell: the sender's node decides, and another one translates where it holds the address. */
function decideSource(planOf: (node: string) => SnatPlan, flow: KnownFlow): SourceDecision {
  const { from, to, source, destination } = flow;
  const none = { action: "None", sourceSeen: source } as const;
  if (from.name === to.name) return { ...none, reason: "the packet never leaves the pod" };
  const node = nodeOf(from);
  if (node === undefined) {
    const reason = `${from.name} is outside of the cluster: only pods' traffic is translated`;
    return { ...none, reason };
  }
  const first = decisionOf(decideSnat(planOf(node), { source, destination }));
  if (first.by === undefined || nodeOf(to) !== first.by) return first;
  // The holder translates what it sends on, and this ends there.
  const reason = `${destination} is an address of node ${first.by} itself, which holds the source address`;
  return { ...none, reason, ...(first.object !== undefined && { object: first.object }) };
}
