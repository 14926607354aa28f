// Whether sets and maps in the kernel hold what they should. Sets with ranges find nothing for a moment after they are
// written anew, so those that are right already are left alone; and that is seen by reading them, never by their names:
// somebody may have changed them while nobody watched.
import { type Cidr, cidrRange, formatIp, type IpRange, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import type { Nft, NftPresent } from "../kernel.ts";
import type { NftSet } from "./state.ts";

/** A set as it should be: its definition and elements, key to value ("" in plain sets). */
interface Wanted {
  readonly definition: NftSet;
  readonly elements: ReadonlyMap<string, string>;
}

/** What nft lists of sets and maps, by name. */
export type NftContents = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** Reads those of these sets and maps that a table has. */
export async function readContents(
  nft: Nft,
  heading: string,
  present: NftPresent,
  names: ReadonlySet<string>,
): Promise<NftContents> {
  const out = new Map<string, Readonly<Record<string, unknown>>>();
  for (const [kind, there] of [
    ["set", present.sets],
    ["map", present.maps],
  ] as const)
    for (const name of there) {
      if (!names.has(name)) continue;
      const listing = await nft.list(`list ${kind} ${heading} ${name}`);
      const found = listing?.map((item) => item[kind]).find((item) => item !== undefined);
      if (isObject(found)) out.set(name, found);
    }
  return out;
}

/** Returns whether a set is in the kernel exactly as it is wanted. */
export function isIntact(
  found: Readonly<Record<string, unknown>>,
  { definition, elements }: Wanted,
): boolean {
  const { key, value, interval, counter } = definition;
  // Whatever else a definition may have (a timeout, another flag), ours have not.
  const {
    type,
    map,
    flags,
    size,
    elem = [],
    stmt,
    handle: _,
    family: __,
    name: ___,
    table: ____,
    ...more
  } = found;
  if (Object.keys(more).length > 0 || (stmt !== undefined) !== (counter === true)) return false;
  if (size !== definition.size || typeText(type) !== key.join(" . ")) return false;
  if (typeText(map) !== (typeof value === "string" ? value : value?.join(" . "))) return false;
  if (JSON.stringify(flags ?? []) !== JSON.stringify(interval === true ? ["interval"] : [])) return false;
  if (!Array.isArray(elem) || elem.length !== elements.size) return false;
  const there = new Map<string | undefined, string | undefined>();
  for (const one of elem as unknown[]) {
    const [mapKey, mapValue] = value !== undefined && Array.isArray(one) ? (one as unknown[]) : [one, ""];
    there.set(keyText(mapKey, counter === true), valueText(mapValue));
  }
  for (const [mapKey, mapValue] of elements) if (there.get(plainKey(mapKey)) !== mapValue) return false;
  return there.size === elements.size;
}

/** Several types are a list, or (from nft 1.0.9 on) a list of their names in an object. */
function typeText(type: unknown): string | undefined {
  if (Array.isArray(type)) return type.join(" . ");
  return typeof type === "string" ? type : undefined;
}

/** Returns a key of one part in the form of `plainKey`; undefined for what no set of ours holds. */
function keyText(key: unknown, counted: boolean): string | undefined {
  if (isObject(key) && isObject(key["elem"])) {
    const { val, counter, ...more } = key["elem"];
    return counted && isObject(counter) && Object.keys(more).length === 0 ? keyText(val, false) : undefined;
  }
  if (isObject(key) && isObject(key["prefix"])) {
    const { addr, len } = key["prefix"];
    const cidr = tryParseCidr(`${String(addr)}/${String(len)}`);
    return cidr && rangeOf(cidr);
  }
  if (isObject(key) && Array.isArray(key["range"])) return plainKey(key["range"].map(String).join("-"));
  return typeof key === "string" || typeof key === "number" ? plainKey(`${key}`) : undefined;
}

/** Returns a key as `first-last`, or as `first` where both are one; addresses in one form. */
function plainKey(key: string): string {
  const cidr = key.includes("/") ? tryParseCidr(key) : undefined;
  if (cidr) return rangeOf(cidr);
  const [first = "", last = first] = key.split("-").map((part) => {
    const ip = tryParseIp(part);
    return ip ? formatIp(ip) : part;
  });
  return first === last ? first : `${first}-${last}`;
}

function rangeOf(cidr: Cidr): string {
  const { family, first, last }: IpRange = cidrRange(cidr);
  const [from, to] = [formatIp({ family, value: first }), formatIp({ family, value: last })];
  return from === to ? from : `${from}-${to}`;
}

function valueText(value: unknown): string | undefined {
  if (!isObject(value)) return typeof value === "string" ? value : undefined;
  const [[verdict, target] = ["", null], ...more] = Object.entries(value);
  if (more.length > 0) return undefined;
  return isObject(target) ? `${verdict} ${String(target["target"])}` : verdict;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
