// Whether address pools fit among everything else that has addresses: nodes, services, hosts, other pools.

import { isError } from "../base/errors.ts";
import {
  type Cidr,
  cidrOf,
  cidrsOverlap,
  formatCidr,
  parseCidr,
  tryParseCidr,
  tryParseIp,
} from "../base/ip.ts";
import type { Path } from "../base/problem.ts";
import type { ConfigMap, Node } from "./kinds/core.ts";
import type { Host } from "./kinds/host.ts";
import { blockSizeBounds, type IPPool } from "./kinds/ip-pool.ts";
import { nodeAnnotations } from "./kinds/routing/node-annotations.ts";
import type { ServiceCIDR } from "./kinds/service-cidr.ts";
import { calicoSelector } from "./selectors/calico-selector.ts";

/** What a pool is compared with. */
export interface Surroundings {
  readonly nodes: Iterable<Node>;
  readonly hosts: Iterable<Host>;
  /** Ranges of Services. */
  readonly serviceRanges: readonly string[];
  /** Pools that exist; one with the name of a pool that is checked counts as replaced by it. */
  readonly pools: Iterable<IPPool>;
}

export interface PoolFinding {
  readonly code: string;
  readonly severity: "error" | "warning";
  /** The pool's name. */
  readonly pool: string;
  /** The field of the pool that is wrong. */
  readonly path: Path;
  readonly message: string;
  readonly hint?: string;
}

interface Taken {
  readonly range: Cidr;
  /** Who has it, to be followed by the range: "the network of node a". */
  readonly who: string;
}

const special: readonly Taken[] = [
  { range: parseCidr("0.0.0.0/8"), who: 'the addresses of "this network" (RFC 1122)' },
  { range: parseCidr("127.0.0.0/8"), who: "the loopback addresses" },
  {
    range: parseCidr("169.254.0.0/16"),
    who: "the link-local addresses, where pods find their gateway 169.254.1.1,",
  },
  { range: parseCidr("224.0.0.0/4"), who: "the multicast addresses" },
  { range: parseCidr("240.0.0.0/4"), who: "the reserved addresses" },
  { range: parseCidr("::/127"), who: "the unspecified and loopback addresses" },
  { range: parseCidr("fe80::/10"), who: "the link-local addresses" },
  { range: parseCidr("ff00::/8"), who: "the multicast addresses" },
];

/**
 * Returns what is wrong with pools among their surroundings and each other. Pools whose range cannot be read are passed
 * over: their schema says so.
 */
export function checkPools(pools: readonly IPPool[], around: Surroundings): PoolFinding[] {
  const names = new Set(pools.map((pool) => pool.metadata.name));
  const before = [...around.pools].filter((pool) => !names.has(pool.metadata.name));
  const nodes = [...around.nodes];
  const taken = [...special, ...takenBy(around, nodes)];
  const findings: PoolFinding[] = [];
  for (const pool of pools) {
    const range = tryParseCidr(pool.spec.cidr);
    if (range) {
      const others = before.flatMap(poolRange);
      findings.push(...[...taken, ...others].flatMap((other) => overlap(pool, range, other)));
      findings.push(...fewBlocks(pool, range, nodes));
    }
    before.push(pool);
  }
  return findings;
}

/** Returns what an existing pool may not change: addresses in use would fall out of their blocks. */
export function checkPoolChange(before: IPPool, after: IPPool): PoolFinding[] {
  // Of what is no range nobody has addresses.
  if (!tryParseCidr(before.spec.cidr)) return [];
  const usual = (pool: IPPool) => blockSizeBounds[pool.spec.cidr.includes(":") ? 6 : 4].usual;
  const size = (pool: IPPool) => pool.spec.blockSize ?? usual(pool);
  const changes = [
    { field: "cidr", from: before.spec.cidr, to: after.spec.cidr },
    { field: "blockSize", from: size(before), to: size(after) },
  ] as const;
  return changes
    .filter(({ from, to }) => from !== to)
    .map(({ field, from, to }) => ({
      code: "ippool.immutable",
      severity: "error" as const,
      pool: after.metadata.name,
      path: ["spec", field],
      message: `\`${field}\` of pool ${after.metadata.name} cannot be changed from ${from} to ${to}`,
      hint: "Make a second pool, disable this one, and delete it when no pod uses it any more",
    }));
}

function overlap(pool: IPPool, range: Cidr, other: Taken): PoolFinding[] {
  if (!cidrsOverlap(range, other.range)) return [];
  const { name } = pool.metadata;
  const message = `pool ${name} ${formatCidr(range)} overlaps ${other.who} ${formatCidr(other.range)}`;
  const hint = "Choose a range that nothing else uses";
  return [{ code: "ippool.overlap", severity: "error", pool: name, path: ["spec", "cidr"], message, hint }];
}

