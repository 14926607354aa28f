// Who has which address, and how full pools, blocks and subnets are: what `trunkline ipam show` and `ipam fixed` tell.
import { isTerminal, podIps } from "../../api/kinds/core.ts";
import { TrunklineError } from "../../base/errors.ts";
import { rangeHolds, tryParseCidr } from "../../base/ip.ts";
import { systemClock } from "../../ipam/clock.ts";
import { usageOf } from "../../plan/addressing/usage.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { nodeIps } from "../../plan/facts.ts";
import { heldAddresses } from "../../plan/subnets/pod-eni/ledger.ts";
import type { AddressesAnswer, Holder, SubnetUsage } from "../api.ts";
import type { Sources } from "../sources.ts";
import { rangeFinder } from "./map.ts";
import { count, optional } from "./query.ts";

const USUAL = 200;
const MOST = 1000;

/** @throws TrunklineError `ui.value`, and what reading journals throws */
export async function addressesAnswer(sources: Sources, query: URLSearchParams): Promise<AddressesAnswer> {
  const range = optional(query, "range");
  if (range !== undefined && !tryParseCidr(range))
    throw new TrunklineError("ui.value", {
      name: "range",
      value: range,
      why: "it is an address and a length",
    });
  const limit = count(query, "limit", USUAL, MOST);
  const offset = count(query, "offset", 0, 1e9);
  const word = (optional(query, "q") ?? "").toLowerCase();
  const facts = sources.facts();
  const { pools, blocks, addresses } = usageOf(facts, await sources.ledgers(), systemClock);
  const since = new Map(addresses.map((one) => [one.address, one.since]));
  const found = [...holdersOf(facts, addresses)].filter(
    ({ address, name, node }) =>
      (range === undefined || rangeHolds(range, address)) &&
      (word === "" || [address, name, node ?? ""].some((text) => text.toLowerCase().includes(word))),
  );
  return {
    pools,
    blocks,
    subnets: subnetsOf(facts),
    held: heldAddresses(facts),
    holders: found
      .slice(offset, offset + limit)
      .map((one) => ({ ...one, since: since.get(one.address) ?? null })),
    total: found.length,
  };
}

/** Gives who has an address by what objects say, and what journals hold for nobody that they know. */
function* holdersOf(
  facts: ClusterFacts,
  journals: ReturnType<typeof usageOf>["addresses"],
): Generator<Omit<Holder, "since">> {
  const ranges = [...facts.blocks.values(), ...facts.subnets.values()].map(({ spec }) => spec);
  const rangeAt = rangeFinder(ranges);
  const rangeOf = (address: string) => ranges[rangeAt(address)]?.cidr ?? null;
  const seen = new Set<string>();
  for (const [key, pod] of facts.pods) {
    if (isTerminal(pod) || pod.spec.hostNetwork === true) continue;
    for (const address of podIps(pod)) {
      seen.add(address);
      yield { address, name: `pod/${key}`, node: pod.spec.nodeName ?? null, range: rangeOf(address) };
    }
  }
  for (const node of facts.nodes.values())
    for (const address of nodeIps(node)) {
      const { name } = node.metadata;
      yield { address, name: `node/${name}`, node: name, range: null };
    }
  for (const { address, node, pod, use, block, ifName } of journals)
    if (!seen.has(address)) {
      const name = use === "tunnel" ? `tunnel ${ifName}` : pod === "" ? "nobody that is known" : `pod/${pod}`;
      yield { address, name, node, range: block };
    }
}

function subnetsOf(facts: ClusterFacts): SubnetUsage[] {
  return [...facts.subnets.values()]
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      cidr: spec.cidr,
      zone: spec.zone,
      total: status?.totalAddresses ?? null,
      available: status?.availableAddresses ?? null,
      pods: status?.servedPods ?? null,
      shortBy: status?.shortBy ?? 0,
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
