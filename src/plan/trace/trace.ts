// A packet's way through the chains of a table on one hook after the other, as the kernel walks them (nft(8)). The third
// reader beside the evaluator over the plan and the kernel itself: it knows nothing of policies, only of texts.
import { type Field, fieldOf, isMasked, isValue, type Metadata } from "./fields.ts";
import { NotUnderstood, type TracePacket } from "./packet.ts";
import {
  type Expression,
  type MapOperand,
  type Operand,
  parseRule,
  parseVerdict,
  type Verdict,
} from "./rule.ts";
import type { Counter, TraceChain, TraceElement, TraceRule, TraceTable } from "./table.ts";

/** A rule that did something, or the end of a chain on a hook. */
export interface TraceStep {
  readonly hook: string;
  readonly chain: string;
  /** undefined: the chain's end, where its policy decides. */
  readonly rule?: string;
  /** The element that was found, of a set or map that the rule asked. */
  readonly element?: string;
  readonly counter?: Counter;
  /** What came of it: `goto policy-ingress`, `accept`, `masquerade`. */
  readonly does: string;
}

export interface TraceResult {
  readonly verdict: "accept" | "drop" | "reject";
  /** What a nat chain makes of the source: `masquerade …`, `snat ip to …`. */
  readonly translation: string | undefined;
  /** The packet's mark in the end. */
  readonly mark: number;
  readonly steps: readonly TraceStep[];
}

const deepest = 16;

/**
 * Walks a packet through a table.
 * @param hooks in the order in which the kernel calls them
 * @throws NotUnderstood where a rule on its way is none that we write
 */
export function trace(table: TraceTable, hooks: readonly string[], packet: TracePacket): TraceResult {
  const walk = new Walk(table, packet);
  let verdict: TraceResult["verdict"] = "accept";
  for (const hook of hooks) {
    if (verdict !== "accept") break;
    verdict = walk.hook(hook);
  }
  const { translation, metadata, steps } = walk;
  return { verdict, translation, mark: metadata.mark, steps };
}

type Ending = "accept" | "drop" | "reject";

class Walk {
  readonly metadata: Metadata = { mark: 0, priority: "none" };
  readonly steps: TraceStep[] = [];
  translation: string | undefined;
  readonly #table: TraceTable;
  readonly #packet: TracePacket;
  #hook = "";

  constructor(table: TraceTable, packet: TracePacket) {
    this.#table = table;
    this.#packet = packet;
  }

  hook(hook: string): Ending {
    this.#hook = hook;
    const chains = [...this.#table.chains.values()]
      .filter(({ base }) => base?.hook === hook)
      .toSorted((a, b) => (a.base?.priority ?? 0) - (b.base?.priority ?? 0));
    for (const chain of chains) {
      // A nat chain sees the first packet of a connection only.
      if (chain.base?.type === "nat" && (this.#packet.state ?? "new") !== "new") continue;
      const ended = this.#chain(chain, 0);
      const verdict = ended === undefined || ended === "return" ? (chain.base?.policy ?? "accept") : ended;
      if (ended === undefined || ended === "return")
        this.steps.push({ hook, chain: chain.name, does: `${verdict} (the chain's policy)` });
      if (verdict === "drop" || verdict === "reject") return verdict;
    }
    return "accept";
  }

  #chain(chain: TraceChain, depth: number): Ending | "return" | undefined {
    if (depth > deepest) throw new NotUnderstood(`chain ${chain.name}: jumps too deep`);
    for (const rule of chain.rules) {
      const ended = this.#rule(chain, rule, depth);
      if (ended !== undefined) return ended === "return" && depth > 0 ? undefined : ended;
    }
    return undefined;
  }

  /** Returns how the way through the chain ended by this rule; undefined: it goes on with the next one. */
  #rule(chain: TraceChain, rule: TraceRule, depth: number): Ending | "return" | undefined {
    let found: TraceElement | undefined;
    const note = (does: string) => {
      const counter = rule.counter ?? found?.counter;
      this.steps.push({
        hook: this.#hook,
        chain: chain.name,
        rule: rule.text,
        ...(found && { element: `${found.key}${found.value === "" ? "" : ` : ${found.value}`}` }),
        ...(counter && { counter }),
        does,
      });
    };
    for (const expression of expressionsOf(rule.text)) {
      switch (expression.type) {
        case "counter":
        case "log":
          continue;
        case "match": {
          const answer = this.#matches(expression);
          if (answer === false) return undefined;
          if (answer !== true) found = answer;
          continue;
        }
        case "set-priority":
          if (!this.#setPriority(expression)) return undefined;
          continue;
        case "set-mark":
          this.metadata.mark = ((this.metadata.mark & expression.and) | expression.or) >>> 0;
          note(`mark 0x${this.metadata.mark.toString(16)}`);
          continue;
        case "translate":
          this.translation = expression.text;
          note(expression.text);
          return "accept";
        case "vmap": {
          found = this.#inMap(expression.fields, expression.map);
          if (!found) return undefined;
          note(found.value);
          const ended = this.#follow(parseVerdict(found.value), depth);
          if (ended !== "next") return ended;
          continue;
        }
        case "verdict": {
          const { verdict } = expression;
          note("chain" in verdict ? `${verdict.do} ${verdict.chain}` : verdict.do);
          const ended = this.#follow(verdict, depth);
          if (ended !== "next") return ended;
        }
      }
    }
    return undefined;
  }

  /** Returns whether there was a value to set it to. */
  #setPriority({ from }: Extract<Expression, { type: "set-priority" }>): boolean {
    const value = from === "none" ? from : this.#lookUp([from.field], from.map)?.value;
    if (value !== undefined) this.metadata.priority = value;
    return value !== undefined;
  }

  #follow(verdict: Verdict, depth: number): Ending | "return" | "next" {
    if (!("chain" in verdict)) return verdict.do;
    const chain = this.#table.chains.get(verdict.chain);
    if (!chain) throw new NotUnderstood(`chain ${verdict.chain}`);
    const ended = this.#chain(chain, depth + 1);
    if (ended !== undefined && ended !== "return") return ended;
    // Who has gone to a chain does not come back here, but to where this one was jumped to from.
    return verdict.do === "goto" ? "return" : "next";
  }

