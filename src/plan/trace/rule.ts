// nft(8)'s language, as far as our own rules use it, in the form that we write and in the one that `nft list` prints.
// It shares no code with the writers, so that each can check the other; what it does not know it refuses.
import { NotUnderstood } from "./packet.ts";

export type Verdict =
  | { readonly do: "accept" | "drop" | "return" | "reject" }
  | { readonly do: "jump" | "goto"; readonly chain: string };

/** Values as they are written: a name or number, a range, a prefix; or the name of a set. */
export type Operand =
  | { readonly set: string }
  | { readonly anyOf: readonly string[] }
  /** `field & mask` compared with a value; both as written, flags by their names. */
  | { readonly mask: readonly string[]; readonly is: readonly string[] }
  /** `field & (these) == 0`. */
  | { readonly noneOf: readonly string[] };

export type Expression =
  | {
      readonly type: "match";
      readonly fields: readonly string[];
      readonly not: boolean;
      readonly to: Operand;
    }
  | { readonly type: "vmap"; readonly fields: readonly string[]; readonly map: MapOperand }
  | {
      readonly type: "set-priority";
      readonly from: { readonly field: string; readonly map: string } | "none";
    }
  | { readonly type: "set-mark"; readonly and: number; readonly or: number }
  | { readonly type: "translate"; readonly text: string }
  | { readonly type: "counter" }
  /** Tells somebody of the packet, and does nothing to it. */
  | { readonly type: "log" }
  | { readonly type: "verdict"; readonly verdict: Verdict };

export type MapOperand =
  | { readonly set: string }
  | { readonly entries: readonly (readonly [key: string, verdict: string])[] };

const token = /"[^"]*"|@nh,\d+,\d+|@[\w.-]+|!=|==|[{}(),|&!]|[^\s{}(),|&!="]+/g;

/** Fields of two words; all others have one. */
const twoWords: ReadonlySet<string> = new Set([
  "ip",
  "ip6",
  "tcp",
  "udp",
  "sctp",
  "icmp",
  "icmpv6",
  "ct",
  "meta",
  "th",
]);

/** Reads one rule. @throws NotUnderstood */
export function parseRule(text: string): Expression[] {
  const reader = new Reader(text);
  const out: Expression[] = [];
  while (!reader.ended) out.push(reader.expression());
  return out;
}

/** Reads a verdict, as rules and maps have it. @throws NotUnderstood */
export function parseVerdict(text: string): Verdict {
  const [word = "", chain] = text.trim().split(" ");
  if (word === "accept" || word === "drop" || word === "return") return { do: word };
  if ((word === "jump" || word === "goto") && chain !== undefined) return { do: word, chain };
  throw new NotUnderstood(`verdict ${text}`);
}

class Reader {
  readonly #text: string;
  readonly #tokens: string[];

  constructor(text: string) {
    this.#text = text;
    this.#tokens = text.match(token) ?? [];
  }

  get ended(): boolean {
    return this.#tokens.length === 0;
  }

