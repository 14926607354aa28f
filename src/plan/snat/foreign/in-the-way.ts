// Which foreign rules change what our plan promises: of all connections, not of some that were tried. The ends of every
// range that the rules and the plan name cut the addresses into cells, and one connection stands for all between two of
// them.
import {
  type Cidr,
  cidrRange,
  cidrsOverlap,
  type Family,
  formatIp,
  type IpRange,
  parseCidr,
  parseIp,
  rangeToCidrs,
  subtractRanges,
} from "../../../base/ip.ts";
import { getOrMake } from "../../policy/node/selector-index.ts";
import { decideSnat } from "../decide.ts";
import { linkLocal4, linkLocal6 } from "../masq-types.ts";
import { NAT_PRIORITY } from "../nft.ts";
import type { SnatPlan } from "../types.ts";
import { cellsOf, isIn } from "./cells.ts";
import { type ExitLink, type Outcomes, type Places, SetWalk } from "./set-walk.ts";
import type { ForeignChain, ForeignRule, ForeignRules } from "./types.ts";

/** A route of the node, as far as it says by which link packets leave. */
export interface Exit {
  readonly destination: Cidr;
  readonly link: ExitLink;
}

/** Never sent from one machine to another (RFC 6890), so nobody translates them; also those to many at once. */
const neverSent = {
  4: ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32"],
  6: ["::/127", "fe80::/10", "ff00::/8"],
} as const;

/**
 * Returns the rules that translate a connection which the plan leaves as it is, or otherwise than the plan does: true
 * where some connection surely comes to the rule, null where it depends on what is not known.
 * @param exits the node's routes; without them only rules that ask for an outgoing link are uncertain
 */
export function rulesInTheWay(
  plan: SnatPlan,
  foreign: ForeignRules,
  exits?: readonly Exit[],
): ReadonlyMap<ForeignRule, true | null> {
  const out = new Map<ForeignRule, true | null>();
  for (const family of [4, 6] as const) new Search(plan, foreign, family, exits).into(out);
  return out;
}

class Search {
  readonly #plan: SnatPlan;
  readonly #foreign: ForeignRules;
  readonly #family: Family;
  readonly #cells: readonly IpRange[];
  readonly #hooked: readonly ForeignChain[];
  /** By cell: whether it is pods', and the node itself. */
  readonly #isPods: readonly boolean[];
  readonly #isNode: readonly boolean[];
  readonly #destinations: Places;
  readonly #exits: readonly ExitLink[];
  readonly #promises = new Map<number, { readonly kept: Places; readonly masqueraded: Places }>();

  constructor(plan: SnatPlan, foreign: ForeignRules, family: Family, exits: readonly Exit[] | undefined) {
    this.#plan = plan;
    this.#foreign = foreign;
    this.#family = family;
    this.#hooked = foreign.chains
      .filter((chain) => chain.hook === "postrouting" && chain.type === "nat")
      .toSorted((a, b) => (a.priority ?? 0) - (b.priority ?? 0));
    const never = neverSent[family].map((text) => cidrRange(parseCidr(text)));
    const pods = podRanges(plan, family);
    const node = plan.nodeAddresses.map((text) => single(text));
    const named = [...namedRanges(plan, foreign, family), ...pods, ...node, ...never];
    const cells = cellsOf(family, [...named, ...(exits ?? []).map((exit) => cidrRange(exit.destination))]);
    this.#cells = cells.filter((cell) => !never.some((range) => isIn(cell, range)));
    this.#isPods = this.#cells.map((cell) => pods.some((range) => isIn(cell, range)));
    this.#isNode = this.#cells.map((cell) => node.some((range) => isIn(cell, range)));
    const routes = exits?.filter(({ destination }) => destination.family === family);
    this.#exits = this.#cells.map((cell) => (routes ? exitOf(routes, cell) : "unknown"));
    this.#destinations = places(this.#cells, (_, at) => !this.#isNode[at] && this.#exits[at] !== "nowhere");
  }

