// The ranges that a destination must admit for a workload's connections: of a subnet the whole of it, since the next pod
// may have any of its addresses; of pools the blocks that pods are in; and where sources are translated, what is seen.
import { isTerminal } from "../../api/kinds/core.ts";
import { keyOf } from "../../api/object.ts";
import { cidrCovers, tryParseCidr } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type End, podEnd, podsOf } from "../ends.ts";
import type { Judges } from "../judges/judge.ts";
import type { Port } from "../ports.ts";
import { perAddress } from "./destination.ts";
import { keptFor, keptSources } from "./kept.ts";
import { asRange, type FoundSource, type RangeSource, sourcesOf } from "./sources.ts";

export interface Allowlist {
  /** `host/db` */
  readonly to: string;
  /** `deployment/default/nginx-fixed`; null: all pods. */
  readonly for: string | null;
  readonly ranges: readonly string[];
  /** Those that the destination is known to admit, and those that it is known not to. */
  readonly admitted: readonly string[];
  readonly missing: readonly string[];
  readonly sources: readonly RangeSource[];
  /** Pods of which nothing can be told, and why. */
  readonly unknown: readonly string[];
}

export interface Workload {
  /** Kind as the API writes it. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Returns what `to` must admit for the pods of a workload, or for all pods. */
export function allowlist(
  facts: ClusterFacts,
  judges: Judges,
  to: End,
  port: Port | "icmp" | undefined,
  workload?: Workload,
): Allowlist {
  const found = new Map<string, string>();
  const wider = new Map<string, RangeSource>();
  const unknown: string[] = [];
  const take = (sources: readonly FoundSource[]) => {
    for (const { range, why, wider: choice } of sources) {
      if (!found.has(range)) found.set(range, why);
      if (choice) wider.set(choice.range, choice);
    }
  };
  const kept = keptFor(facts, workload);
  for (const podEni of kept) take(keptSources(facts, podEni));
  for (const end of endsOf(facts, workload, new Set(kept.map((podEni) => keyOf(podEni))))) {
    for (const destination of destinationsFor(end, to)) {
      const sources = sourcesOf(facts, judges, end, destination, port);
      if (typeof sources === "string") unknown.push(`${end.name}: ${sources}`);
      else take(sources);
    }
  }
  const ranges = widest([...found.keys()]).toSorted(compareRanges);
  const admit = to.type === "host" ? to.host.spec.admit : undefined;
  const isAdmitted = (range: string) => admit === undefined || admit.some((one) => covers(one, range));
  return {
    to: to.name,
    for: workload ? `${workload.kind.toLowerCase()}/${workload.namespace}/${workload.name}` : null,
    ranges,
    admitted: to.type === "host" ? ranges.filter(isAdmitted) : [],
    missing: ranges.filter((range) => !isAdmitted(range)),
    sources: [
      ...ranges.map((range) => ({ range, why: found.get(range) ?? "" })),
      ...[...wider.values()].filter(({ range }) => !ranges.includes(range)),
    ],
    unknown: [...new Set(unknown)],
  };
}

/** Returns what a pod may speak to of a destination: each of its addresses, of families that both ends have. */
function destinationsFor(end: End, to: End): readonly End[] {
  const has = (isSix: boolean) => end.addresses.some((one) => one.includes(":") === isSix);
  const fitting = perAddress(to).filter(({ addresses: [first = ""] }) => has(first.includes(":")));
  return fitting.length > 0 ? fitting : [to];
}

/** @param kept keys of pods of which it is known already */
function endsOf(facts: ClusterFacts, workload: Workload | undefined, kept: ReadonlySet<string>): End[] {
  const { kind, namespace, name } = workload ?? {};
  const pods =
    kind === undefined
      ? [...facts.pods.values()]
      : kind === "Pod"
        ? [facts.pods.get(`${namespace}/${name}`)].flatMap((pod) => pod ?? [])
        : podsOf(facts, kind, namespace ?? "", name ?? "");
  return pods
    .filter(
      (pod) => !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined && !kept.has(keyOf(pod)),
    )
    .map((pod) => podEnd(pod));
}

/** Returns whether all of `inner` lies in `outer`; both are addresses or ranges. */
export function covers(outer: string, inner: string): boolean {
  const [wide, narrow] = [tryParseCidr(asRange(outer)), tryParseCidr(inner)];
  return wide !== undefined && narrow !== undefined && cidrCovers(wide, narrow);
}

/** Leaves out what lies in another one. */
export function widest(ranges: readonly string[]): string[] {
  return ranges.filter((range) => !ranges.some((other) => other !== range && covers(other, range)));
}

/** Orders ranges by family, address, and the wider one first. */
export function compareRanges(a: string, b: string): number {
  const [x, y] = [tryParseCidr(a), tryParseCidr(b)];
  if (!x || !y) return a < b ? -1 : 1;
  return x.family - y.family || (x.base < y.base ? -1 : x.base > y.base ? 1 : x.length - y.length);
}
