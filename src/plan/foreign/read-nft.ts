// Reads nft's JSON (libnftables-json(5)) of tables that are not ours for following packets. What is not known is a step of
// its own: the packet then goes on or does not.
import { asList, asObject, type Json } from "./nft-json.ts";
import { addressRange, orOf, portsOf, subjectsOf, tcpFlagsOf, tupleOf } from "./nft-operands.ts";
import {
  type Chain,
  exactly,
  type Hook,
  hooks,
  type Match,
  type Rejection,
  type Rule,
  type Step,
  type Subject,
  type Verdict,
} from "./types.ts";

/**
 * Returns the chains of `nft -j list …` output's `nftables` array.
 * @param texts nft's own text of each rule, by `family table` and handle
 */
export function readNft(
  objects: readonly Json[],
  texts: (table: string, handle: number) => string | undefined = () => undefined,
): Chain[] {
  const chains = new Map<string, Chain & { rules: Rule[] }>();
  const sets = new Map<string, readonly unknown[]>();
  const full = new Set<string>();
  for (const object of objects) {
    const chain = asObject(object["chain"]);
    if (chain) addChain(chains, chain);
    const set = asObject(object["set"] ?? object["map"]);
    if (!set) continue;
    const name = `${tableOf(set)} ${String(set["name"])}`;
    const elements = asList(set["elem"]);
    if (!isRationed(set)) sets.set(name, elements);
    if (typeof set["size"] === "number" && elements.length >= set["size"]) full.add(name);
  }
  // nft's JSON does not say which sets are dynamic: those that some rule writes to are.
  for (const object of objects) for (const name of writtenSets(asObject(object["rule"]))) sets.delete(name);
  for (const object of objects) {
    const rule = asObject(object["rule"]);
    const owner = rule && chains.get(`nft ${tableOf(rule)} ${String(rule["chain"])}`);
    if (!rule || !owner) continue;
    const table = tableOf(rule);
    const text = texts(table, Number(rule["handle"])) ?? JSON.stringify(rule["expr"]);
    const steps = new Reader(table, sets, full).read(asList(rule["expr"]));
    owner.rules.push({ name: `${owner.title}: ${text}`, steps });
  }
  return [...chains.values()];
}

/** Elements with a limit or a quota of their own are found, or are not. */
function isRationed(set: Json): boolean {
  const rationing = (one: unknown) => Object.keys(asObject(one) ?? {}).some((key) => !harmlessParts.has(key));
  const elements = asList(set["elem"]).map((one) => asObject(one)?.["elem"]);
  return [...asList(set["stmt"]), ...elements].some(rationing);
}

const verdicts = ["accept", "drop", "return", "continue", "jump", "goto"] as const;

/** What an element may carry without being found less often. */
const harmlessParts = new Set(["val", "timeout", "expires", "comment", "counter", "last"]);

/** Returns the sets, by table and name, that packets which meet a rule put themselves into, or are taken out of. */
function writtenSets(rule: Json | undefined): string[] {
  return asList(rule?.["expr"]).flatMap((raw) => {
    const written = asObject(asObject(raw)?.["set"] ?? asObject(raw)?.["map"]);
    const name = written?.["set"] ?? written?.["map"];
    return rule && typeof name === "string" ? [`${tableOf(rule)} ${name.replace(/^@/, "")}`] : [];
  });
}

function tableOf(object: Json): string {
  return `${String(object["family"])} ${String(object["table"])}`;
}

function addChain(chains: Map<string, Chain & { rules: Rule[] }>, chain: Json): void {
  const family = String(chain["family"]);
  const title = `nft ${tableOf(chain)} ${String(chain["name"])}`;
  const hook = hooks.find((one) => one === chain["hook"]);
  const { type, prio } = chain;
  const isBase = hook !== undefined && (type === "filter" || type === "nat" || type === "route");
  chains.set(title, {
    key: title,
    title,
    families: family === "ip" ? [4] : family === "ip6" ? [6] : [4, 6],
    ...(isBase && {
      base: { type, hook: hook satisfies Hook, priority: typeof prio === "number" ? prio : 0 },
    }),
    policy: chain["policy"] === "drop" ? "drop" : "accept",
    rules: [],
  });
}

class Reader {
  readonly #table: string;
  readonly #sets: ReadonlyMap<string, readonly unknown[]>;
  /** Sets that take no further element. */
  readonly #full: ReadonlySet<string>;

  constructor(table: string, sets: ReadonlyMap<string, readonly unknown[]>, full: ReadonlySet<string>) {
    this.#table = table;
    this.#sets = sets;
    this.#full = full;
  }

  read(expressions: readonly unknown[]): Step[] {
    return expressions.flatMap((raw): Step[] => {
      const [kind = "", body] = Object.entries(asObject(raw) ?? {})[0] ?? [];
      const step = this.#step(kind, body) ?? { type: "opaque", text: JSON.stringify(raw) };
      const family = kind === "reject" ? familyOfError(body) : undefined;
      return family === undefined ? [step] : [family, step];
    });
  }

