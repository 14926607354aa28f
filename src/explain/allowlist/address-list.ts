// What an AddressList holds next, from what it held, the pods, and the time. Pure. An address comes with the first pod that needs
// it, and goes once no pod has needed it for a while, or at once when somebody else has it.
import type { AddressList, AdmittedStranger, AskedAddress, ListEntry } from "../../api/kinds/address-list.ts";
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import { keyOf } from "../../api/object.ts";
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import {
  type Cidr,
  cidrContains,
  cidrSize,
  formatCidr,
  hostRange,
  type Ip,
  rangeToCidrs,
  tryParseCidr,
  tryParseIp,
} from "../../base/ip.ts";
import { stampOf } from "../../base/stamp.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { podEnd } from "../ends.ts";
import { aggregated, type CountOthers, compareCidrs, counterOf } from "./aggregate.ts";
import { type Destination, destinationOf } from "./destination.ts";
import { keptFor } from "./kept.ts";
import { isListed, restOf, withAsked } from "./listed.ts";
import { type SourceJudges, sourcesOf } from "./sources.ts";

/** What is seen of a pod, as ranges; or why that cannot be told. */
export type Asker = (pod: Pod) => readonly string[] | string;

export interface ListQuestion {
  readonly list: AddressList;
  readonly facts: ClusterFacts;
  /**
   * Returns whom to ask about the pods that the list is for, by facts in which pods that are about to start have their
   * addresses. It may remember what it said of a pod as long as that pod is the same, and nothing but pods changes.
   */
  readonly askerFor: (facts: ClusterFacts) => Asker;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface NextList {
  readonly status: NonNullable<AddressList["status"]>;
  /** After how many milliseconds something may change by itself. */
  readonly again?: number;
}

const NAMES = 5;
/** An agent that has asked, and whose pod has no address in its object since, has died on the way. */
const ASKED_MS = 300_000;

/**
 * Returns what tells the ranges of a pod that the destination of a list sees.
 * @throws `explain.…`: the destination is nobody
 */
export function askerOf(
  facts: ClusterFacts,
  judges: () => SourceJudges,
  { spec }: AddressList,
  { ends, port }: Destination = destinationOf(facts, spec.to),
): Asker {
  const isWide = spec.entries === "Ranges";
  return (pod) => {
    const found = new Set<string>();
    let other: TrunklineError | undefined;
    for (const to of ends) {
      const sources = told(() => sourcesOf(facts, judges(), podEnd(pod), to, port));
      if (typeof sources === "string") return sources;
      if (sources instanceof TrunklineError) other = sources;
      else
        for (const one of sources)
          for (const range of cidrsOf(isWide ? one.range : one.exact)) found.add(range);
    }
    // A pod that has addresses of one family only does not speak with the other one's.
    return other && found.size === 0 ? textOf(other) : [...found];
  };
}

function told<T>(ask: () => T): T | TrunklineError {
  try {
    return ask();
  } catch (error) {
    if (isError(error, "explain.family") || isError(error, "explain.no-address")) return error;
    throw error;
  }
}

/** A range `FIRST-LAST`, from which the kernel picks an address, is the prefixes that are exactly it. */
function cidrsOf(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const [first, last] = text.split("-").map((part) => tryParseIp(part));
  if (!first || !last) return [text];
  return rangeToCidrs({ family: first.family, first: first.value, last: last.value }).map(formatCidr);
}

/** Returns what the list's status says next, as far as pods and time decide it. */
export function nextList(question: ListQuestion): NextList {
  const { list, now, askerFor } = question;
  const before = list.status ?? {};
  const asked = stillAsked(before.asked ?? [], question.facts, now);
  const facts = withAsked(question.facts, asked);
  const { needed, unknown, own } = neededBy(list, facts, askerFor(facts));
  const revision = before.revision ?? 0;
  const { entries: kept, again } = keptEntries({ list, facts, now }, needed, unknown.length > 0);
  // Each is parsed once: there may be ten thousand of them.
  const parsed = new Map<string, Cidr>();
  for (const text of [...needed.keys(), ...kept.map(({ range }) => range)]) {
    const range = tryParseCidr(text);
    if (range) parsed.set(text, range);
  }
  const texts = [...parsed.keys()];
  const others = onlyOnce(() => othersOf(facts, [...texts, ...own]));
  const most = list.spec.maxEntries ?? Number.POSITIVE_INFINITY;
  const { ranges, wider } = aggregated([...parsed.values()], most, (range) => others().count(range));
  const isNew = ranges.join() !== (before.ranges ?? []).join();
  const next = isNew ? revision + 1 : revision;
  const known = new Map((before.entries ?? []).map((entry) => [entry.range, entry]));
  const unused = new Map(kept.map((entry) => [entry.range, entry]));
  // What was known before was covered by the ranges before, and by all since.
  const entries = [...parsed]
    .toSorted(([, a], [, b]) => compareCidrs(a, b))
    .map(
      ([range]) =>
        unused.get(range) ?? entryOf(range, needed.get(range) ?? [], known.get(range)?.revision ?? next),
    );
  const isWider = list.spec.entries === "Ranges" || wider;
  // In a list of whole subnets each pod has its own address only.
  const meant = list.spec.entries === "Ranges" ? own : new Set(texts);
  const strangers = isWider ? strangersOf(ranges, meant, others()) : [];
  const status = {
    ...before,
    revision: next,
    ranges,
    entries,
    strangers,
    unknown,
    asked,
  };
  return again === undefined ? { status } : { status, again };
}

function entryOf(range: string, pods: readonly string[], revision: number): ListEntry {
  return { range, revision, pods: pods.length, neededBy: pods.slice(0, NAMES) };
}

function neededBy(list: AddressList, facts: ClusterFacts, ask: Asker) {
  const needed = new Map<string, string[]>();
  const unknown: string[] = [];
  const own = new Set<string>();
  for (const pod of facts.pods.values()) {
    if (!isListed(list, pod, facts.namespaces)) continue;
    const key = keyOf(pod);
    const ranges = ask(pod);
    for (const ip of podIps(pod)) own.add(hostRange(ip));
    // Without an address it sends nothing: its agent asks before it does.
    if (typeof ranges === "string") {
      if (podIps(pod).length > 0 || pod.spec.hostNetwork === true) unknown.push(`pod ${key}: ${ranges}`);
    } else
      for (const range of ranges) {
        const names = needed.get(range);
        if (names) names.push(key);
        else needed.set(range, [key]);
      }
  }
  return { needed, unknown, own };
}

/** Asked for, until the pod's own object says so, or the pod is gone. */
function stillAsked(asked: readonly AskedAddress[], facts: ClusterFacts, now: number): AskedAddress[] {
  return asked.filter(({ pod: key, uid, at }) => {
    const pod = facts.pods.get(key);
    if (now - Date.parse(at) > ASKED_MS) return false;
    // Our copy of the pods may be older than the agent's.
    if (!pod) return now - Date.parse(at) < ASKED_MS / 10;
    return pod.metadata.uid === uid && podIps(pod).length === 0 && !isTerminal(pod);
  });
}

/** Returns entries that no pod needs, and that stay all the same. */
function keptEntries(
  { list, facts, now }: Pick<ListQuestion, "list" | "facts" | "now">,
  needed: ReadonlyMap<string, unknown>,
  doubtful: boolean,
): { readonly entries: readonly ListEntry[]; readonly again?: number } {
  const unused = (list.status?.entries ?? []).filter(({ range }) => !needed.has(range));
  if (unused.length === 0) return { entries: [] };
  const rest = restOf(list);
  const held = heldByOthers(list, facts);
  const absent = heldForAbsent(facts);
  const entries: ListEntry[] = [];
  let again: number | undefined;
  for (const entry of unused) {
    const { unusedSince = stampOf(now), range, revision, neededBy } = entry;
    const holder = absent.get(range);
    // It comes back with the pod of that name, which must find itself admitted.
    if (holder !== undefined && neededBy.includes(holder) && !held.has(range)) {
      entries.push({ range, revision, pods: 0, neededBy: [holder] });
      continue;
    }
    const left = Date.parse(unusedSince) + rest - now;
    // As long as it cannot be told of some pod what is seen of it, it may be this.
    if (!doubtful && (left <= 0 || held.has(range))) continue;
    entries.push({ range, revision, pods: 0, neededBy: [], unusedSince });
    if (left > 0) again = Math.min(again ?? left, left);
  }
  return again === undefined ? { entries } : { entries, again };
}

/** Returns the addresses that PodENIs hold for pods that are away, as ranges, each with the pod's key. */
function heldForAbsent(facts: ClusterFacts): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const podEni of keptFor(facts, undefined))
    for (const { ipv4 } of podEni.spec.allocations ?? [])
      if (ipv4 !== undefined) found.set(hostRange(ipv4), keyOf(podEni));
  return found;
}

