// What is wrong with addresses, from the store's objects and the nodes' journals: pure, so that a test can say it all.
import type { AddressBlock } from "../../api/kinds/address-block.ts";
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import {
  type Cidr,
  cidrContains,
  cidrCovers,
  cidrsOverlap,
  tryParseCidr,
  tryParseIp,
} from "../../base/ip.ts";
import { ownerGraceMs, ownerMissingSince } from "../../ipam/block-object.ts";
import { isRecovered } from "../../ipam/recovery.ts";
import { tunnelDeviceOf } from "../../ipam/tunnel-owner.ts";
import type { HeldAddress, Holding } from "../../ipam/types.ts";
import type { ClusterFacts } from "../facts.ts";
import { subnetOf } from "../subnets/of-address.ts";

export type FindingKind =
  | "duplicate"
  | "leak"
  | "not-allocated"
  | "outside-pools"
  | "missing-node"
  | "collecting"
  | "lost"
  | "no-journal"
  /** Of subnets; see plan/subnets/check.ts. */
  | "leaked-interface"
  | "foreign-address"
  | "no-provider";

export interface Finding {
  readonly kind: FindingKind;
  readonly message: string;
  /** Address or range. */
  readonly what: string;
  readonly node?: string;
  /** `namespace/name` */
  readonly pod?: string;
  /** For leaks: the number that a release has to name. */
  readonly seq?: number;
  /** Range of the block. */
  readonly block?: string;
}

/** Returns whether a finding only tells something, and nothing is wrong. */
export function isNote({ kind }: Finding): boolean {
  return kind === "no-journal" || kind === "collecting" || kind === "no-provider";
}

/** What each node's journal holds; a node that is not in it has no journal that could be read. */
export type Journals = ReadonlyMap<string, readonly Holding[]>;

interface Use {
  readonly node: string;
  readonly pod: string;
}

/** Returns all findings, ordered by address. `now`: milliseconds since 1970. */
export function checkAddresses(facts: ClusterFacts, journals: Journals, now: number): Finding[] {
  const pods = [...facts.pods.values()].filter((pod) => pod.spec.hostNetwork !== true && !isTerminal(pod));
  const findings = [
    ...blockFindings(facts, journals, now),
    ...[...journals].flatMap(([node, holdings]) => [
      ...holdings.flatMap((holding) => holdingFindings(facts, node, holding)),
      ...deadSandboxes(facts, node, holdings, now),
    ]),
    ...duplicates(pods, journals),
    ...pods.flatMap((pod) => podFindings(facts, journals, pod)),
  ];
  return ofGonePools(facts, findings).toSorted((a, b) => (a.what < b.what ? -1 : a.what > b.what ? 1 : 0));
}

/** One finding for each pool that was deleted, instead of one for each of its blocks and of their addresses, twice. */
function ofGonePools(facts: ClusterFacts, findings: readonly Finding[]): Finding[] {
  const gone = new Map(
    [...facts.blocks.values()].flatMap(({ spec }) => {
      const range = tryParseCidr(spec.cidr);
      return range && !insidePools(facts, range) ? [[spec.cidr, { ...spec, range }] as const] : [];
    }),
  );
  const blockOf = ({ what }: Finding) => {
    const ip = tryParseIp(what);
    return gone.get(what) ?? [...gone.values()].find(({ range }) => ip && cidrContains(range, ip));
  };
  const left = findings.filter((one) => one.kind === "outside-pools" && blockOf(one) !== undefined);
  const merged = [...Map.groupBy(left, (one) => blockOf(one)!.pool)].map(([pool, list]): Finding => {
    const blocks = [...new Map(list.map((one) => [blockOf(one)!.cidr, blockOf(one)!])).values()];
    const pods = [...new Set(list.flatMap(({ pod }) => (pod ? [pod] : [])))].toSorted();
    const ranges = blocks.map(({ cidr, node }) => `${cidr} of ${node}`).toSorted();
    const many = ranges.length > 1;
    const who = pods.length === 0 ? "no pod has an address of" : `pods with addresses of`;
    const them = many ? "them" : "it";
    return {
      kind: "outside-pools",
      what: blocks.map(({ cidr }) => cidr).toSorted()[0]!,
      ...(blocks.length === 1 && { node: blocks[0]!.node }),
      message:
        `${many ? "blocks" : "block"} ${ranges.join(", ")} of pool ${pool} ${many ? "are" : "is"} in no pool; ` +
        `${who} ${them}${pods.length === 0 ? "" : `: ${pods.join(", ")}`}`,
    };
  });
  return [...merged, ...findings.filter((one) => !left.includes(one))];
}

