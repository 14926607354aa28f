// SourceNAT objects made ready: ordered, parsed, bad rules left out and reported.
import type { LabelSelector, Node } from "../../api/kinds/core.ts";
import type { SourceNAT, SourceNatRule } from "../../api/kinds/source-nat.ts";
import { matchesSelector } from "../../api/selectors/selectors.ts";
import { isError, wording } from "../../base/errors.ts";
import {
  type Cidr,
  cidrRange,
  formatIp,
  type Ip,
  type IpRange,
  parseCidr,
  rangeToCidrs,
  tryParseCidr,
  tryParseIp,
} from "../../base/ip.ts";
import type { Problem } from "../../base/problem.ts";
import type { ClusterFacts } from "../facts.ts";
import { egressOwners } from "./egress-owners.ts";
import { byName } from "./ranges.ts";

/** A rule that is fit for use. */
export interface ReadyRule {
  readonly name: string;
  readonly path: string;
  readonly namespaceSelector: LabelSelector | undefined;
  readonly podSelector: LabelSelector | undefined;
  readonly destinations: readonly Cidr[] | "all";
  readonly action:
    | { readonly type: "none" }
    | { readonly type: "masquerade" }
    /** Addresses of the pod's own node. */
    | { readonly type: "own"; readonly ranges: readonly IpRange[] }
    /** Single addresses, each held by one of the candidates. */
    | {
        readonly type: "egress";
        readonly addresses: readonly IpRange[];
        readonly candidates: readonly string[];
        /** Of these, those that nobody may take, with the reason; by their text. */
        readonly refused: ReadonlyMap<string, string>;
      };
  /** address → node, as the object's status has it. */
  readonly holders: ReadonlyMap<string, string>;
}

export type ObjectProblem = Problem & { readonly object: string };

/** An address range this large or larger cannot be held address by address. */
const maxEgressAddresses = 256n;

/** Returns the rules of all SourceNAT objects in the order in which they are asked. */
export function readSourceNats(facts: ClusterFacts): { rules: ReadyRule[]; problems: ObjectProblem[] } {
  const problems: ObjectProblem[] = [];
  const ownerOf = egressOwners(facts);
  const rules = byName(facts.sourceNats)
    .toSorted((a, b) => priorityOf(a) - priorityOf(b))
    .flatMap((object) => {
      const holders = new Map(object.status?.holders?.map(({ address, node }) => [address, node]));
      return (object.spec.rules ?? []).flatMap((rule, index) => {
        const name = object.metadata.name;
        const ready = readRule(rule, name, `spec.rules[${index}]`, holders, facts, ownerOf);
        if ("code" in ready) {
          problems.push(ready);
          return [];
        }
        problems.push(...refusedProblems(ready));
        return [ready];
      });
    });
  return { rules, problems };
}

function priorityOf(object: SourceNAT): number {
  return typeof object.spec.priority === "number" ? object.spec.priority : 100;
}

function readRule(
  rule: SourceNatRule,
  name: string,
  path: string,
  holders: ReadonlyMap<string, string>,
  facts: ClusterFacts,
  ownerOf: (ip: Ip) => string | undefined,
): ReadyRule | ObjectProblem {
  const bad = (text: string, why: string, at: string): ObjectProblem => ({
    code: "snat.rule-range",
    message: wording("snat.rule-range", { object: name, text, why }),
    object: `SourceNAT/${name}`,
    path: `${path}.${at}`,
  });
  const destinations: Cidr[] = [];
  for (const [index, text] of (rule.destinations ?? []).entries()) {
    const cidr = tryParseCidr(text);
    if (!cidr) return bad(text, whyNot(text), `destinations[${index}]`);
    destinations.push(cidr);
  }
  const action = readAction(rule, facts, ownerOf, bad);
  if ("code" in action) return action;
  return {
    name,
    path,
    namespaceSelector: rule.namespaceSelector,
    podSelector: rule.podSelector,
    destinations: destinations.length > 0 ? destinations : "all",
    action,
    holders,
  };
}

