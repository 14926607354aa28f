// Who else gets in by ranges that are wider than what pods need.
import type { AdmittedStranger } from "../../api/kinds/address-list.ts";
import { isTerminal, podIps } from "../../api/kinds/core.ts";
import {
  type Cidr,
  cidrContains,
  cidrSize,
  hostRange,
  type Ip,
  tryParseCidr,
  tryParseIp,
} from "../../base/ip.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { type CountOthers, counterOf } from "./aggregate.ts";

const NAMES = 5;

export interface Others {
  readonly count: CountOthers;
  /** Sorted as they are found. */
  readonly all: readonly { readonly ip: Ip; readonly name: string }[];
}

/** Everybody who has an address that is not among those of the list. */
export function othersOf(facts: ClusterFacts, texts: readonly string[]): Others {
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
export function strangersOf(
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