  #matches({ fields, not, to }: Extract<Expression, { type: "match" }>): boolean | TraceElement {
    if ("set" in to) {
      const values = this.#values(fields);
      if (!values) return false;
      const element = this.#find(to.set, values);
      return not ? element === undefined : (element ?? false);
    }
    const [field] = this.#values(fields) ?? [];
    return field === undefined ? false : holds(field, to) !== not;
  }

  #inMap(fields: readonly string[], map: MapOperand): TraceElement | undefined {
    if ("set" in map) return this.#lookUp(fields, map.set);
    // By lot: all of them are as good as each other.
    if (fields[0] === "numgen") {
      const [key = "", value = ""] = map.entries[0] ?? [];
      return { key, value };
    }
    const [field] = this.#values(fields) ?? [];
    const entry = field === undefined ? undefined : map.entries.find(([key]) => isValue(field, key));
    return entry && { key: entry[0], value: entry[1] };
  }

  #lookUp(fields: readonly string[], set: string): TraceElement | undefined {
    const values = this.#values(fields);
    return values && this.#find(set, values);
  }

  /** undefined: one of the fields is not there. */
  #values(fields: readonly string[]): Exclude<Field, undefined>[] | undefined {
    const values = fields.map((name) => fieldOf(name, this.#packet, this.metadata));
    return values.includes(undefined) ? undefined : (values as Exclude<Field, undefined>[]);
  }

  #find(name: string, values: readonly Exclude<Field, undefined>[]): TraceElement | undefined {
    const elements = this.#table.sets.get(name);
    if (!elements) throw new NotUnderstood(`set ${name}`);
    return elements.find(({ key }) => {
      const parts = key.split(" . ");
      return parts.length === values.length && values.every((value, at) => isValue(value, parts[at] ?? ""));
    });
  }
}

const read = new Map<string, readonly Expression[]>();

/** The same few rules are read again and again. */
function expressionsOf(text: string): readonly Expression[] {
  const known = read.get(text);
  if (known) return known;
  const made = parseRule(text);
  // Rules of tables that are long gone are not kept for ever.
  if (read.size > 10_000) read.clear();
  read.set(text, made);
  return made;
}

function holds(field: Exclude<Field, undefined>, to: Exclude<Operand, { readonly set: string }>): boolean {
  if ("anyOf" in to) return to.anyOf.some((written) => isValue(field, written));
  if ("noneOf" in to) return !to.noneOf.some((written) => isValue(field, written));
  return isMasked(field, to.mask, to.is);
}
