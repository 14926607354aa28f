// What an AddressList holds, kept from pod to pod: one pod's change costs what that pod costs, and a walk along the list that is no
// more than copying it. Pure: no clock, no I/O; a new one that is told of all pods at once says the same.

import { deepFreeze, equalJson } from "../../api/equal.ts";
import type { AddressList, AdmittedStranger, AskedAddress, ListEntry } from "../../api/kinds/address-list.ts";
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import { formatCidr, hostRange, tryParseCidr } from "../../base/ip.ts";
import { stampOf } from "../../base/stamp.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { aggregated } from "./aggregate.ts";
import { keptRanges } from "./kept.ts";
import { askedPod, isListed, restOf } from "./listed.ts";
import { RangeCover, type Ranged } from "./range-cover.ts";
import { othersOf, strangersOf } from "./strangers.ts";

/** What is seen of a pod, as ranges; or why that cannot be told. */
export type Asker = (pod: Pod) => readonly string[] | string;

export interface ListQuestion {
  readonly list: AddressList;
  readonly facts: ClusterFacts;
  /** Returns whom to ask about these pods, which have the addresses that they are about to have. */
  readonly askerFor: (pods: ReadonlyMap<string, Pod>) => Asker;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Keys of pods, or of PodENIs, that have changed since the last question; default: all of them may have. */
  readonly changed?: Iterable<string> | undefined;
  /** Keys of the pods that have an address; default: looked for. */
  readonly holders?: ((address: string) => Iterable<string>) | undefined;
}

export interface NextList {
  readonly status: NonNullable<AddressList["status"]>;
  /** After how many milliseconds something may change by itself. */
  readonly again?: number;
}

/** What a pod needs. */
interface Need {
  readonly ranges: readonly string[];
  /** Its own addresses, as ranges. */
  readonly own: readonly string[];
  readonly doubt?: string;
  /** It is held for a pod that is not there with it. */
  readonly isAway?: boolean;
}

/** An entry at its place in the sorted list. */
interface Place extends Ranged {
  entry: ListEntry;
}

/** More entries than this are put to their places together. */
const MANY = 256;

const NAMES = 5;
/** An agent that has asked, and whose pod has no address in its object since, has died on the way. */
const ASKED_MS = 300_000;

export class ListModel {
  /** By pod. */
  readonly #needs = new Map<string, Need>();
  readonly #doubts = new Map<string, string>();
  /** By range: the pods that need it. */
  readonly #neededBy = new Map<string, Set<string>>();
  /** Of these, pods that are not there. */
  readonly #away = new Set<string>();
  /** Ranges whose pods have changed. */
  readonly #dirty = new Set<string>();
  #asked: readonly AskedAddress[] = [];
  #places = new Map<string, Place>();
  #cover = new RangeCover<Place>();
  /** As the places are sorted. */
  #entries: ListEntry[] = [];
  readonly #unused = new Set<string>();
  /** The ranges have not been put together yet since the entries came from elsewhere. */
  #isFresh = true;
  /** As of the last answer. */
  #status: NonNullable<AddressList["status"]> = {};

