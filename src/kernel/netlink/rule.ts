// rtnetlink's policy rule messages (linux/fib_rules.h).
import type { Rule } from "../kernel.ts";
import { addressText, familyNumber, familyOfNumber, prefixOf } from "./bytes.ts";
import { Attributes, type Message, type MessageWriter } from "./message.ts";

export const RuleMessage = { new: 32, delete: 33, get: 34 } as const;

const FRA = {
  destination: 1,
  source: 2,
  incoming: 3,
  priority: 6,
  mark: 10,
  suppressPrefixLength: 14,
  table: 15,
  markMask: 16,
  protocol: 21,
} as const;
const FR_ACT_TO_TBL = 1;
const TABLE_COMPAT = 252;

/** Writes the body of a request that adds or removes a rule. */
export function writeRule(writer: MessageWriter, rule: Rule): void {
  const from = rule.from === undefined ? undefined : prefixOf(rule.from);
  const to = rule.to === undefined ? undefined : prefixOf(rule.to);
  writer
    .u8(familyNumber(rule.family))
    .u8(to?.length ?? 0)
    .u8(from?.length ?? 0)
    .u8(0);
  writer
    .u8(rule.table > 255 ? TABLE_COMPAT : rule.table)
    .u8(0)
    .u8(0)
    .u8(FR_ACT_TO_TBL)
    .u32(0);
  writer.attributeU32(FRA.priority, rule.priority);
  writer.attributeU32(FRA.table, rule.table);
  writer.attributeU8(FRA.protocol, rule.protocol);
  if (from) writer.attribute(FRA.source, from.bytes);
  if (to) writer.attribute(FRA.destination, to.bytes);
  if (rule.incoming !== undefined) writer.attributeText(FRA.incoming, rule.incoming);
  if (rule.suppressPrefixLength !== undefined)
    writer.attributeU32(FRA.suppressPrefixLength, rule.suppressPrefixLength);
  if (rule.mark) writer.attributeU32(FRA.mark, rule.mark.value).attributeU32(FRA.markMask, rule.mark.mask);
}

/** Writes the body of a dump request. */
export function writeRuleQuery(writer: MessageWriter, family: 4 | 6): void {
  writer.u8(familyNumber(family)).u8(0).u8(0).u8(0).u8(0).u8(0).u8(0).u8(0).u32(0);
}

const attributes = new Attributes();

/** Reads a rule message; undefined for rules of other families. */
export function readRule({ bytes, from, to }: Message): Rule | undefined {
  const family = familyOfNumber(bytes[from]!);
  if (family === undefined) return undefined;
  const other = bytes[from + 7] !== FR_ACT_TO_TBL;
  attributes.read(bytes, from + 12, to);
  const source = attributes.view(FRA.source);
  const destination = attributes.view(FRA.destination);
  const incoming = attributes.text(FRA.incoming);
  const value = attributes.u32(FRA.mark) ?? 0;
  const mask = attributes.u32(FRA.markMask) ?? 0;
  const suppressed = attributes.u32(FRA.suppressPrefixLength);
  return {
    family,
    priority: attributes.u32(FRA.priority) ?? 0,
    ...(source && { from: `${addressText(source)}/${bytes[from + 2]}` }),
    ...(destination && { to: `${addressText(destination)}/${bytes[from + 1]}` }),
    ...(incoming !== undefined && { incoming }),
    ...(mask !== 0 && { mark: { value, mask } }),
    // The kernel says -1 where nothing is suppressed.
    ...(suppressed !== undefined && suppressed !== 0xffffffff && { suppressPrefixLength: suppressed }),
    ...(other && { other }),
    table: other ? 0 : (attributes.u32(FRA.table) ?? bytes[from + 4]!),
    protocol: attributes.u8(FRA.protocol) ?? 0,
  };
}
