// What the kernel counted of refusals: by pod and direction exactly, and what has no pod by its place.
import type { Nft } from "../../kernel/kernel.ts";
import { STAGE_TABLE } from "../../kernel/own-tables.ts";
import { DENIED_SETS, REFUSED_SET } from "../../plan/policy/nft/refusals.ts";
import { type Direction, directions } from "../../plan/policy/types.ts";

export interface Count {
  readonly packets: number;
  readonly bytes: number;
}

export interface LinkCount extends Count {
  /** The host's end of a pod's wire. */
  readonly link: string;
  /** guard: what the pod sent that it may never send. */
  readonly by: Direction | "guard";
}

export interface DeniedCounts {
  readonly links: readonly LinkCount[];
  /** By chain: what no pod is charged with alone. */
  readonly chains: ReadonlyMap<string, Count>;
}

const chains = ["pod-refused-source", "pod-refused-target", "policy-stray", "policy-cut"] as const;

const perDirection = directions.map((direction) => [DENIED_SETS[direction], direction] as const);

/** Reads them; what is not there has counted nothing. @throws `kernel.nft` */
export async function readDeniedCounts(nft: Pick<Nft, "list">): Promise<DeniedCounts> {
  const links = await readLinks(nft, "trunkline", [...perDirection, [REFUSED_SET, "guard"]]);
  const byChain = new Map<string, Count>();
  for (const chain of chains) {
    const count = readRules(await nft.list(`list chain inet trunkline ${chain}`));
    if (count) byChain.set(chain, count);
  }
  return { links, chains: byChain };
}

/** Reads what staged policies would have refused. @throws `kernel.nft` */
export async function readStagedCounts(nft: Pick<Nft, "list">): Promise<DeniedCounts> {
  return { links: await readLinks(nft, STAGE_TABLE, perDirection), chains: new Map() };
}

async function readLinks(
  nft: Pick<Nft, "list">,
  table: string,
  sets: readonly (readonly [string, LinkCount["by"]])[],
): Promise<LinkCount[]> {
  const links: LinkCount[] = [];
  for (const [set, by] of sets)
    for (const { link, count } of readElements(await nft.list(`list set inet ${table} ${set}`)))
      links.push({ link, by, ...count });
  return links;
}

type Listing = readonly Record<string, unknown>[] | undefined;

function readElements(listing: Listing): { link: string; count: Count }[] {
  return (listing ?? [])
    .flatMap((item) => {
      const elements = inside(item["set"], "elem");
      return Array.isArray(elements) ? (elements as unknown[]) : [];
    })
    .flatMap((element) => {
      const link = inside(inside(element, "elem"), "val");
      const count = countOf(inside(inside(element, "elem"), "counter"));
      return typeof link === "string" && count ? [{ link, count }] : [];
    });
}

/** The counter of a chain; ours have one. */
function readRules(listing: Listing): Count | undefined {
  for (const item of listing ?? []) {
    const expressions = inside(item["rule"], "expr");
    if (!Array.isArray(expressions)) continue;
    for (const one of expressions as unknown[]) {
      const count = countOf(inside(one, "counter"));
      if (count) return count;
    }
  }
  return undefined;
}

function countOf(counter: unknown): Count | undefined {
  const [packets, bytes] = [inside(counter, "packets"), inside(counter, "bytes")];
  return typeof packets === "number" && typeof bytes === "number" ? { packets, bytes } : undefined;
}

function inside(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
