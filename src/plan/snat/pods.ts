// What single pods ask for: annotations of pod and namespace, then SourceNAT rules, then their pool.
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import { matchesSelector } from "../../api/selectors/selectors.ts";
import { wording } from "../../base/errors.ts";
import { formatIp, type Ip, type IpRange, tryParseIp } from "../../base/ip.ts";
import type { ClusterFacts, LocalEndpoint, NodeFacts } from "../facts.ts";
import { type ClusterPart, ClusterParts } from "./cluster-part.ts";
import { segmentAt } from "./intervals.ts";
import { baseOf } from "./ranges.ts";
import { type ObjectProblem, type ReadyRule, rangeText } from "./source-nat-rules.ts";
import type { Base, Clause, PodSource, PodWishes, SnatPlan } from "./types.ts";

export const SNAT_ANNOTATION = "trunkline.dev/snat";

export interface PodsContext {
  readonly facts: ClusterFacts;
  readonly node: NodeFacts;
  readonly cluster: ClusterPart;
  /** Who holds an egress address; overrides the objects' status where the asker knows better. */
  readonly holderOf: (rule: ReadyRule, address: string) => string | undefined;
  /** Keys of the node's own pods, where known. */
  readonly local?: Iterable<string> | undefined;
}

/** Keys of pods that have changed; "all" also where namespaces have. */
export type ChangedPods = ReadonlySet<string> | "all";

interface Address {
  readonly ip: Ip;
  /** In its one form. */
  readonly text: string;
}

interface Entry {
  readonly local: boolean;
  readonly ips: readonly Address[];
  readonly clauses: readonly Clause[];
  readonly problems: readonly ObjectProblem[];
}

/**
 * What the pods of one node ask for, and those of others whose addresses this node may hold. It is kept from plan to
 * plan, so that only pods that changed are looked at: a cluster has many, and a node few. What it says is the same as
 * that of a new one, and the very same object while nobody asks for anything else than before.
 */
export class WishBook {
  readonly cluster = new ClusterParts();
  /** Pods that count for the node, by key. */
  readonly #entries = new Map<string, Entry>();
  /** What the entries were made with, beside pods and namespaces. */
  #part: ClusterPart | undefined;
  #basis: string | undefined;
  /** The node may have to do with others' pods. */
  #mayHold = false;
  #endpoints: ReadonlySet<LocalEndpoint> = new Set();
  /** Of endpoints, which are never changed in place. */
  readonly #addresses = new WeakMap<LocalEndpoint, readonly Address[]>();
  /** Addresses that some pod's object or endpoint asks for something with. */
  #special = new Set<string>();
  #wishes: PodWishes = { pods: new Map(), problems: [] };