  #step(kind: string, raw: unknown): Step | undefined {
    const body = asObject(raw) ?? {};
    switch (kind) {
      case "match":
        return this.#match(body) ?? { type: "unknown-match", text: JSON.stringify(body) };
      case "counter":
      case "log":
      case "comment":
      case "last":
        return { type: "nothing" };
      case "set":
        // A set that is full ends the rule, as a limit of its elements does.
        return body["op"] !== "delete" && (this.#full.has(this.#nameOf(body["set"])) || isRationed(body))
          ? { type: "unknown-match", text: JSON.stringify({ set: body }) }
          : { type: "nothing" };
      case "limit":
        return { type: "unknown-match", text: JSON.stringify({ limit: body }) };
      case "accept":
      case "drop":
      case "return":
      case "continue":
      case "jump":
      case "goto":
        return this.#verdict(kind, body);
      case "vmap":
        return this.#map(body, (verdict) => this.#verdictOf(verdict));
      case "reject":
        return { type: "reject", as: rejection(body) };
      case "masquerade":
        return { type: "masquerade" };
      case "snat":
        return translation("snat", body);
      case "dnat":
        return this.#drawn(body) ?? translation("dnat", body);
      case "redirect": {
        const ports = portsOf(body["port"]);
        return body["port"] !== undefined && !ports
          ? undefined
          : { type: "redirect", ...(ports && { ports }) };
      }
      case "mangle":
        return mangle(body);
      default:
        return undefined;
    }
  }

  #verdict(kind: Verdict["type"], body: Json): Verdict {
    if (kind === "jump" || kind === "goto")
      return { type: kind, chain: `nft ${this.#table} ${String(body["target"])}` };
    return { type: kind };
  }

  #verdictOf(raw: unknown): Verdict | undefined {
    const [kind = "", body] = Object.entries(asObject(raw) ?? {})[0] ?? [];
    const known = verdicts.find((one) => one === kind);
    return known && this.#verdict(known, asObject(body) ?? {});
  }

  #match(body: Json): Match | undefined {
    const { op, left, right } = body;
    const header = asObject(asObject(left)?.["exthdr"]);
    // No packet that is asked about has one (rt, frag, …), and without it nothing of it holds, nor its opposite.
    if (header && op === "==")
      return {
        type: "match",
        subjects: [{ of: "family" }],
        tuples: [],
        not: header["field"] === undefined && right === false,
      };
    const subjects = subjectsOf(left);
    const [bits] = subjects?.length === 1 ? subjects : [];
    if (bits?.of === "tcp-flags" && (op === "in" || op === "!")) {
      const mask = tcpFlagsOf(right);
      // Any of them.
      const some = { first: 1n, last: 0xffn };
      return mask === undefined
        ? undefined
        : { type: "match", subjects: [{ of: "tcp-flags", mask }], tuples: [[some]], not: op === "!" };
    }
    // Compared with all that a connection's status says, which is more than that it was translated (nf_nat_core.c).
    if (subjects?.some(({ of }) => of === "status") && (op !== "in" || subjects.length > 1)) return undefined;
    if (bits?.of === "state" && op === "!") {
      const none = this.#tuples(subjects!, right);
      return none && { type: "match", subjects: subjects!, tuples: none, not: true };
    }
    // Several states are compared as one number, and a packet has but one: `ct state != established,related` always holds.
    if (bits?.of === "state" && op !== "in" && (Array.isArray(right) || orOf(right)))
      return op === "==" || op === "!="
        ? { type: "match", subjects: subjects!, tuples: [], not: op === "!=" }
        : undefined;
    if (op !== "==" && op !== "!=" && op !== "in") return undefined;
    const tuples = subjects && this.#tuples(subjects, right);
    return subjects && tuples && { type: "match", subjects, tuples, not: op === "!=" };
  }

  /** A destination by lot, as kube-proxy chooses a Service's endpoints. */
  #drawn(body: Json): Step | undefined {
    const map = asObject(asObject(body["addr"])?.["map"]);
    const read = (to: unknown) => {
      const pair = asObject(to)?.["concat"];
      const [addr, port = body["port"]] = Array.isArray(pair) ? (pair as readonly unknown[]) : [to];
      return translation("dnat", port === undefined ? { addr } : { addr, port });
    };
    return map && this.#map(map, read);
  }

  /** Reads a map by a number that is drawn, or that goes round: each of its values has an element. */
  #lot(key: unknown, data: unknown, read: (value: unknown) => Step | undefined): Step | undefined {
    const numgen = asObject(asObject(key)?.["numgen"]);
    const elements = this.#elements(data);
    if (!numgen || !elements || elements.length !== numgen["mod"]) return undefined;
    const pairs = elements.map(asList);
    const first = Number(numgen["offset"] ?? 0);
    const drawn = new Set(pairs.map(([number]) => number));
    if (pairs.some((_, at) => !drawn.has(first + at))) return undefined;
    const steps = pairs.map(([, value]) => read(value));
    return steps.every((step) => step !== undefined) ? { type: "lot", steps } : undefined;
  }

  /** Reads a map by lot, or by something of the packet, of which `read` reads what it leads to. */
  #map({ key, data }: Json, read: (value: unknown) => Step | undefined): Step | undefined {
    const lot = this.#lot(key, data, read);
    if (lot) return lot;
    const subjects = this.#keyOf(key);
    const elements = this.#elements(data);
    if (!subjects || !elements) return undefined;
    const entries = elements.map((raw) => {
      const [wanted, to] = asList(raw);
      const values = tupleOf(subjects, wanted);
      const step = read(to);
      return values && step ? { values, step } : undefined;
    });
    return entries.every((entry) => entry !== undefined) ? { type: "map", subjects, entries } : undefined;
  }

  /** A connection's status has more bits than rules name, and is looked up with all of them. */
  #keyOf(key: unknown): readonly Subject[] | undefined {
    const subjects = subjectsOf(key);
    return subjects?.some(({ of }) => of === "status") ? undefined : subjects;
  }

  #nameOf(set: unknown): string {
    return `${this.#table} ${String(set).replace(/^@/, "")}`;
  }

  /** Returns the elements of a set that is written out or named; undefined: not known. */
  #elements(right: unknown): readonly unknown[] | undefined {
    if (typeof right === "string" && right.startsWith("@")) return this.#sets.get(this.#nameOf(right));
    const set = asObject(right)?.["set"];
    return set === undefined ? undefined : Array.isArray(set) ? (set as readonly unknown[]) : [set];
  }

  #tuples(subjects: readonly Subject[], right: unknown): Match["tuples"] | undefined {
    // States are tested for any of them; a list of them stands where a set of values would. TCP's flags are one number.
    const isFlags = subjects[0]?.of === "tcp-flags";
    const listed = Array.isArray(right) && !isFlags ? (right as readonly unknown[]) : undefined;
    const tuples = (this.#elements(right) ?? listed ?? [right]).map((one) => tupleOf(subjects, one));
    return tuples.every((one) => one !== undefined) ? tuples : undefined;
  }
}