  expression(): Expression {
    const [first = "", second] = this.#tokens;
    switch (first) {
      case "accept":
      case "drop":
      case "return":
        return { type: "verdict", verdict: parseVerdict(this.#next()) };
      case "jump":
      case "goto":
        return { type: "verdict", verdict: parseVerdict(`${this.#next()} ${this.#next()}`) };
      case "counter":
        this.#next();
        return { type: "counter" };
      case "limit":
      case "log":
        return this.#log();
      case "reject":
        this.#tokens.length = 0;
        return { type: "verdict", verdict: { do: "reject" } };
      case "masquerade":
      case "snat":
        // Its options are the rest of the rule.
        return { type: "translate", text: this.#tokens.splice(0).join(" ").replaceAll(" , ", ",") };
      case "numgen":
        return this.#lot();
      case "meta":
        if (this.#tokens[2] === "set") return second === "mark" ? this.#mark() : this.#priority();
    }
    return this.#comparison();
  }

  /** `log prefix "…" group 7 snaplen 128`, also behind a limit: what comes after a limit must be this, as else it decides. */
  #log(): Expression {
    if (this.#isNext("limit")) {
      this.#expect("limit", "rate");
      this.#next();
      this.#expect("burst");
      this.#next();
      this.#expect("packets");
    }
    this.#expect("log", "prefix");
    this.#next();
    this.#expect("group");
    this.#next();
    this.#expect("snaplen");
    this.#next();
    return { type: "log" };
  }

  #isNext(word: string): boolean {
    return this.#tokens[0] === word;
  }

  #next(): string {
    const found = this.#tokens.shift();
    if (found === undefined) throw new NotUnderstood(this.#text);
    return found;
  }

  #expect(...words: string[]): void {
    for (const word of words) if (this.#next() !== word) throw new NotUnderstood(this.#text);
  }

  #field(): string {
    const first = this.#next();
    return twoWords.has(first) ? `${first} ${this.#next()}` : first;
  }

  /** `meta priority set none`, `meta priority set ip saddr map @m`. */
  #priority(): Expression {
    this.#expect("meta", "priority", "set");
    if (this.#tokens[0] === "none") {
      this.#next();
      return { type: "set-priority", from: "none" };
    }
    const field = this.#field();
    this.#expect("map");
    return { type: "set-priority", from: { field, map: this.#next().slice(1) } };
  }

  /** `meta mark set mark and 0xa or 0xb`, `meta mark set meta mark & 0xa | 0xb`. */
  #mark(): Expression {
    this.#expect("meta", "mark", "set");
    if (this.#tokens[0] === "meta") this.#next();
    this.#expect("mark");
    let [and, or] = [0xffffffff, 0];
    while (!this.ended) {
      const word = this.#next();
      if (word === "and" || word === "&") and = Number(this.#next());
      else if (word === "or" || word === "|") or = Number(this.#next());
      else throw new NotUnderstood(this.#text);
    }
    return { type: "set-mark", and, or };
  }

  /** `numgen random mod 9 vmap { 0-3 : goto a, 4-8 : goto b }`: any of them. */
  #lot(): Expression {
    this.#expect("numgen", "random", "mod");
    this.#next();
    this.#expect("vmap");
    return { type: "vmap", fields: ["numgen"], map: { entries: this.#entries() } };
  }

  #entries(): (readonly [string, string])[] {
    return this.#list().map((entry) => {
      const [key = "", verdict = ""] = entry.split(" : ");
      return [key, verdict] as const;
    });
  }

  /** The texts between braces, split at commas. */
  #list(): string[] {
    this.#expect("{");
    const out: string[][] = [[]];
    for (let word = this.#next(); word !== "}"; word = this.#next())
      if (word === ",") out.push([]);
      else out.at(-1)?.push(word);
    return out.map((words) => words.join(" "));
  }

  #comparison(): Expression {
    const fields = [this.#field()];
    while (this.#tokens[0] === ".") {
      this.#next();
      fields.push(this.#field());
    }
    if (this.#tokens[0] === "vmap") {
      this.#next();
      const map = this.#isNext("{") ? { entries: this.#entries() } : { set: this.#next().slice(1) };
      return { type: "vmap", fields, map };
    }
    if (this.#tokens[0] === "&") return this.#masked(fields);
    if (this.#tokens[0] === "!") {
      this.#next();
      return { type: "match", fields, not: false, to: { noneOf: this.#values() } };
    }
    let not = false;
    if (this.#tokens[0] === "!=" || this.#tokens[0] === "==") not = this.#next() === "!=";
    if (this.#tokens[0]?.startsWith("@"))
      return { type: "match", fields, not, to: { set: this.#next().slice(1) } };
    const values = this.#values();
    // `tcp flags syn / fin,syn,rst,ack`
    if (this.#tokens[0] === "/") {
      this.#next();
      return { type: "match", fields, not, to: { mask: this.#values(), is: values } };
    }
    return { type: "match", fields, not, to: { anyOf: values } };
  }

  /** `field & mask == value`, `field & (a | b) != c`. */
  #masked(fields: readonly string[]): Expression {
    this.#expect("&");
    const mask: string[] = [];
    if (this.#tokens[0] === "(") {
      this.#next();
      for (let word = this.#next(); word !== ")"; word = this.#next()) if (word !== "|") mask.push(word);
    } else mask.push(this.#next());
    const operator = this.#next();
    if (operator !== "==" && operator !== "!=") throw new NotUnderstood(this.#text);
    const is = this.#values();
    const isNone = is.length === 1 && is[0] === "0";
    const to = isNone ? { noneOf: mask } : { mask, is };
    return { type: "match", fields, not: operator === "!=", to };
  }

  /** One value, several with commas between them, or those between braces. */
  #values(): string[] {
    if (this.#tokens[0] === "{") return this.#list();
    const out = [this.#next()];
    while (this.#tokens[0] === ",") {
      this.#next();
      out.push(this.#next());
    }
    return out;
  }
}
