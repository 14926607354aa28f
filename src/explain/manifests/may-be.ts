// Which addresses a pod may get that has none yet.
import { type Pod, podIps } from "../../api/kinds/core.ts";
import { cidrRange, type Family, familyBits, type IpRange, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import { annotationNames } from "../../plan/addressing/choose.ts";
import { whyClosed, whyNotOffered } from "../../plan/addressing/pools.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";

const anyAddress = ([4, 6] as const).map(whole);

/**
 * Returns the ranges that a pod's address will be in, of the one family that comes first for it; of both where nothing
 * tells which one that is, since no pool is known. Empty where the pod has an address.
 * @param only where only one family is asked about
 */
export function mayBeOf(facts: ClusterFacts, pod: Pod, only?: Family): readonly IpRange[] {
  if (podIps(pod).length > 0) return [];
  const ranges = pod.spec.hostNetwork === true ? nodeRanges(facts, pod) : podRanges(facts, pod);
  const known = ranges.length > 0 ? ranges : anyAddress;
  const asked = known.filter(({ family }) => only === undefined || family === only);
  if (ranges.length === 0) return asked;
  const [first] = asked.toSorted((a, b) => a.family - b.family);
  return asked.filter(({ family }) => family === first?.family);
}

function nodeRanges({ nodes }: ClusterFacts, { spec }: Pod): IpRange[] {
  const meant = spec.nodeName === undefined ? [...nodes.values()] : [nodes.get(spec.nodeName)];
  return meant.flatMap((node) => (node ? nodeIps(node) : [])).flatMap((text) => single(text));
}

function podRanges(facts: ClusterFacts, pod: Pod): IpRange[] {
  const asked = stringsIn(pod.metadata.annotations?.[annotationNames.addresses]);
  if (asked) return asked.flatMap((text) => single(text));
  const namespace = facts.namespaces.get(pod.metadata.namespace ?? "default");
  return ([4, 6] as const).flatMap((family) => {
    const named = stringsIn(
      pod.metadata.annotations?.[annotationNames[family]] ??
        namespace?.metadata.annotations?.[annotationNames[family]],
    );
    return [...facts.pools.values()].flatMap((pool) => {
      const cidr = tryParseCidr(pool.spec.cidr);
      if (cidr?.family !== family || whyClosed(pool, "Workload") !== undefined) return [];
      const isOpen = named
        ? named.includes(pool.metadata.name) || named.includes(pool.spec.cidr)
        : isOffered(facts, pod, pool, namespace);
      return isOpen ? [cidrRange(cidr)] : [];
    });
  });
}

/** Whether some node that the pod may be on gets blocks of the pool for it. */
function isOffered(
  facts: ClusterFacts,
  { spec, metadata }: Pod,
  pool: Parameters<typeof whyNotOffered>[0],
  namespace: ReturnType<ClusterFacts["namespaces"]["get"]>,
): boolean {
  const nodes = [...facts.nodes.values()].filter(
    (node) => spec.nodeName === undefined || node.metadata.name === spec.nodeName,
  );
  const space = { name: metadata.namespace ?? "default", ...labelsOf(namespace) };
  // Manifests seldom tell of nodes: then there may be one that any selector wants.
  if (nodes.length === 0)
    return (
      pool.spec.assignmentMode !== "Manual" &&
      isOfferedIn({ ...pool, spec: { ...pool.spec, nodeSelector: "all()" } }, space)
    );
  return nodes.some(
    (node) => whyNotOffered(pool, { name: node.metadata.name, ...labelsOf(node) }, space) === undefined,
  );
}

function isOfferedIn(
  pool: Parameters<typeof whyNotOffered>[0],
  space: Parameters<typeof whyNotOffered>[2],
): boolean {
  return whyNotOffered(pool, { name: "" }, space) === undefined;
}

function labelsOf(
  object: { readonly metadata: { readonly labels?: Readonly<Record<string, string>> } } | undefined,
) {
  return object?.metadata.labels ? { labels: object.metadata.labels } : {};
}

/** Returns the strings of a JSON list; undefined where it is none, as an annotation that is refused counts for nothing. */
function stringsIn(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

function single(text: string): IpRange[] {
  const ip = tryParseIp(text);
  return ip ? [{ family: ip.family, first: ip.value, last: ip.value }] : [];
}

function whole(family: Family): IpRange {
  return { family, first: 0n, last: (1n << BigInt(familyBits(family))) - 1n };
}