function fewBlocks(pool: IPPool, range: Cidr, nodes: readonly Node[]): PoolFinding[] {
  const { name } = pool.metadata;
  const size = pool.spec.blockSize ?? blockSizeBounds[range.family].usual;
  const selects = selectorOf(pool);
  const users = nodes.filter((node) => selects(node.metadata.labels)).length;
  const blocks = 2 ** Math.max(0, size - range.length);
  if (size < range.length || blocks >= users) return [];
  const message = `pool ${name} ${formatCidr(range)} has ${blocks} blocks of /${size}, but ${users} nodes may use it`;
  const hint = "Nodes without a block borrow single addresses; a larger pool or smaller blocks avoid that";
  return [
    { code: "ippool.few-blocks", severity: "warning", pool: name, path: ["spec", "cidr"], message, hint },
  ];
}

function selectorOf(pool: IPPool) {
  try {
    return calicoSelector(pool.spec.nodeSelector ?? "");
  } catch (error) {
    // The schema reports a selector that cannot be read; here it selects nobody.
    if (!isError(error, "api.selector")) throw error;
    return () => false;
  }
}

function takenBy(around: Surroundings, nodes: readonly Node[]): Taken[] {
  const services = around.serviceRanges.flatMap((text) => {
    const range = tryParseCidr(text);
    return range ? [{ range, who: "the range of Services" }] : [];
  });
  const hosts = [...around.hosts].flatMap((host) =>
    host.spec.addresses.flatMap((text) => {
      const ip = tryParseIp(text);
      return ip ? [{ range: cidrOf(ip, ip.family === 4 ? 32 : 128), who: `host ${host.metadata.name}` }] : [];
    }),
  );
  return [...withoutRepeats(nodes.flatMap(nodeRanges)), ...services, ...hosts];
}

// Twenty nodes of one network are one reason, not twenty.
function withoutRepeats(taken: readonly Taken[]): Taken[] {
  const seen = new Map(taken.toReversed().map((one) => [formatCidr(one.range), one]));
  return [...seen.values()].toReversed();
}

/** Annotations that say a node's address together with its network's prefix length. */
export const nodeNetworkAnnotations = [
  "trunkline.dev/node-network",
  nodeAnnotations.ipv4Address,
  nodeAnnotations.ipv6Address,
] as const;

function nodeRanges(node: Node): Taken[] {
  const { name, annotations = {} } = node.metadata;
  const networks = nodeNetworkAnnotations
    .flatMap((key) => annotations[key]?.split(",") ?? [])
    .flatMap((text) => {
      const [address = "", length] = text.trim().split("/");
      const ip = tryParseIp(address);
      const bits = Number(length);
      const fits = ip && Number.isInteger(bits) && bits >= 0 && bits <= (ip.family === 4 ? 32 : 128);
      return fits ? [{ range: cidrOf(ip, bits), who: `the network of node ${name}` }] : [];
    });
  const single = (node.status?.addresses ?? [])
    .filter((entry) => entry.type !== "Hostname")
    .flatMap((entry) => {
      const ip = tryParseIp(entry.address);
      if (
        !ip ||
        networks.some((network) => cidrsOverlap(network.range, cidrOf(ip, ip.family === 4 ? 32 : 128)))
      )
        return [];
      return [{ range: cidrOf(ip, ip.family === 4 ? 32 : 128), who: `node ${name}` }];
    });
  return [...networks, ...single];
}

function poolRange(pool: IPPool): Taken[] {
  const range = tryParseCidr(pool.spec.cidr);
  return range ? [{ range, who: `pool ${pool.metadata.name}` }] : [];
}

/** Returns the ranges of Services: of the ServiceCIDR objects, and what Terway's configuration names, if it can be read. */
export function serviceRangesOf(
  configMaps: Iterable<ConfigMap>,
  serviceCidrs: Iterable<ServiceCIDR>,
): string[] {
  const told = [...serviceCidrs].flatMap(({ spec }) => spec?.cidrs ?? []);
  return [...new Set([...told, ...terwayRanges(configMaps)])];
}

function terwayRanges(configMaps: Iterable<ConfigMap>): string[] {
  for (const map of configMaps) {
    const { name, namespace } = map.metadata;
    if (namespace !== "kube-system" || name !== "eni-config") continue;
    const found = /"service_cidr"\s*:\s*"([^"]+)"/.exec(map.data?.["eni_conf"] ?? "")?.[1];
    return (found ?? "").split(",").filter((text) => tryParseCidr(text) !== undefined);
  }
  return [];
}
