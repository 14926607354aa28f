// One node's source translation, from the facts alone.

import type { Node } from "../../api/kinds/core.ts";
import { wording } from "../../base/errors.ts";
import { cidrRange, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import { type ClusterFacts, type NodeFacts, nodeIps } from "../facts.ts";
import type { ClusterPart } from "./cluster-part.ts";
import { unionOf } from "./intervals.ts";
import { type ChangedPods, WishBook } from "./pods.ts";
import { perFamily } from "./ranges.ts";
import { type ObjectProblem, type ReadyRule, rangeText } from "./source-nat-rules.ts";
import type { EgressAddress, SnatPlan, Steer } from "./types.ts";

/** What a node remembers beyond the objects. */
export interface SnatMemory {
  /** The ConfigMap's text that was last usable. */
  readonly lastGood?: string;
  /** Egress addresses that this node holds now: of itself it knows better than the objects' status. */
  readonly held?: ReadonlySet<string>;
  /** Where what pods ask for is kept from plan to plan, and the pods that have changed since the last one. */
  readonly book?: WishBook;
  readonly changed?: ChangedPods;
  /** The part about the cluster, where plans of many nodes are made of the same facts. */
  readonly cluster?: ClusterPart;
  /** Keys of the node's own pods, where that is known: others' need not be looked at one by one. */
  readonly local?: Iterable<string>;
}

/** The mark has six bits for them. */
export const maxSteers = 63;

/** Returns the plan of one node. Never throws for what users wrote: that is reported in the plan. */
export function planSnat(facts: ClusterFacts, node: NodeFacts, memory: SnatMemory = {}): SnatPlan {
  const { book = new WishBook(), changed = "all" } = memory;
  const cluster = memory.cluster ?? book.cluster.read(facts, memory.lastGood);
  const { config, inside, ranges, subnets, rules } = cluster;
  const home = homeOf(facts.nodes.get(node.node));
  const holderOf = (rule: ReadyRule, address: string) => {
    const written = rule.holders.get(address);
    const isWrong = memory.held !== undefined && written === node.node;
    const holder = memory.held?.has(address) ? node.node : isWrong ? undefined : written;
    // A holder that the rule no longer admits, or that is gone, holds nothing; nor does one of an address that is not free.
    const { action } = rule;
    const admitted = action.type === "egress" && action.candidates.includes(holder ?? "");
    return admitted && !action.refused.has(address) ? holder : undefined;
  };
  const wishes = book.read({ facts, node, cluster, holderOf, local: memory.local }, changed);
  const egress = egressAddresses(rules, holderOf);
  return {
    node: node.node,
    nodeAddresses: node.addresses,
    inside,
    home,
    ranges,
    subnets,
    pods: wishes.pods,
    config,
    randomFully: config.config?.randomFully ?? true,
    toPorts: config.config?.toPorts ?? [],
    egress,
    steers: steersOf(facts, rules, node.node),
    problems: [...cluster.problems, ...wishes.problems, ...unheld(egress, rules)],
  };
}

function homeOf(node: Node | undefined): SnatPlan["home"] {
  const ranges = (node?.spec?.podCIDRs ?? []).flatMap((text) => {
    const cidr = tryParseCidr(text);
    return cidr ? [cidrRange(cidr)] : [];
  });
  return perFamily((family) => unionOf(ranges, family));
}

function egressAddresses(
  rules: readonly ReadyRule[],
  holderOf: (rule: ReadyRule, address: string) => string | undefined,
): EgressAddress[] {
  const byAddress = new Map<string, EgressAddress>();
  for (const rule of rules) {
    if (rule.action.type !== "egress") continue;
    for (const range of rule.action.addresses) {
      const address = rangeText(range);
      const known = byAddress.get(address);
      const object = `SourceNAT/${rule.name}`;
      // Nobody may take what is somebody's.
      const candidates = rule.action.refused.has(address) ? [] : rule.action.candidates;
      byAddress.set(address, {
        address,
        family: range.family,
        objects: known ? [...new Set([...known.objects, object])] : [object],
        // Two rules that share an address: only a node that both admit may hold it.
        candidates: known ? known.candidates.filter((name) => candidates.includes(name)) : candidates,
        holder: known?.holder ?? holderOf(rule, address),
      });
    }
  }
  return [...byAddress.values()];
}

/** Every node that may hold an address, numbered: the number must not change because another node took over. */
function steersOf(facts: ClusterFacts, rules: readonly ReadyRule[], self: string): Steer[] {
  const names = new Set(rules.flatMap(({ action }) => (action.type === "egress" ? action.candidates : [])));
  return [...names]
    .toSorted()
    .slice(0, maxSteers)
    .map((holder, at) => {
      const known = facts.nodes.get(holder);
      const via = (known ? nodeIps(known) : []).flatMap((address) => {
        const ip = tryParseIp(address);
        return ip ? [{ family: ip.family, address }] : [];
      });
      return { index: at + 1, holder, via };
    })
    .filter(({ holder }) => holder !== self);
}

function unheld(egress: readonly EgressAddress[], rules: readonly ReadyRule[]): ObjectProblem[] {
  const refused = new Set(
    rules.flatMap(({ action }) => (action.type === "egress" ? [...action.refused.keys()] : [])),
  );
  return egress
    .filter(({ address, holder }) => holder === undefined && !refused.has(address))
    .flatMap(({ address, objects }) =>
      objects.map((object) => ({
        code: "snat.no-holder",
        message: wording("snat.no-holder", { object: object.replace("SourceNAT/", ""), address }),
        object,
      })),
    );
}
