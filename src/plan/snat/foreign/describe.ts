// Puts a rule into words: what it does, and what that means for pods.
import { type Cidr, cidrsOverlap, formatCidr } from "../../../base/ip.ts";
import type { ForeignRule, RuleMatch } from "./types.ts";

export interface RuleEffect {
  /** One sentence without a full stop. */
  readonly text: string;
  /** Whether it changes source addresses of pods' connections, or hides from pods who calls. */
  readonly translates: "pods" | "callers" | "no" | "maybe";
}

/** Says what a rule does to packets that leave pods or go to them. */
export function describeRule(rule: ForeignRule, podRanges: readonly Cidr[]): RuleEffect {
  const { target } = rule;
  const which = packets(rule.match);
  switch (target.type) {
    case "masquerade":
    case "snat": {
      const to = target.type === "snat" ? `to ${target.text}` : "to the node's address";
      const translates = translation(rule.match, podRanges);
      const meaning = {
        pods: "; pods' packets are among them",
        callers: "; pods no longer see who calls them",
        no: "; pods' packets are not among them",
        maybe: "; pods' packets may be among them",
      }[translates];
      return { text: `translates the source of ${which} ${to}${meaning}`, translates };
    }
    case "return":
    case "accept":
      return { text: `takes ${which} past the rules after it`, translates: "no" };
    case "drop":
      return { text: `drops ${which}`, translates: "no" };
    case "jump":
    case "goto":
      return { text: `sends ${which} through chain ${target.chain}`, translates: "no" };
    case "dnat":
      return { text: `changes the destination of ${which} (${target.text})`, translates: "no" };
    case "other":
      return { text: `lets ${which} go on after ${target.text}`, translates: "no" };
    case "continue":
      return { text: `only counts ${which}`, translates: "no" };
  }
}

function packets(match: RuleMatch): string {
  const not = (wanted: { not: boolean }) => (wanted.not ? "not " : "");
  const parts = [
    match.source && `${not(match.source)}from ${formatCidr(match.source.value)}`,
    match.destination && `${not(match.destination)}to ${formatCidr(match.destination.value)}`,
    match.localDestination && `${not(match.localDestination)}to the node's own addresses`,
    match.outInterface && `${not(match.outInterface)}leaving by ${match.outInterface.value}`,
    match.inInterface && `${not(match.inInterface)}coming in by ${match.inInterface.value}`,
    match.protocol && `${not(match.protocol)}of protocol ${match.protocol.value}`,
    match.mark && `${not(match.mark)}marked 0x${match.mark.value.value.toString(16)}`,
    match.state && `${not(match.state)}of connections that are ${match.state.value.join(" or ")}`,
    match.unknown.length > 0 && `matching ${match.unknown.join(" ")}`,
  ].filter((part) => typeof part === "string");
  return parts.length === 0 ? "all packets" : `packets ${parts.join(", ")}`;
}

function translation(match: RuleMatch, podRanges: readonly Cidr[]): RuleEffect["translates"] {
  const { source, destination, outInterface, mark, inInterface } = match;
  const touches = (cidr: Cidr) => podRanges.some((range) => cidrsOverlap(range, cidr));
  const covers = (cidr: Cidr) =>
    podRanges.every((range) => cidr.length <= range.length && cidrsOverlap(cidr, range));
  // A bridge of Docker's own, a mark that only the owner sets: not for pods' packets as they are.
  if (inInterface || (mark && !mark.not)) return "no";
  if (outInterface && !outInterface.not && /^(docker|br-|lo$)/.test(outInterface.value)) return "no";
  const fromPods = source === undefined || (source.not ? !covers(source.value) : touches(source.value));
  if (fromPods) return match.unknown.length > 0 ? "maybe" : "pods";
  const toPods =
    destination === undefined || (destination.not ? !covers(destination.value) : touches(destination.value));
  return toPods && source?.not === true ? "callers" : "no";
}