function readAction(
  rule: SourceNatRule,
  facts: ClusterFacts,
  ownerOf: (ip: Ip) => string | undefined,
  bad: (text: string, why: string, at: string) => ObjectProblem,
): ReadyRule["action"] | ObjectProblem {
  const { action } = rule;
  if (action.type === "None") return { type: "none" };
  if (action.type === "Masquerade") return { type: "masquerade" };
  if (action.type !== "Address")
    return bad(String((action as { type: unknown }).type), "is no action", "action.type");
  const ranges: IpRange[] = [];
  for (const [index, text] of ((action.addresses as readonly string[] | undefined) ?? []).entries()) {
    const range = readAddresses(text);
    if (!range)
      return bad(text, "is not an address, a range first-last or a CIDR", `action.addresses[${index}]`);
    ranges.push(range);
  }
  if (ranges.length === 0) return bad("[]", "names no address", "action.addresses");
  const { egressNodes } = action;
  if (egressNodes === undefined) return { type: "own", ranges };
  const large = ranges.find((range) => range.last - range.first >= maxEgressAddresses);
  if (large)
    return bad(rangeText(large), `has more than ${maxEgressAddresses} addresses`, "action.addresses");
  const addresses = ranges.flatMap(singles);
  const refused = new Map(
    addresses.flatMap((range) => {
      const why = ownerOf({ family: range.family, value: range.first });
      return why === undefined ? [] : [[rangeText(range), why] as const];
    }),
  );
  return { type: "egress", addresses, candidates: candidatesOf(egressNodes, facts), refused };
}

/** Egress addresses that somebody has, or nobody can have: the rule goes on without them. */
function refusedProblems({ name, path, action }: ReadyRule): ObjectProblem[] {
  if (action.type !== "egress") return [];
  return [...action.refused].map(([address, why]) => ({
    code: "snat.egress-refused",
    message: wording("snat.egress-refused", { object: name, address, why }),
    object: `SourceNAT/${name}`,
    path: `${path}.action.addresses`,
  }));
}

function candidatesOf(selector: LabelSelector, facts: ClusterFacts): readonly string[] {
  return byName<Node>(facts.nodes)
    .filter((node) => matchesSelector(selector, node.metadata.labels))
    .map((node) => node.metadata.name);
}

/** Reads `A`, `A-B` or `A/LENGTH`. */
function readAddresses(text: string): IpRange | undefined {
  const cidr = tryParseCidr(text);
  if (cidr) return cidrRange(cidr);
  const [first, last = first, ...rest] = text.split("-").map((part) => tryParseIp(part));
  if (!first || !last || rest.length > 0) return undefined;
  if (first.family !== last.family || first.value > last.value) return undefined;
  return { family: first.family, first: first.value, last: last.value };
}

function singles(range: IpRange): IpRange[] {
  const out: IpRange[] = [];
  for (let value = range.first; value <= range.last; value++) {
    out.push({ family: range.family, first: value, last: value });
  }
  return out;
}

/** Returns `A` or `A-B`, as nft writes addresses to translate to. */
export function rangeText(range: IpRange): string {
  const first = formatIp({ family: range.family, value: range.first });
  return range.first === range.last
    ? first
    : `${first}-${formatIp({ family: range.family, value: range.last })}`;
}

/** Returns `A/LENGTH` where the range is one, else `A-B`. */
export function rangeName(range: IpRange): string {
  const [only, ...more] = rangeToCidrs(range);
  return only && more.length === 0 && range.first !== range.last
    ? `${formatIp({ family: range.family, value: only.base })}/${only.length}`
    : rangeText(range);
}

function whyNot(text: string): string {
  try {
    parseCidr(text);
  } catch (error) {
    if (isError(error, "base.cidr")) return `is not a range (${error.data.why})`;
    throw error;
  }
  return "is not a range";
}
