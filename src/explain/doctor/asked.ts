// Whose ways doctor asks about: not every pod's, but of each node one of every class that routes, translation or others' rules
// may treat apart from the rest.
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import type { Labels } from "../../api/selectors/selectors.ts";
import { rangeHolds } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { SNAT_ANNOTATION } from "../../plan/snat/pods.ts";
import { podInterface } from "../../plan/subnets/pod-interface.ts";
import { type End, podEnd } from "../ends.ts";

/** A node's pods that are asked about. */
interface Chosen {
  /** One of each wire and pool. */
  readonly leads: readonly End[];
  /** One of each class of namespaces beside, of the same wires and pools. */
  readonly others: readonly End[];
}

/** Every namespace may have labels of its own: of more classes on one node the first are asked. */
const MOST_CLASSES = 8;
/** Every namespace has it, with its own name. */
const NAME_LABEL = "kubernetes.io/metadata.name";

/**
 * Returns which pods are asked whether they reach which, each pair both ways: those of one node those of the next (in a ring:
 * each node once as the one that sends, and once as the one that is asked), and a node's own that are wired or numbered
 * differently. Pods that are gone, or have no network of their own, are left out.
 */
export function askedPairs(facts: ClusterFacts): readonly (readonly [End, End])[] {
  const nodes = [...chosenByNode(facts)].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, chosen]) => chosen);
  return nodes.flatMap((here, at) => {
    const next = nodes[(at + 1) % nodes.length]!;
    const within = here.leads.flatMap((one, place) =>
      here.leads.slice(place + 1).map((other) => [one, other] as const),
    );
    // Of two nodes the ring has each pair twice.
    const isAsked = next === here || (nodes.length === 2 && at === 1);
    return isAsked ? within : [...within, ...between(here, next)];
  });
}

/** Wires and pools each with each; classes of namespaces with whoever comes next. */
function between(here: Chosen, next: Chosen): (readonly [End, End])[] {
  return [
    ...here.leads.flatMap((from) => next.leads.map((to) => [from, to] as const)),
    ...here.others.map((from, at) => [from, next.leads[at % next.leads.length]!] as const),
    ...next.others.map((to, at) => [here.leads[at % here.leads.length]!, to] as const),
  ];
}

function chosenByNode(facts: ClusterFacts): Map<string, Chosen> {
  const byNode = new Map<string, { leads: Map<string, End>; others: End[]; spaces: Set<string> }>();
  for (const [, pod] of [...facts.pods].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const { nodeName: node, hostNetwork } = pod.spec;
    const isGone = isTerminal(pod) || pod.metadata.deletionTimestamp !== undefined;
    if (node === undefined || hostNetwork === true || isGone || podIps(pod).length === 0) continue;
    const chosen = byNode.get(node) ?? { leads: new Map<string, End>(), others: [], spaces: new Set() };
    byNode.set(node, chosen);
    const wire = wireOf(facts, pod);
    const space = spaceOf(facts, pod);
    if (!chosen.leads.has(wire)) chosen.leads.set(wire, podEnd(pod));
    else if (!chosen.spaces.has(space)) chosen.others.push(podEnd(pod));
    chosen.spaces.add(space);
  }
  return new Map(
    [...byNode].map(([node, { leads, others }]) => {
      const first = [...leads.values()].slice(0, MOST_CLASSES);
      return [node, { leads: first, others: others.slice(0, MOST_CLASSES - first.length) }];
    }),
  );
}

/** What a pod's address stands on, and where it is from: the interface's kind and subnet, else the pools. */
function wireOf(facts: ClusterFacts, pod: Pod): string {
  const own = podInterface(facts, pod);
  const pools = podIps(pod).map(
    (ip) => [...facts.pools.values()].find(({ spec }) => rangeHolds(spec.cidr, ip))?.metadata.name ?? "",
  );
  return JSON.stringify([own?.kind ?? "", own?.vSwitchID ?? "", ...pools]);
}

/** By what rules of translation and pools tell namespaces apart: their labels, and what they and their pods ask for. */
function spaceOf({ namespaces }: ClusterFacts, pod: Pod): string {
  const { metadata } = namespaces.get(pod.metadata.namespace ?? "default") ?? {};
  const asks = (annotations: Labels | undefined) => annotations?.[SNAT_ANNOTATION] ?? "";
  const labels = Object.entries(metadata?.labels ?? {}).filter(([name]) => name !== NAME_LABEL);
  const snat = asks(pod.metadata.annotations) || asks(metadata?.annotations);
  return JSON.stringify([snat, ...labels.toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}
