import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { Rule, Rules } from "../kernel.ts";
import type { FakeContext } from "./context.ts";

export class FakeRules implements Rules {
  readonly #context: FakeContext;

  constructor(context: FakeContext) {
    this.#context = context;
  }

  list(family?: 4 | 6): Rule[] {
    const { rules } = this.#context.namespace("list routing rules");
    return rules
      .filter((rule) => family === undefined || rule.family === family)
      .toSorted((a, b) => a.family - b.family || a.priority - b.priority);
  }

  add(rule: Rule): void {
    const home = this.#context.change("rules.add", `add routing rule ${rule.priority}`);
    if (rule.family === 6 && !this.#context.machine.ipv6)
      throw refusal(`add routing rule ${rule.priority}`, Errno.EAFNOSUPPORT);
    const wanted = facts(rule);
    if (home.rules.some((one) => facts(one) === wanted)) {
      throw refusal(`add routing rule ${rule.priority}`, Errno.EEXIST);
    }
    home.rules.push(rule);
    home.tell("rule", { kind: "rule", change: "new" });
  }

  remove(rule: Rule): void {
    const home = this.#context.change("rules.remove", `remove routing rule ${rule.priority}`);
    const wanted = facts(rule);
    const at = home.rules.findIndex((one) => facts(one) === wanted);
    if (at < 0) return;
    home.rules.splice(at, 1);
    home.tell("rule", { kind: "rule", change: "gone" });
  }
}

function facts(rule: Rule): string {
  const { family, priority, from, to, incoming, mark, suppressPrefixLength, table, protocol } = rule;
  const marked = [mark?.value, mark?.mask];
  return JSON.stringify([
    family,
    priority,
    from,
    to,
    incoming,
    ...marked,
    suppressPrefixLength,
    table,
    protocol,
  ]);
}
