// nft's words for what a table is made of: a set's definition, a chain's hook, elements.
import type { NftBase, NftChain, NftSet } from "./state.ts";

/** Elements in one command: long lines make nft's parser slow, short ones make many messages. */
const elementsPerCommand = 250;

/** Returns entries by their names, so that one table is always written the same. */
export function byName<T>(entries: Iterable<[string, T]>): [string, T][] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Returns what stands in the braces of a set or map, with them. */
export function definitionText(set: NftSet): string {
  const { value } = set;
  const to = value === undefined ? "" : ` : ${value === "verdict" ? "verdict" : value.join(" . ")}`;
  const flags = set.interval === true ? " flags interval;" : "";
  const room = set.size === undefined ? "" : ` size ${set.size};`;
  // In this order: the limit ends the look-up, and what comes after it would not be done.
  const each = [
    ...(set.counter === true ? ["counter"] : []),
    ...(set.limit ? [`limit rate ${set.limit.perSecond}/second burst ${set.limit.burst} packets`] : []),
  ];
  const statements = each.length === 0 ? "" : ` ${each.join(" ")};`;
  return `{ type ${set.key.join(" . ")}${to};${flags}${room}${statements} }`;
}

export function kindOf(set: NftSet): "set" | "map" {
  return set.value === undefined ? "set" : "map";
}

function baseText(base: NftBase): string {
  const device = base.device === undefined ? "" : ` device "${base.device}"`;
  const policy = base.policy ?? "accept";
  return `type ${base.type} hook ${base.hook}${device} priority ${base.priority}; policy ${policy};`;
}

/** Returns what follows the name of a chain: its hook in braces, or nothing. */
export function chainText(chain: NftChain): string {
  return chain.base === undefined ? "" : ` { ${baseText(chain.base)} }`;
}

/** Returns an element of a map, or where there is no value, of a set. */
export function elementText(key: string, value: string): string {
  return value === "" ? key : `${key} : ${value}`;
}

/** Returns the commands that do it to all of the elements. */
export function elementCommands(command: string, elements: readonly string[]): string[] {
  const out: string[] = [];
  for (let at = 0; at < elements.length; at += elementsPerCommand)
    out.push(`${command} { ${elements.slice(at, at + elementsPerCommand).join(", ")} }`);
  return out;
}