function blockFindings(facts: ClusterFacts, journals: Journals, now: number): Finding[] {
  const blocks = [...facts.blocks.values()];
  return blocks.flatMap((block, at) => {
    const { cidr, node, pool } = block.spec;
    const range = tryParseCidr(cidr);
    const out: Finding[] = [];
    if (!range) {
      const message = `block ${block.metadata.name} of pool ${pool} says '${cidr}', which is no range: nobody has addresses of it`;
      return [{ kind: "outside-pools", what: cidr, node, message }];
    }
    if (!insidePools(facts, range))
      out.push({
        kind: "outside-pools",
        what: cidr,
        node,
        message: `block ${cidr} of pool ${pool} is in no pool`,
      });
    if (!facts.nodes.has(node)) out.push(ownerless(facts, block, now));
    else if (!journals.has(node))
      out.push({
        kind: "no-journal",
        what: cidr,
        node,
        message: `the journal of node ${node} cannot be read`,
      });
    for (const other of blocks.slice(at + 1)) {
      const second = tryParseCidr(other.spec.cidr);
      if (second && cidrsOverlap(range, second))
        out.push({
          kind: "duplicate",
          what: cidr,
          node,
          message: `blocks ${cidr} of ${node} and ${other.spec.cidr} of ${other.spec.node} overlap`,
        });
    }
    return out;
  });
}

/** How much later than the grace a block without owner may be taken back before something is wrong (ms). */
const collectorSlackMs = 30_000;

/** A block of a node that was deleted is taken back after a grace, which is as it should be, if somebody does it. */
function ownerless(facts: ClusterFacts, block: AddressBlock, now: number): Finding {
  const { cidr, node } = block.spec;
  const common = { what: cidr, node };
  const since = ownerMissingSince(block);
  if (since === undefined)
    return {
      ...common,
      kind: "missing-node",
      message: `block ${cidr} belongs to node ${node}, which does not exist, and no controller takes it back`,
    };
  const waits = whatHoldsBack(facts, block);
  const gone = `node ${node}, which does not exist since ${new Date(since).toISOString()}`;
  if (waits === undefined && now - since > ownerGraceMs + collectorSlackMs)
    return {
      ...common,
      kind: "missing-node",
      message: `block ${cidr} belongs to ${gone}, and should have been taken back by now`,
    };
  const until = waits ?? `${ownerGraceMs / 1000} s have passed`;
  return {
    ...common,
    kind: "collecting",
    message: `block ${cidr} of ${gone}, is being taken back: once ${until}`,
  };
}

/** Returns what a block of a node that is gone waits for beyond the grace. */
function whatHoldsBack(facts: ClusterFacts, { spec }: AddressBlock): string | undefined {
  const living = [...facts.pods.values()].filter((pod) => !isTerminal(pod) && pod.spec.hostNetwork !== true);
  const bound = living.filter((pod) => pod.spec.nodeName === spec.node).length;
  if (bound > 0) return `no pod is bound to the node any more (${bound} ${bound === 1 ? "is" : "are"})`;
  const loans = (spec.loans ?? []).filter((loan) => loan.returned !== true).length;
  return loans === 0 ? undefined : `the addresses that it lent came back (${loans})`;
}

function holdingFindings(facts: ClusterFacts, node: string, holding: Holding): Finding[] {
  const { owner, seq, addresses } = holding;
  const pod = podOf(facts, holding);
  return addresses.flatMap(({ address, block, lost }) => {
    const common = { what: address, node, pod: owner.pod, seq, block };
    const out: Finding[] = [];
    if (lost)
      out.push({
        ...common,
        kind: "lost",
        message: `${address} was taken from node ${node} while ${owner.pod || "a pod"} held it`,
      });
    if (!insidePools(facts, hostRange(address)))
      out.push({
        ...common,
        kind: "outside-pools",
        message: `${address} of ${owner.pod || "an unknown pod"} on ${node} is in no pool`,
      });
    if (!pod && tunnelDeviceOf(owner) === undefined)
      out.push({
        ...common,
        kind: "leak",
        message: `${address} is held on ${node} for ${owner.pod || "an unknown pod"}, which does not exist`,
      });
    return out;
  });
}

/** How long (ms) a sandbox may have an address until its pod's object shows it. */
const startMs = 60_000;

/**
 * What is held for sandboxes of a pod that lives in another one by now: a pod has one at a time. Its newest may only be
 * starting; it counts when the pod goes on to show an older one's address. The agent gives them back itself after a while.
 */