  into(out: Map<ForeignRule, true | null>): void {
    if (this.#hooked.length === 0) return;
    const toPods = places(this.#cells, (_, at) => this.#isPods[at] === true) & this.#destinations;
    const walk = new SetWalk(this.#foreign, this.#cells, this.#exits, (rule) => this.#isOwnSource(rule));
    const early = this.#hooked.filter(({ priority = 0 }) => priority < NAT_PRIORITY);
    const late = this.#hooked.filter(({ priority = 0 }) => priority >= NAT_PRIORITY);
    const protocols = protocolsOf(this.#foreign);
    const orders = turned(early).flatMap((first) => turned(late).map((then) => [first, then] as const));
    for (const [at, source] of this.#cells.entries()) {
      // Nothing leaves for itself; a cell of several addresses has two of them.
      const self = source.first === source.last ? 1n << BigInt(at) : 0n;
      const to = (this.#isPods[at] ? this.#destinations : toPods) & ~self;
      if (to === 0n) continue;
      for (const protocol of protocols) {
        for (const [first, then] of orders) {
          const before = walk.walk(first, { source, protocol }, to);
          const after = walk.walk(then, { source, protocol }, before.passed);
          const surely = inOneWayOnly([
            ...before.translated.values(),
            ...after.translated.values(),
            before.dropped | after.dropped,
            after.passed,
          ]);
          this.#judge({ at, outcomes: before, isBefore: true, surely }, out);
          this.#judge({ at, outcomes: after, isBefore: false, surely }, out);
        }
      }
    }
  }

  #judge({ at, outcomes, isBefore, surely }: Walked, out: Map<ForeignRule, true | null>): void {
    for (const [rule, all] of outcomes.translated) {
      if (out.get(rule) === true) continue;
      const isMasquerade = rule.target.type === "masquerade";
      // The node's own calls get another one of its own addresses at most.
      if (this.#isNode[at] && isMasquerade) continue;
      // Another program's own containers may call pods as it likes.
      const spared = this.#isPods[at] ? 0n : (outcomes.ofOwnSource.get(rule) ?? 0n);
      const { kept, masqueraded } = this.#promised(at);
      // What we translate nobody translates again; who stands before us has translated it already.
      const otherwise = isBefore ? ~(isMasquerade ? masqueraded : 0n) : kept;
      const changed = all & ~spared & otherwise;
      if ((changed & surely) !== 0n) out.set(rule, true);
      else if (changed !== 0n && !out.has(rule)) out.set(rule, null);
    }
  }

  /** Returns the destinations towards which the plan leaves a sender's address as it is, or masquerades it. */
  #promised(at: number): { readonly kept: Places; readonly masqueraded: Places } {
    return getOrMake(this.#promises, at, () => {
      const source = textOf((this.#cells[at] as IpRange).first, this.#family);
      const actions = this.#cells.map(
        ({ last }) => decideSnat(this.#plan, { source, destination: textOf(last, this.#family) }).action,
      );
      return {
        kept: places(this.#cells, (_, to) => actions[to] === "None"),
        masqueraded: places(this.#cells, (_, to) => actions[to] === "Masquerade"),
      };
    });
  }

  /** Whether a rule is about a range of sources that is neither pods' nor the node's network: some bridge's own. */
  #isOwnSource({ match: { source, destination } }: ForeignRule): boolean {
    if (!source || source.not || source.value.length === 0) return false;
    const cell = cidrRange(source.value);
    const holdsNode = this.#plan.nodeAddresses.some((text) => isIn(single(text), cell));
    const touchesPods = podRanges(this.#plan, source.value.family).some((range) => overlap(range, cell));
    // Who names pods as the destination means them.
    const meansPods =
      destination !== undefined &&
      !destination.not &&
      podRanges(this.#plan, destination.value.family).some((range) =>
        rangeToCidrs(range).some((cidr) => cidrsOverlap(cidr, destination.value)),
      );
    return !holdsNode && !touchesPods && !meansPods;
  }
}

/**
 * Returns the orders in which a hook's chains may be called, so that each of those with one priority is the first of them
 * in some: the kernel calls first who was registered first, which nobody can see (iptables' two variants, and nftables'
 * chains for source translation, all stand at 100).
 */
function turned(chains: readonly ForeignChain[]): readonly (readonly ForeignChain[])[] {
  const groups = [...Map.groupBy(chains, ({ priority = 0 }) => priority).values()];
  const most = Math.max(1, ...groups.map(({ length }) => length));
  return Array.from({ length: most }, (_, by) =>
    groups.flatMap((group) => [...group.slice(by % group.length), ...group.slice(0, by % group.length)]),
  );
}

/** One sender's walk through the chains before ours, or through those after it. */
interface Walked {
  readonly at: number;
  readonly outcomes: Outcomes;
  readonly isBefore: boolean;
  /** The destinations of which it is known what becomes of them. */
  readonly surely: Places;
}

/** Returns the destinations that are in one of these sets and in no other. */
function inOneWayOnly(endings: readonly Places[]): Places {
  let [once, twice] = [0n, 0n];
  for (const one of endings) {
    twice |= once & one;
    once |= one;
  }
  return once & ~twice;
}

function textOf(value: bigint, family: Family): string {
  return formatIp({ family, value });
}

function places(cells: readonly IpRange[], holds: (cell: IpRange, at: number) => boolean): Places {
  return cells.reduce((set, cell, at) => (holds(cell, at) ? set | (1n << BigInt(at)) : set), 0n);
}

function exitOf(routes: readonly Exit[], cell: IpRange): ExitLink {
  let best: Exit | undefined;
  for (const route of routes)
    if (
      isIn(cell, cidrRange(route.destination)) &&
      (!best || route.destination.length > best.destination.length)
    )
      best = route;
  return best?.link ?? "nowhere";
}

/** Returns every range by which the rules or the plan tell addresses apart. */
function namedRanges(plan: SnatPlan, foreign: ForeignRules, family: Family): IpRange[] {
  const { config } = plan.config;
  const clauses = [...plan.pods.values()].flatMap((pod) => pod.clauses);
  const cidrs = [
    ...(config?.nonMasquerade ?? []).map(({ cidr }) => cidr),
    ...(config?.masquerade ?? []).map(({ cidr }) => cidr),
    ...[linkLocal4, linkLocal6].map((text) => parseCidr(text)),
    ...clauses.flatMap(({ destinations }) => (destinations === "all" ? [] : destinations)),
    ...foreign.chains.flatMap(({ rules }) =>
      rules.flatMap(({ match }) => [match.source?.value ?? [], match.destination?.value ?? []].flat()),
    ),
  ];
  return cidrs.filter((cidr) => cidr.family === family).map((cidr) => cidrRange(cidr));
}

function podRanges(plan: SnatPlan, family: Family): IpRange[] {
  return [
    ...plan.inside[family],
    ...plan.ranges[family].map(({ first, last }) => ({ family, first, last })),
    // The node itself may be a machine of the subnet.
    ...plan.subnets[family].flatMap(({ first, last }) =>
      subtractRanges(
        { family, first, last },
        plan.nodeAddresses.map((text) => single(text)).filter((one) => one.family === family),
      ),
    ),
    ...[...plan.pods.keys()].map((text) => single(text)).filter((range) => range.family === family),
  ];
}

function single(text: string): IpRange {
  const { family, value } = parseIp(text);
  return { family, first: value, last: value };
}

function overlap(a: IpRange, b: IpRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** The protocols that rules name, and one that none of them does. */
function protocolsOf(foreign: ForeignRules): (string | undefined)[] {
  const named = foreign.chains.flatMap(({ rules }) => rules.map(({ match }) => match.protocol?.value));
  return [...new Set([undefined, ...named])];
}