/** Addresses that other pods have by now: nobody waits for those to rest. */
function heldByOthers(list: AddressList, facts: ClusterFacts): ReadonlySet<string> {
  const found = new Set<string>();
  for (const pod of facts.pods.values()) {
    if (isTerminal(pod) || pod.spec.hostNetwork === true || isListed(list, pod, facts.namespaces)) continue;
    for (const ip of podIps(pod)) found.add(hostRange(ip));
  }
  return found;
}

interface Others {
  readonly count: CountOthers;
  /** Sorted as they are found. */
  readonly all: readonly { readonly ip: Ip; readonly name: string }[];
}

/** Everybody who has an address that is not among those of the list. */
function othersOf(facts: ClusterFacts, texts: readonly string[]): Others {
  const mine = new Set(texts);
  const found = new Map<string, string>();
  const add = (ips: readonly string[], name: string) => {
    for (const ip of ips) if (!mine.has(hostRange(ip)) && !found.has(ip)) found.set(ip, name);
  };
  for (const [name, node] of facts.nodes) add(nodeIps(node), `node/${name}`);
  for (const [name, host] of facts.hosts) add(host.spec.addresses, `host/${name}`);
  for (const [key, pod] of facts.pods)
    if (!isTerminal(pod) && pod.spec.hostNetwork !== true) add(podIps(pod), `pod/${key}`);
  const all = [...found].flatMap(([text, name]) => {
    const ip = tryParseIp(text);
    return ip ? [{ ip, name }] : [];
  });
  return { all, count: counterOf(all.map(({ ip }) => ip)) };
}

/** @param meant addresses and ranges of the pods that the list is for */
function strangersOf(
  ranges: readonly string[],
  meant: ReadonlySet<string>,
  others: Others,
): AdmittedStranger[] {
  const wanted = [...meant].flatMap((text) => tryParseCidr(text) ?? []);
  return ranges.flatMap((text) => {
    const range = tryParseCidr(text)!;
    const inside = wanted.filter((one) => cidrContains(range, addressOf(one)));
    const addresses = Number(cidrSize(range)) - inside.reduce((sum, one) => sum + Number(cidrSize(one)), 0);
    if (addresses <= 0) return [];
    const known = others.all.filter(({ ip }) => cidrContains(range, ip));
    const names = known.slice(0, NAMES).map(({ name }) => name);
    return [{ range: text, addresses, known: known.length, names }];
  });
}

function addressOf({ family, base }: Cidr): Ip {
  return { family, value: base };
}

function onlyOnce<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