function deadSandboxes(
  facts: ClusterFacts,
  node: string,
  holdings: readonly Holding[],
  now: number,
): Finding[] {
  const ofInterface = new Map<string, Holding[]>();
  for (const holding of holdings) {
    const pod = isRecovered(holding.owner) ? undefined : podOf(facts, holding);
    if (!pod) continue;
    const key = JSON.stringify([pod.metadata.uid, holding.owner.ifName]);
    ofInterface.set(key, [...(ofInterface.get(key) ?? []), holding]);
  }
  return [...ofInterface.values()].flatMap((all) => {
    const pod = podOf(facts, all[0] as Holding);
    const shown = new Set(pod && podIps(pod));
    const isShown = ({ addresses }: Holding) => addresses.some(({ address }) => shown.has(address));
    const newest = Math.max(...all.map(({ seq }) => seq));
    const shows = all.some(isShown);
    return all
      .filter((one) => !isShown(one) && (one.seq !== newest || (shows && now - one.at > startMs)))
      .flatMap((one) => one.addresses.map((held) => deadSandbox(node, one, held, [...shown])));
  });
}

function deadSandbox(node: string, holding: Holding, held: HeldAddress, shown: readonly string[]): Finding {
  const { owner, seq } = holding;
  const has = shown.length === 0 ? "has none yet" : `has ${shown.join(", ")}`;
  return {
    kind: "leak",
    what: held.address,
    node,
    pod: owner.pod,
    seq,
    block: held.block,
    message: `${held.address} is held on ${node} for an earlier sandbox (${owner.containerId}) of ${owner.pod}, which ${has}`,
  };
}

/** Returns the pod that a holding is for, if it exists and runs on. */
function podOf(facts: ClusterFacts, { owner }: Holding): Pod | undefined {
  const pod = facts.pods.get(owner.pod);
  if (!pod || isTerminal(pod)) return undefined;
  return owner.uid === "" || owner.uid === pod.metadata.uid ? pod : undefined;
}

function duplicates(pods: readonly Pod[], journals: Journals): Finding[] {
  const users = new Map<string, Use[]>();
  const add = (address: string, use: Use) => {
    const known = users.get(address) ?? [];
    // A pod's object and its node's journal are one use.
    if (!known.some((other) => other.node === use.node && other.pod === use.pod)) known.push(use);
    users.set(address, known);
  };
  for (const pod of pods)
    for (const address of podIps(pod)) add(address, { node: pod.spec.nodeName ?? "", pod: keyOfPod(pod) });
  for (const [node, holdings] of journals)
    for (const { owner, addresses } of holdings)
      for (const { address, lost } of addresses) if (!lost) add(address, { node, pod: owner.pod });
  return [...users].flatMap(([address, uses]) =>
    uses.length < 2
      ? []
      : [
          {
            kind: "duplicate" as const,
            what: address,
            message: `${address} is used ${uses.length} times: ${uses.map((use) => `${use.pod || "unknown pod"} on ${use.node}`).join(", ")}`,
          },
        ],
  );
}

function podFindings(facts: ClusterFacts, journals: Journals, pod: Pod): Finding[] {
  const node = pod.spec.nodeName ?? "";
  const holdings = journals.get(node);
  const key = keyOfPod(pod);
  return podIps(pod).flatMap((address): Finding[] => {
    const common = { what: address, node, pod: key };
    // Of a subnet: the node's interfaces hold it, and no block.
    if (subnetOf(facts, address)) return [];
    if (!insidePools(facts, hostRange(address)))
      return [{ ...common, kind: "outside-pools", message: `${address} of pod ${key} is in no pool` }];
    const held = holdings?.some((holding) => holding.addresses.some((one) => one.address === address));
    if (holdings === undefined || held) return [];
    return [
      {
        ...common,
        kind: "not-allocated",
        message: `pod ${key} has ${address}, which node ${node} does not hold`,
      },
    ];
  });
}

function keyOfPod(pod: Pod): string {
  return `${pod.metadata.namespace ?? ""}/${pod.metadata.name}`;
}

function hostRange(address: string): Cidr | undefined {
  const ip = tryParseIp(address);
  return ip && { family: ip.family, base: ip.value, length: ip.family === 4 ? 32 : 128 };
}

function insidePools(facts: ClusterFacts, range: Cidr | undefined): boolean {
  if (!range) return false;
  return [...facts.pools.values()].some((pool) => {
    const whole = tryParseCidr(pool.spec.cidr);
    return whole !== undefined && cidrCovers(whole, range);
  });
}

/** Returns the live pod that uses an address, as `namespace/name`. */
export function livePodWith(facts: ClusterFacts, address: string): string | undefined {
  const pod = [...facts.pods.values()].find((one) => !isTerminal(one) && podIps(one).includes(address));
  return pod && keyOfPod(pod);
}

/** Returns the block that an address lies in. */
export function blockWith(facts: ClusterFacts, address: string) {
  const ip = tryParseIp(address);
  return [...facts.blocks.values()].find((block) => {
    const range = tryParseCidr(block.spec.cidr);
    return ip !== undefined && range !== undefined && cidrContains(range, ip);
  });
}