  /** Returns whether pods that have changed, and nothing else, can make any difference to a node that was read before. */
  mayConcern(changed: Iterable<string>, { pods }: Pick<ClusterFacts, "pods">, node: string): boolean {
    if (this.#basis === undefined || this.#mayHold) return true;
    for (const key of changed)
      if (this.#entries.has(key) || pods.get(key)?.spec.nodeName === node) return true;
    return false;
  }

  /** Returns all wishes; `changed` are the pods since the last call (of a new book, all are). */
  read(context: PodsContext, changed: ChangedPods): PodWishes {
    const { facts, node, cluster } = context;
    const mayHold = mayHoldAddresses(context);
    const endpoints = new Set(node.endpoints.values());
    const basis = basisOf(context, mayHold);
    this.#mayHold = mayHold;
    const again = basis !== this.#basis || cluster !== this.#part || changed === "all";
    if (again) this.#entries.clear();
    // Should a pod be too much for us, nothing is known of any.
    this.#basis = undefined;
    let same = !again;
    // Only who may hold others' addresses has to do with others' pods.
    const all = () => (mayHold ? undefined : context.local) ?? facts.pods.keys();
    for (const key of again ? all() : changed) {
      const before = this.#entries.get(key);
      const entry = entryOf(key, context, mayHold);
      same &&= this.#isPlain(before, cluster) && this.#isPlain(entry, cluster);
      if (entry) this.#entries.set(key, entry);
      else this.#entries.delete(key);
    }
    same &&= this.#arePlain(differing(endpoints, this.#endpoints), cluster);
    if (!same) this.#wishes = this.#gather(endpoints, cluster);
    this.#endpoints = endpoints;
    this.#part = cluster;
    this.#basis = basis;
    return this.#wishes;
  }

  /** Whether it is all the same if this pod is there or not: it asks for nothing, and nobody else has its addresses. */
  #isPlain(entry: Entry | undefined, cluster: ClusterPart): boolean {
    return (
      entry === undefined ||
      (entry.clauses.length === 0 &&
        entry.problems.length === 0 &&
        entry.ips.every((address) => this.#isCommon(address, cluster)))
    );
  }

  #arePlain(endpoints: Iterable<LocalEndpoint>, cluster: ClusterPart): boolean {
    for (const endpoint of endpoints) {
      if ((this.#entries.get(endpoint.pod)?.clauses ?? none).length > 0) return false;
      if (!this.#addressesOf(endpoint).every((address) => this.#isCommon(address, cluster))) return false;
    }
    return true;
  }

  #isCommon({ ip, text }: Address, cluster: ClusterPart): boolean {
    return !this.#special.has(text) && rangeBase(cluster, ip) !== undefined;
  }

  #gather(endpoints: Iterable<LocalEndpoint>, cluster: ClusterPart): PodWishes {
    const problems = new Map<string, ObjectProblem>();
    const pods = new Map<string, PodSource>();
    this.#special = new Set();
    const put = (pod: string, { ip, text }: Address, local: boolean, all: readonly Clause[]) => {
      const clauses = all.filter((clause) => clause.family === undefined || clause.family === ip.family);
      const found = rangeBase(cluster, ip);
      const asks = clauses.length > 0 || (local && found === undefined);
      if (all.length > 0 || asks) this.#special.add(text);
      // What was put before, by another pod with the address, holds no more.
      pods.delete(text);
      if (!asks) return;
      const object = `Pod/${pod}`;
      const base = local ? (found ?? baseOf(undefined, object, cluster.config, ip.family)) : notOurs(object);
      pods.set(text, { pod, clauses, base });
    };
    // By key, so that two objects with one address give the same plan in whatever order they came.
    for (const [key, entry] of [...this.#entries].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      for (const address of entry.ips) put(key, address, entry.local, entry.clauses);
      // Pods of one namespace share its problems.
      for (const problem of entry.problems)
        if (!problems.has(problem.object)) problems.set(problem.object, problem);
    }
    // The journal knows a pod's address before its object says it, and it is right where an object is stale.
    for (const endpoint of endpoints)
      for (const address of this.#addressesOf(endpoint))
        put(endpoint.pod, address, true, this.#entries.get(endpoint.pod)?.clauses ?? none);
    return { pods, problems: [...problems.values()] };
  }

  #addressesOf(endpoint: LocalEndpoint): readonly Address[] {
    const known = this.#addresses.get(endpoint);
    if (known) return known;
    const read = addressesOf(endpoint.ips);
    this.#addresses.set(endpoint, read);
    return read;
  }
}

/** Returns what the range that a pod's address is in asks for. */
export function rangeBase(
  { ranges, subnets }: Pick<SnatPlan, "ranges" | "subnets">,
  { family, value }: Ip,
): Base | undefined {
  return (segmentAt(ranges[family], value) ?? segmentAt(subnets[family], value))?.value;
}

/** Returns those that are in one of the sets only. */
function differing<T>(left: ReadonlySet<T>, right: ReadonlySet<T>): Set<T> {
  return left.symmetricDifference(right);
}

const none: readonly Clause[] = [];

function addressesOf(texts: readonly string[]): Address[] {
  return texts.flatMap((text) => {
    const ip = tryParseIp(text);
    return ip ? [{ ip, text: formatIp(ip) }] : [];
  });
}

/** Returns what decides about clauses, beside SourceNAT objects, pods and namespaces. */
function basisOf({ node, cluster, holderOf }: PodsContext, mayHold: boolean): string {
  const holders = cluster.rules.map((rule) =>
    rule.action.type === "egress" ? rule.action.addresses.map((one) => holderOf(rule, rangeText(one))) : [],
  );
  return JSON.stringify([node.node, node.addresses, mayHold, holders]);
}

function mayHoldAddresses({ cluster, node }: PodsContext): boolean {
  return cluster.rules.some(
    ({ action }) => action.type === "egress" && action.candidates.includes(node.node),
  );
}

/** Returns what a pod asks for, or undefined if it is nothing to this node. */
function entryOf(key: string, context: PodsContext, mayHold: boolean): Entry | undefined {
  const pod = context.facts.pods.get(key);
  if (!pod) return undefined;
  const local = pod.spec.nodeName === context.node.node;
  if ((!local && !mayHold) || pod.spec.hostNetwork === true || isTerminal(pod)) return undefined;
  const problems: ObjectProblem[] = [];
  const clauses = clausesOf(key, pod, local, context, problems);
  const forHolder = ({ action }: Clause) => action.type === "address" || action.type === "drop";
  if (!local && !clauses.some(forHolder))
    return problems.length === 0 ? undefined : { local, ips: [], clauses: [], problems };
  return { local, ips: addressesOf(podIps(pod)), clauses, problems };
}

/** What is asked of a node that another node's pods send through without being sent to it. */
function notOurs(object: string): Base {
  return { type: "none", row: "not-a-pod", object };
}

function clausesOf(
  key: string,
  pod: Pod,
  local: boolean,
  context: PodsContext,
  problems: ObjectProblem[],
): readonly Clause[] {
  const namespaceName = pod.metadata.namespace ?? "default";
  const namespace = context.facts.namespaces.get(namespaceName);
  const out: Clause[] = [];
  const wishes = [
    ["pod", `Pod/${key}`, pod.metadata.annotations?.[SNAT_ANNOTATION]],
    ["namespace", `Namespace/${namespaceName}`, namespace?.metadata.annotations?.[SNAT_ANNOTATION]],
  ] as const;
  for (const [where, object, value] of wishes) {
    if (value === undefined) continue;
    if (value === "none" || value === "masquerade") {
      out.push({
        key: `${where}-${value}`,
        row: `${where}-${value}`,
        object,
        destinations: "all",
        action: { type: value },
      });
      // Everything below would never be asked.
      return out;
    }
    const message = wording("snat.annotation", { object, value });
    const path = `metadata.annotations['${SNAT_ANNOTATION}']`;
    problems.push({ code: "snat.annotation", message, object, path });
  }
  if (context.cluster.rules.length === 0) return out;
  const labels = { "kubernetes.io/metadata.name": namespaceName, ...namespace?.metadata.labels };
  for (const rule of context.cluster.rules) {
    if (rule.namespaceSelector && !matchesSelector(rule.namespaceSelector, labels)) continue;
    if (rule.podSelector && !matchesSelector(rule.podSelector, pod.metadata.labels)) continue;
    out.push(...ruleClauses(rule, key, local, context));
  }
  return out;
}

/** A rule with addresses of both families is two clauses; one without addresses of a family says nothing about it. */
function ruleClauses(rule: ReadyRule, pod: string, local: boolean, context: PodsContext): Clause[] {
  const common = {
    row: "source-nat",
    object: `SourceNAT/${rule.name}`,
    path: rule.path,
    destinations: rule.destinations,
  } as const;
  const id = `${rule.name} ${rule.path}`;
  const { action } = rule;
  // Of another node's pods that node decides, but for egress addresses.
  if (!local && action.type !== "egress") return [{ ...common, key: `${id} -`, action: { type: "none" } }];
  if (action.type === "none" || action.type === "masquerade")
    return [{ ...common, key: id, action: { type: action.type } }];
  return ([4, 6] as const).flatMap((family): Clause[] => {
    const all = (action.type === "own" ? action.ranges : action.addresses).filter(
      (one) => one.family === family,
    );
    const range = pick(
      action.type === "own" ? ofThisNode(all, context.node) : free(all, action.refused),
      pod,
    );
    if (!range) return [];
    const text = rangeText(range);
    if (action.type === "own")
      return [{ ...common, key: `${id} ${text}`, family, action: { type: "address", range } }];
    const holder = context.holderOf(rule, text);
    const key = `${id} ${text} ${holder ?? "-"}`;
    if (holder === context.node.node) return [{ ...common, key, family, action: { type: "address", range } }];
    if (holder === undefined || !local)
      return [{ ...common, key: `${id} ${text} -`, family, action: { type: "drop", address: text } }];
    return [{ ...common, key, family, action: { type: "steer", address: text, holder } }];
  });
}

/** Those ranges that hold an address of the node; all of them where none does (they may be routed to the node). */
function ofThisNode(ranges: readonly IpRange[], node: NodeFacts): readonly IpRange[] {
  const own = node.addresses.flatMap((text) => tryParseIp(text) ?? []);
  const held = ranges.filter((range) =>
    own.some((ip) => ip.family === range.family && range.first <= ip.value && ip.value <= range.last),
  );
  return held.length > 0 ? held : ranges;
}

/** Those that a node may take; all of them where none is, so that what would leave with one of them is dropped. */
function free(ranges: readonly IpRange[], refused: ReadonlyMap<string, string>): readonly IpRange[] {
  const left = ranges.filter((range) => !refused.has(rangeText(range)));
  return left.length > 0 ? left : ranges;
}

/** A pod always gets the same one of several addresses, wherever and whenever it is asked. */
function pick(ranges: readonly IpRange[], pod: string): IpRange | undefined {
  // FNV-1a, 32 bits.
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(pod)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return ranges[hash % Math.max(1, ranges.length)];
}
