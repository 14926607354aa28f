// Local pods in groups: those with the same policies, and so the same rules, in one direction.
import { type BlockSource, type Blocks, disjoint } from "../blocks.ts";
import { resolvePort } from "../pods.ts";
import { isEmpty, noPorts, type PortSet, portRange, unionPorts } from "../port-set.ts";
import { selectEverything } from "../selector.ts";
import type { CompiledPolicy, Direction, NamedPort, Rule } from "../types.ts";
import type { PodEntry } from "./entries.ts";
import type { PeerClasses, PodsPeer } from "./peer-classes.ts";
import { getOrMake } from "./selector-index.ts";
import type { Group, PeerClass, Term } from "./types.ts";

const noBlocks: Blocks = disjoint([]);

/** Pods everywhere: what a rule without peers means where only a pod can match, as with named ports leaving a pod. */
const everyPod: PodsPeer = { namespaces: undefined, pods: selectEverything };

let versions = 0;
const versionOf = new WeakMap<CompiledPolicy, number>();

/**
 * Returns a key that is equal for pods with the same policies and, coming in, the same numbers for the port names that
 * these use. Only for telling groups apart while they live: it is not the same in the next run.
 */
export function groupKey(policies: readonly CompiledPolicy[], direction: Direction, entry: PodEntry): string {
  const parts: string[] = [];
  for (const policy of policies) {
    const version = versionOf.get(policy) ?? ++versions;
    versionOf.set(policy, version);
    parts.push(`${version}`);
    if (direction === "egress") continue;
    for (const rule of policy.ingress ?? [])
      for (const named of rule.named) parts.push(`=${resolvePort(entry.pod, named).join()}`);
  }
  return parts.join(" ");
}

/** Makes the group of pods that these policies select. */
export function makeGroup(
  key: string,
  direction: Direction,
  policies: readonly CompiledPolicy[],
  entry: PodEntry,
  classes: PeerClasses,
): Group {
  const open: PortSet[] = [];
  const blocks: BlockSource[] = [];
  const termPorts = new Map<Term, PortSet[]>();
  const group: Group = {
    key,
    direction,
    locals: new Set(),
    rows: new Map(),
    any: noPorts,
    blocks: noBlocks,
    terms: new Map(),
  };
  const allow = (peer: PodsPeer, named: NamedPort | undefined, ports: PortSet): void => {
    if (named === undefined && isEmpty(ports)) return;
    getOrMake(termPorts, classes.use(peer, named, group), () => []).push(ports);
  };
  for (const policy of policies)
    for (const rule of policy[direction] ?? []) {
      const isNamedHere = direction === "ingress" && rule.named.length > 0;
      const ports = isNamedHere ? unionPorts([rule.ports, namedOn(entry, rule)]) : rule.ports;
      // Leaving a pod, a port's name gets its number from the peer.
      const named = direction === "ingress" ? [] : rule.named;
      if (rule.peers === "any") {
        open.push(ports);
        for (const one of named) allow(everyPod, one, noPorts);
        continue;
      }
      const rules = [`${policy.key} ${rule.path}`];
      for (const written of rule.peers) {
        if (written.kind === "block") {
          if (!isEmpty(ports)) blocks.push({ ranges: written.ranges, ports, rules });
          continue;
        }
        const { namespaces, pods } = written;
        const peer = { namespaces: namespaces === "own" ? policy.namespace : namespaces, pods };
        allow(peer, undefined, ports);
        for (const one of named) allow(peer, one, noPorts);
      }
    }
  return Object.assign(group, {
    any: unionPorts(open),
    blocks: blocks.length === 0 ? noBlocks : disjoint(blocks),
    terms: new Map([...termPorts].map(([term, sets]) => [term, unionPorts(sets)])),
  });
}

function namedOn(entry: PodEntry, rule: Rule): PortSet {
  return unionPorts(
    rule.named.flatMap((named) =>
      resolvePort(entry.pod, named).map((port) => portRange(named.protocol, port, port)),
    ),
  );
}

/** Returns what a class of peers may use of the group's pods (or they of it). */
export function portsFor(group: Group, peers: PeerClass): PortSet {
  const sets: PortSet[] = [];
  for (const { term, numbers } of peers.terms) {
    const ports = group.terms.get(term);
    if (ports === undefined) continue;
    sets.push(ports);
    if (term.named !== undefined)
      for (const port of numbers) sets.push(portRange(term.named.protocol, port, port));
  }
  return unionPorts(sets);
}
