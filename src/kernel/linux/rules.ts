import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { Rule, Rules } from "../kernel.ts";
import { Flag } from "../netlink/message.ts";
import { RuleMessage, readRule, writeRule, writeRuleQuery } from "../netlink/rule.ts";
import type { Context } from "./context.ts";

export class LinuxRules implements Rules {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  list(family?: 4 | 6): Rule[] {
    const attempt = (): string => "list routing rules";
    const found: Rule[] = [];
    for (const one of family === undefined ? ([4, 6] as const) : [family]) {
      const ofFamily: Rule[] = [];
      const { errno, text } = this.#context.route(attempt).dump(
        RuleMessage.get,
        (writer) => writeRuleQuery(writer, one),
        attempt,
        (message) => {
          const rule = readRule(message);
          // A kernel without IPv6 answers with those of all families.
          if (rule?.family === one) ofFamily.push(rule);
        },
        () => ofFamily.splice(0),
      );
      // IPv6 may be off.
      if (errno !== 0 && errno !== Errno.EAFNOSUPPORT) throw refusal(attempt(), errno, text);
      found.push(...ofFamily);
    }
    return found;
  }

  add(rule: Rule): void {
    const attempt = (): string => `add ${ruleText(rule)}`;
    const flags = Flag.create | Flag.exclusive;
    this.#context
      .route(attempt)
      .request(RuleMessage.new, flags, (writer) => writeRule(writer, rule), attempt);
  }

  remove(rule: Rule): void {
    const attempt = (): string => `remove ${ruleText(rule)}`;
    const { errno, text } = this.#context
      .route(attempt)
      .tryRequest(RuleMessage.delete, 0, (writer) => writeRule(writer, rule), attempt);
    if (errno !== 0 && errno !== Errno.ENOENT) throw refusal(attempt(), errno, text);
  }
}

function ruleText(rule: Rule): string {
  const from = rule.from === undefined ? "" : ` from ${rule.from}`;
  const to = rule.to === undefined ? "" : ` to ${rule.to}`;
  return `routing rule ${rule.priority}:${from}${to} table ${rule.table}`;
}
