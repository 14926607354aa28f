// A list of addresses that a cloud's database keeps under a name of ours. Others' lists are never touched. Such an instance takes so
// many addresses and ranges in all its lists, IPv4 only, and a list cannot be empty.
import { TrunklineError } from "../base/errors.ts";
import type { CloudCaller, SinkList, SinkPlace } from "./sink.ts";

/** Of ApsaraDB RDS and of Redis and Tair alike. */
const MOST = 1000;
/** An address that admits nobody. */
const nobody = "127.0.0.1";

export interface CloudLists {
  /** The instance, in words. */
  readonly what: string;
  /** Returns what the lists hold, separated by commas, by name. */
  read(): Promise<ReadonlyMap<string, string>>;
  write(name: string, entries: string): Promise<void>;
}

/** Makes one list hold exactly those ranges. @throws `sinks.refused`, and what reading and writing throw */
export async function keepCloudList(
  { name, ranges }: SinkList,
  listName: string | undefined,
  { what, read, write }: CloudLists,
): Promise<void> {
  const own = listName ?? nameOf(name);
  const wanted = ranges.length === 0 ? [nobody] : ranges.map(plain);
  const other = ranges.find((range) => range.includes(":"));
  if (other !== undefined)
    throw new TrunklineError("sinks.refused", { what, why: `its lists take IPv4 only, and not ${other}` });
  const lists = await read();
  const others = [...lists].filter(([one]) => one !== own).flatMap(([, text]) => entriesOf(text)).length;
  if (others + wanted.length > MOST) {
    const why = `it takes ${MOST} entries in all; ${others} are others', and these are ${wanted.length}: set maxEntries`;
    throw new TrunklineError("sinks.refused", { what, why });
  }
  const before = lists.get(own);
  if (before !== undefined && entriesOf(before).toSorted().join() === wanted.toSorted().join()) return;
  await write(own, wanted.join(","));
}

/** Returns who calls the cloud of a region. @throws `sinks.refused` */
export function callerOf({ cloud }: SinkPlace, region: string, what: string): CloudCaller {
  const caller = cloud?.(region);
  if (caller) return caller;
  const why = "this process has no keys of the cloud: start the controller with --provider alibaba:REGION";
  throw new TrunklineError("sinks.refused", { what, why });
}

/** The cloud drops the length of what is one address. */
export function plain(range: string): string {
  return range.replace(/\/32$/, "");
}

function entriesOf(text: string): string[] {
  return text
    .split(",")
    .filter((entry) => entry !== "")
    .map(plain);
}

/** Names of lists are letters, digits and underscores, 2 to 32. Two lists must not come to the same. */
function nameOf(list: string): string {
  if (/^[a-z0-9]{1,22}$/.test(list)) return `trunkline_${list}`;
  const why = `the cloud has no list of that name: give the sink a listName, trunkline_…`;
  throw new TrunklineError("sinks.refused", { what: `AddressList ${list}`, why });
}
