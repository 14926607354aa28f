// Where a pod's addresses come from, with the reasons. The agent allocates by this decision, explain prints it.
// What binds more closely comes first: a network of the pod's own, the node's overlay, annotations, the pools' selectors.
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import type { Labels } from "../../api/selectors/selectors.ts";
import { TrunklineError } from "../../base/errors.ts";
import { cidrContains, type Family, formatIp, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import type { Problem } from "../../base/problem.ts";
import type { PoolRange, Want } from "../../ipam/types.ts";
import type { ClusterFacts } from "../facts.ts";
import { type PoolUse, poolRange, whyClosed, whyNotOffered } from "./pools.ts";

export const annotationNames = {
  4: "cni.projectcalico.org/ipv4pools",
  6: "cni.projectcalico.org/ipv6pools",
  addresses: "cni.projectcalico.org/ipAddrs",
} as const;

/** What is known of the pod: its object may not have reached the node yet. */
export interface PodToAddress {
  readonly namespace: string;
  readonly name: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Reason {
  readonly text: string;
  /** `IPPool/name`, `Pod/namespace/name`, `Namespace/name`: the object that decides. */
  readonly object?: string;
}

export interface AddressingDecision {
  /** One for each family; empty if there is any problem. */
  readonly wants: readonly Want[];
  /** In the order of the decision. */
  readonly reasons: readonly Reason[];
  readonly problems: readonly Problem[];
}

interface Draft {
  readonly facts: ClusterFacts;
  readonly pod: PodToAddress;
  readonly node: { readonly name: string; readonly labels?: Labels };
  readonly use: PoolUse;
  readonly reasons: Reason[];
  readonly problems: Problem[];
}

interface Setting {
  readonly value: string;
  readonly annotation: string;
  readonly object: string;
}

/** Decides which pools, or which addresses, a pod on that node gets. */
export function chooseAddresses(
  facts: ClusterFacts,
  pod: PodToAddress,
  node: string,
  use: PoolUse = "Workload",
): AddressingDecision {
  const labels = facts.nodes.get(node)?.metadata.labels;
  const self = { name: node, ...(labels ? { labels } : {}) };
  const draft: Draft = { facts, pod, node: self, use, reasons: [], problems: [] };
  const exact = annotation(draft, annotationNames.addresses, false);
  const wants = exact ? wantsOfAddresses(draft, exact) : wantsOfPools(draft);
  if (wants.length === 0 && draft.problems.length === 0)
    complain(
      draft,
      "addressing.no-pool",
      noPool(draft),
      "Create an IPPool that selects the node and the namespace",
    );
  return {
    wants: draft.problems.length > 0 ? [] : wants,
    reasons: draft.reasons,
    problems: draft.problems,
  };
}

/** Returns the wants of a decision. @throws `ipam.no-pool` if it has problems */
export function wantsOf(decision: AddressingDecision, node: string): readonly Want[] {
  if (decision.problems.length === 0) return decision.wants;
  // The hint too: whoever reads a pod's events has nothing else.
  const why = decision.problems
    .map(({ message, hint }) => (hint === undefined ? message : `${message} (${hint})`))
    .join("; ");
  throw new TrunklineError("ipam.no-pool", { node, why });
}

function wantsOfPools(draft: Draft): Want[] {
  return ([4, 6] as const).flatMap((family) => {
    const named = annotation(draft, annotationNames[family], true);
    const pools = named ? namedPools(draft, family, named) : offeredPools(draft, family);
    return pools.length > 0 ? [{ family, pools }] : [];
  });
}

/** The pod's annotation, or else its namespace's. */
function annotation(draft: Draft, name: string, alsoNamespace: boolean): Setting | undefined {
  const { pod, facts } = draft;
  const own = pod.annotations?.[name];
  if (own !== undefined) return { value: own, annotation: name, object: `Pod/${pod.namespace}/${pod.name}` };
  const inherited = facts.namespaces.get(pod.namespace)?.metadata.annotations?.[name];
  if (!alsoNamespace || inherited === undefined) return undefined;
  return { value: inherited, annotation: name, object: `Namespace/${pod.namespace}` };
}

function wantsOfAddresses(draft: Draft, setting: Setting): Want[] {
  const texts = stringList(draft, setting, "addresses");
  const wants = texts.flatMap((text, at) => wantOfAddress(draft, setting, text, at) ?? []);
  for (const family of [4, 6] as const)
    if (wants.filter((want) => want.family === family).length > 1)
      complain(
        draft,
        "addressing.addresses",
        `${setting.annotation} names more than one IPv${family} address`,
      );
  return wants;
}

function wantOfAddress(draft: Draft, setting: Setting, text: string, at: number): Want | undefined {
  const ip = tryParseIp(text);
  const path = `${annotationPath(setting)}[${at}]`;
  if (!ip) {
    complain(draft, "addressing.addresses", `'${text}' is not an IP address`, undefined, path);
    return undefined;
  }
  for (const pool of poolsByName(draft)) {
    const cidr = tryParseCidr(pool.spec.cidr);
    const range = poolRange(pool);
    if (!cidr || typeof range === "string" || !cidrContains(cidr, ip)) continue;
    const closed = whyClosed(pool, draft.use);
    if (closed) {
      const message = `${text} is in pool ${pool.metadata.name}, which gives nothing: ${closed}`;
      complain(draft, "addressing.addresses", message, undefined, path);
      return undefined;
    }
    const why = `${setting.annotation} asks for ${text}, which is in this pool`;
    draft.reasons.push({ text: why, object: setting.object }, chosen(pool));
    return { family: ip.family, pools: [bare(range)], address: formatIp(ip) };
  }
  complain(draft, "addressing.addresses", `${text} is in no pool`, undefined, path);
  return undefined;
}

/** Named pools skip the selectors, but must be open and of the right family. */
function namedPools(draft: Draft, family: Family, setting: Setting): PoolRange[] {
  const names = stringList(draft, setting, "pools");
  draft.reasons.push({
    text: `${setting.annotation} names ${names.join(", ") || "nothing"}`,
    object: setting.object,
  });
  if (names.length === 0 && draft.problems.length === 0)
    complain(draft, "addressing.pools", `${setting.annotation} names no pool`);
  return names.flatMap((name, at) => {
    const path = `${annotationPath(setting)}[${at}]`;
    const pool = poolsByName(draft).find((one) => one.metadata.name === name || one.spec.cidr === name);
    const why = pool ? whyUnfit(draft, pool, family) : "there is no such pool";
    if (pool && why === undefined) {
      draft.reasons.push(chosen(pool));
      return usable(pool);
    }
    complain(draft, "addressing.pools", `pool '${name}' cannot be used: ${why}`, undefined, path);
    return [];
  });
}

function whyUnfit(draft: Draft, pool: IPPool, family: Family): string | undefined {
  const range = poolRange(pool);
  if (typeof range !== "string" && range.family !== family) return `it is not an IPv${family} pool`;
  return whyClosed(pool, draft.use);
}

function offeredPools(draft: Draft, family: Family): PoolRange[] {
  const { pod, facts } = draft;
  const labels = facts.namespaces.get(pod.namespace)?.metadata.labels;
  const namespace = { name: pod.namespace, ...(labels ? { labels } : {}) };
  return poolsByName(draft).flatMap((pool) => {
    const range = poolRange(pool);
    // A pool whose range cannot be read is told of once, with the IPv4 ones.
    if (typeof range === "string" ? family === 6 : range.family !== family) return [];
    const why = whyClosed(pool, draft.use) ?? whyNotOffered(pool, draft.node, namespace);
    if (why === undefined) {
      draft.reasons.push(chosen(pool));
      return usable(pool);
    }
    draft.reasons.push({ text: `Pool ${pool.metadata.name} is left out: ${why}`, object: objectName(pool) });
    return [];
  });
}

function usable(pool: IPPool): PoolRange[] {
  const range = poolRange(pool);
  return typeof range === "string" ? [] : [bare(range)];
}

function bare({ name, cidr, blockSize }: PoolRange): PoolRange {
  return { name, cidr, blockSize };
}

function chosen(pool: IPPool): Reason {
  return { text: `Pool ${pool.metadata.name} (${pool.spec.cidr}) may be used`, object: objectName(pool) };
}

function objectName(pool: IPPool): string {
  return `IPPool/${pool.metadata.name}`;
}

function poolsByName(draft: Draft): IPPool[] {
  return [...draft.facts.pools.values()].toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

function noPool(draft: Draft): string {
  if (draft.facts.pools.size === 0) return "there is no IPPool";
  return draft.reasons.map((reason) => reason.text).join("; ");
}

function stringList(draft: Draft, setting: Setting, what: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(setting.value);
  } catch (error) {
    // What the user wrote is the only thing that can be wrong here; it is told as data.
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  const message = `${setting.annotation} must be a JSON list of ${what}, such as ["…"]; it is ${setting.value}`;
  complain(draft, "addressing.annotation", message, undefined, annotationPath(setting));
  return [];
}

function annotationPath(setting: Setting): string {
  return `metadata.annotations["${setting.annotation}"]`;
}

function complain(draft: Draft, code: string, message: string, hint?: string, path?: string): void {
  draft.problems.push({ code, message, ...(hint ? { hint } : {}), ...(path ? { path } : {}) });
}