function translation(type: "snat" | "dnat", body: Json): Step | undefined {
  const to = addressRange(body["addr"]);
  const ports = portsOf(body["port"]);
  if (type === "dnat" && body["addr"] === undefined && ports) return { type, ports };
  if (!to || (body["port"] !== undefined && !ports)) return undefined;
  return type === "snat" ? { type, to } : { type, to, ...(ports && { ports }) };
}

function rejection({ type, expr }: Json): Rejection {
  if (type === "tcp reset") return "reset";
  return type === undefined || /^(port-unreachable|prot-unreachable)$/.test(String(expr))
    ? "refused"
    : "unreachable";
}

/** In family inet nft asks for the family of which an error message is, and does not print that. */
function familyOfError(raw: unknown): Match | undefined {
  const type = asObject(raw)?.["type"];
  if (type !== "icmp" && type !== "icmpv6") return undefined;
  return {
    type: "match",
    subjects: [{ of: "family" }],
    tuples: [[exactly(type === "icmp" ? 4 : 6)]],
    not: false,
  };
}

function mangle({ key, value }: Json): Step {
  const written = asObject(key);
  if (asObject(written?.["meta"])?.["key"] !== "mark")
    return isHarmless(written)
      ? { type: "nothing" }
      : { type: "opaque", text: JSON.stringify({ mangle: key }) };
  if (typeof value === "number") return { type: "mark", and: 0, xor: value };
  const [left, right] = asList(asObject(value)?.["|"]);
  const isMark = (one: unknown) => asObject(asObject(one)?.["meta"])?.["key"] === "mark";
  if (isMark(left) && typeof right === "number") return { type: "mark", and: ~right >>> 0, xor: right };
  const [flipped, bits] = asList(asObject(value)?.["^"]);
  if (isMark(flipped) && typeof bits === "number") return { type: "mark", and: 0xffffffff, xor: bits };
  const [kept, mask] = asList(asObject(value)?.["&"]);
  if (isMark(kept) && typeof mask === "number") return { type: "mark", and: mask, xor: 0 };
  return { type: "mark-unknown" };
}

/** Written to, it does not change where a packet goes: its priority, its tracing, the connection's mark, the largest segment. */
function isHarmless(written: Json | undefined): boolean {
  const meta = asObject(written?.["meta"])?.["key"];
  const ct = asObject(written?.["ct"])?.["key"];
  const option = asObject(written?.["tcp option"])?.["name"];
  return meta === "priority" || meta === "nftrace" || ct === "mark" || ct === "label" || option === "maxseg";
}
