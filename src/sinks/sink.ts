// What every sink does: make one place hold exactly the ranges of a list. It may be asked at any time, also for what it
// has already; what it cannot do leaves the place as it was.
import type { AddressList, AddressListSink, ListEntry, SinkType } from "../api/kinds/address-list.ts";
import { TrunklineError } from "../base/errors.ts";
import { tryParseCidr, tryParseIp } from "../base/ip.ts";
import type { RangeSource } from "../explain/allowlist/sources.ts";
import type { NetnsRef, Nft } from "../kernel/kernel.ts";
import type { Store } from "../store/store.ts";

/** A list as it is put into sinks. */
export interface SinkList {
  readonly name: string;
  readonly to: string;
  readonly ranges: readonly string[];
  /** Why each range is in it. */
  readonly sources: readonly RangeSource[];
}

/** Calls of one region's cloud. */
export interface CloudCaller {
  call<T>(
    product: "ecs" | "rds" | "r-kvstore",
    action: string,
    parameters: Readonly<Record<string, string>>,
  ): Promise<T>;
}

/** The machine that a sink is on. */
export interface SinkPlace {
  /** undefined: the machine's firewall is not this process's business. */
  readonly nft?: Nft;
  /** Where programs are run. */
  readonly netns: NetnsRef;
  /** Files and sockets are touched in and below these only. */
  readonly folders: readonly string[];
  /** Of the controller only: for objects that it writes and Secrets that it reads. */
  readonly store?: Store;
  /** Of a controller that has keys of the cloud. @param region as `cn-hangzhou` */
  readonly cloud?: ((region: string) => CloudCaller) | undefined;
}

/** @throws TrunklineError `sinks.…`, `kernel.…`: why the place does not hold the list */
export type Sink = (list: SinkList, place: SinkPlace) => Promise<void>;

/** Makes the sink of a type out of what the object says of it. */
export type SinkMaker<T extends SinkType> = (spec: NonNullable<AddressListSink[T]>) => Sink;

/**
 * Returns what sinks are given of an object; undefined as long as nobody has made its list.
 * @throws TrunklineError `sinks.bad-range`: it reaches commands and configurations, and an API server takes any text in a status
 */
export function sinkListOf({ metadata, spec, status }: AddressList): SinkList | undefined {
  const { ranges, entries = [] } = status ?? {};
  if (!ranges) return undefined;
  const bad = ranges.find((range) => !tryParseCidr(range) && !tryParseIp(range));
  if (bad !== undefined) throw new TrunklineError("sinks.bad-range", { range: bad });
  return {
    name: metadata.name,
    to: spec.to,
    ranges,
    // Most sinks do not ask.
    get sources() {
      return entries.map(sourceOf);
    },
  };
}

function sourceOf({ range, pods, neededBy, unusedSince }: ListEntry): RangeSource {
  const more = pods > neededBy.length ? ` and ${pods - neededBy.length} more` : "";
  return {
    range,
    why: unusedSince === undefined ? `${neededBy.join(" ")}${more}` : `nobody since ${unusedSince}`,
  };
}