  /** Returns what the list's status says next, as far as pods and time decide it. */
  next(question: ListQuestion): NextList {
    const { list, facts, now } = question;
    const before = list.status ?? {};
    this.#takeUp(before);
    const asked = stillAsked(before.asked ?? [], facts, now);
    this.#read(question, asked);
    const { gone, changed, again } = this.#judge(question);
    const fresh = changed.filter(({ range }) => !this.#places.has(range));
    const isOther = gone.size > 0 || fresh.length > 0;
    if (isOther) this.#move(gone, fresh);
    const unknown = [...this.#doubts.values()].toSorted();
    // Who else gets in hangs on others, too.
    const isWide =
      list.spec.entries === "Ranges" || this.#cover.all.length > (list.spec.maxEntries ?? Infinity);
    const { ranges, strangers } =
      isOther || this.#isFresh || isWide || !before.ranges
        ? this.#rangesOf(question)
        : { ranges: before.ranges, strangers: [] };
    this.#isFresh = false;
    const isNew = !isSameText(ranges, before.ranges);
    const revision = (before.revision ?? 0) + (isNew ? 1 : 0);
    for (const { range, entry } of changed) {
      const place = this.#places.get(range)!;
      // What was known before was covered by the ranges before, and by all since.
      place.entry = deepFreeze(entry.revision === 0 ? { ...entry, revision } : entry);
      this.#entries[this.#cover.indexOf(place)] = place.entry;
    }
    const status = {
      ...before,
      revision,
      ranges: isNew ? Object.freeze(ranges) : (before.ranges ?? ranges),
      entries:
        isOther || changed.length > 0 || !before.entries ? Object.freeze([...this.#entries]) : before.entries,
      strangers: equalOr(before.strangers, strangers),
      unknown: equalOr(before.unknown, unknown),
      asked: equalOr(before.asked, asked),
    };
    this.#status = status;
    return again === undefined ? { status } : { status, again };
  }

  /** Somebody else may have written the status, or what was to be written was not. */
  #takeUp(before: NonNullable<AddressList["status"]>): void {
    const { revision, entries, ranges } = this.#status;
    const isMine =
      before.revision === revision && equalJson(before.entries, entries) && equalJson(before.ranges, ranges);
    if (isMine) return;
    this.#isFresh = true;
    this.#places = new Map();
    this.#unused.clear();
    for (const entry of before.entries ?? []) {
      const cidr = tryParseCidr(entry.range);
      if (!cidr) continue;
      this.#places.set(entry.range, { ...cidr, range: entry.range, entry });
      this.#dirty.add(entry.range);
    }
    this.#putTogether();
    for (const range of this.#neededBy.keys()) this.#dirty.add(range);
  }

  /** Asks about pods that have changed, and about those that were or are about to start. */
  #read({ list, facts, askerFor, changed }: ListQuestion, asked: readonly AskedAddress[]): void {
    const waiting = new Map(asked.map((one) => [one.pod, one]));
    const keys = new Set(changed ?? [...this.#needs.keys(), ...facts.pods.keys(), ...facts.podEnis.keys()]);
    for (const one of new Set(this.#asked).symmetricDifference(new Set(asked))) keys.add(one.pod);
    this.#asked = asked;
    const listed = new Map<string, Pod>();
    for (const key of keys) {
      const pod = facts.pods.get(key);
      if (pod && isListed(list, pod, facts.namespaces))
        listed.set(key, askedPod(facts, pod, waiting.get(key)));
    }
    const ask = listed.size === 0 ? undefined : askerFor(listed);
    for (const key of keys) {
      const pod = listed.get(key);
      const need = pod && ask ? needOf(key, pod, ask) : undefined;
      // What is held for a pod that is away, or has not started yet, comes with it.
      const kept = keptRanges(list, facts, key, (range) => this.#places.has(range));
      const ranges = [...new Set([...(need?.ranges ?? []), ...kept])];
      const isAway = kept.length > 0 && !need?.ranges.length;
      this.#set(key, need || isAway ? { own: kept, ...need, ranges, isAway } : undefined);
    }
  }

  #set(key: string, need: Need | undefined): void {
    const before = this.#needs.get(key);
    if (before?.isAway !== need?.isAway) for (const range of need?.ranges ?? []) this.#dirty.add(range);
    if (need?.isAway === true) this.#away.add(key);
    else this.#away.delete(key);
    for (const range of before?.ranges ?? []) {
      if (need?.ranges.includes(range)) continue;
      const pods = this.#neededBy.get(range);
      pods?.delete(key);
      if (pods?.size === 0) this.#neededBy.delete(range);
      this.#dirty.add(range);
    }
    for (const range of need?.ranges ?? []) {
      if (before?.ranges.includes(range)) continue;
      const pods = this.#neededBy.get(range);
      if (pods) pods.add(key);
      else this.#neededBy.set(range, new Set([key]));
      this.#dirty.add(range);
    }
    if (need) this.#needs.set(key, need);
    else this.#needs.delete(key);
    if (need?.doubt === undefined) this.#doubts.delete(key);
    else this.#doubts.set(key, need.doubt);
  }

  /** Returns what becomes of ranges whose pods have changed, and of those that no pod needs. Revision 0: that of this change. */
  #judge(question: ListQuestion) {
    const { now, list } = question;
    const rest = restOf(list);
    const gone = new Set<string>();
    const changed: Place[] = [];
    let again: number | undefined;
    const holders = onlyOnce(() => question.holders ?? holdersIn(question.facts));
    const ofAway = [...this.#away].flatMap((key) => this.#needs.get(key)?.ranges ?? []);
    for (const range of new Set([...this.#dirty, ...this.#unused, ...ofAway])) {
      const place = this.#places.get(range);
      const pods = this.#neededBy.get(range);
      const cidr = place ?? tryParseCidr(range);
      if (!cidr) continue;
      const there = pods && this.#thereOf(pods);
      // What is held for who is away must admit nobody else meanwhile.
      if (pods && there !== undefined && (there > 0 || !isAnothers(range, question, holders()))) {
        const revision = place?.entry.revision ?? 0;
        this.#unused.delete(range);
        const entry = { range, revision, pods: there, neededBy: firstOf(pods) };
        if (!equalJson(entry, place?.entry)) changed.push({ ...cidr, range, entry });
        continue;
      }
      if (!place) continue;
      const { unusedSince = stampOf(now), revision } = place.entry;
      const left = Date.parse(unusedSince) + rest - now;
      // As long as it cannot be told of some pod what is seen of it, it may be this.
      if (this.#doubts.size === 0 && (left <= 0 || isAnothers(range, question, holders()))) {
        gone.add(range);
        this.#unused.delete(range);
        continue;
      }
      this.#unused.add(range);
      const entry = { range, revision, pods: 0, neededBy: [], unusedSince };
      if (!equalJson(entry, place.entry)) changed.push({ ...cidr, range, entry });
      if (left > 0) again = Math.min(again ?? left, left);
    }
    this.#dirty.clear();
    return { gone, changed, again };
  }

  /** Returns how many of the pods are there. */
  #thereOf(pods: ReadonlySet<string>): number {
    if (this.#away.size === 0) return pods.size;
    return [...pods].filter((key) => !this.#away.has(key)).length;
  }

  /** Takes places out, and others in. */
  #move(gone: ReadonlySet<string>, fresh: readonly Place[]): void {
    const isMuch = gone.size + fresh.length > MANY;
    for (const range of gone) {
      const place = this.#places.get(range)!;
      this.#places.delete(range);
      if (!isMuch) this.#entries.splice(this.#cover.remove(place), 1);
    }
    for (const one of fresh) {
      const place = { ...one };
      this.#places.set(place.range, place);
      if (!isMuch) this.#entries.splice(this.#cover.add(place), 0, place.entry);
    }
    if (isMuch) this.#putTogether();
  }

  #putTogether(): void {
    this.#cover = new RangeCover(this.#places.values());
    this.#entries = this.#cover.all.map(({ entry }) => entry);
  }

  #rangesOf({ list, facts }: ListQuestion): {
    ranges: readonly string[];
    strangers: readonly AdmittedStranger[];
  } {
    const isWide = list.spec.entries === "Ranges";
    const most = list.spec.maxEntries ?? Number.POSITIVE_INFINITY;
    if (!isWide && this.#cover.texts.length <= most) return { ranges: [...this.#cover.texts], strangers: [] };
    const texts = onlyOnce(() => [...this.#places.keys()]);
    const own = onlyOnce(() => new Set([...this.#needs.values()].flatMap((need) => need.own)));
    const others = onlyOnce(() => othersOf(facts, [...texts(), ...own()]));
    const ranges = aggregated(this.#cover.all, most, (range) => others().count(range));
    const found = ranges.map((one) => ("range" in one ? one.range : formatCidr(one)));
    // In a list of whole subnets each pod has its own address only.
    const meant = isWide ? own() : new Set(texts());
    return { ranges: found, strangers: strangersOf(found, meant, others()) };
  }
}

function needOf(key: string, pod: Pod, ask: Asker): Need {
  const ranges = ask(pod);
  const own = podIps(pod).map(hostRange);
  if (typeof ranges !== "string") return { ranges, own };
  // Without an address it sends nothing: its agent asks before it does.
  const speaks = own.length > 0 || pod.spec.hostNetwork === true;
  return { ranges: [], own, ...(speaks && { doubt: `pod ${key}: ${ranges}` }) };
}

/** Asked for, until the pod's own object says so, or the pod is gone. */
function stillAsked(
  asked: readonly AskedAddress[],
  facts: ClusterFacts,
  now: number,
): readonly AskedAddress[] {
  return asked.filter(({ pod: key, uid, at }) => {
    const pod = facts.pods.get(key);
    if (now - Date.parse(at) > ASKED_MS) return false;
    // Our copy of the pods may be older than the agent's.
    if (!pod) return now - Date.parse(at) < ASKED_MS / 10;
    return pod.metadata.uid === uid && podIps(pod).length === 0 && !isTerminal(pod);
  });
}

/** Whether a pod that the list is not for has the address by now: nobody waits for that to rest. */
function isAnothers(
  range: string,
  { list, facts }: ListQuestion,
  holders: (address: string) => Iterable<string>,
): boolean {
  const [address = "", length] = range.split("/");
  if (length !== (address.includes(":") ? "128" : "32")) return false;
  for (const key of holders(address)) {
    const pod = facts.pods.get(key);
    if (pod && !isTerminal(pod) && pod.spec.hostNetwork !== true && !isListed(list, pod, facts.namespaces))
      return true;
  }
  return false;
}

function holdersIn(facts: ClusterFacts): (address: string) => readonly string[] {
  const found = new Map<string, string[]>();
  for (const [key, pod] of facts.pods)
    for (const ip of podIps(pod)) found.set(ip, [...(found.get(ip) ?? []), key]);
  return (address) => found.get(address) ?? [];
}

/** The first ones by name: whoever came first. */
function firstOf(pods: ReadonlySet<string>): string[] {
  if (pods.size === 1) return [...pods];
  const first: string[] = [];
  for (const key of pods) {
    if (first.length === NAMES && key > first.at(-1)!) continue;
    first.push(key);
    first.sort();
    if (first.length > NAMES) first.pop();
  }
  return first;
}

/** Returns what there was, where it is the same: whoever compares is quick then. */
function equalOr<T>(before: T | undefined, now: T): T {
  return before !== undefined && equalJson(before, now) ? before : now;
}

function isSameText(a: readonly string[], b: readonly string[] | undefined): boolean {
  if (a === b || a.length !== b?.length) return a === b;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

function onlyOnce<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
