import { TrunklineError } from "../../../base/errors.ts";
import { cidrCovers, parseCidr } from "../../../base/ip.ts";
import type { Report, Rule } from "../rule.ts";
import { type PolicyView, range } from "../view.ts";

export const badRange: Rule = {
  id: "TL020",
  name: "bad-range",
  severity: "error",
  summary: "an ipBlock's cidr or except is no range, or except lies outside of cidr",
  explanation:
    "An API server refuses such a policy today; one that was stored before validation existed stays, and the item " +
    "matches nothing.",
  *check(view) {
    for (const policy of view.policies) {
      for (const rule of policy.rules) {
        for (const [index, peer] of (rule.peers ?? []).entries()) {
          if (peer?.ipBlock)
            yield* ofBlock(policy, [...rule.path, rule.peersKey, index, "ipBlock"], peer.ipBlock);
        }
      }
    }
  },
};

function* ofBlock(
  policy: PolicyView,
  path: readonly (string | number)[],
  block: { readonly cidr: string; readonly except?: readonly string[] },
): Iterable<Report> {
  const why = problemOf(block.cidr);
  if (why !== undefined) yield { on: policy.on, path: [...path, "cidr"], message: why };
  const outer = range(block.cidr);
  for (const [index, text] of (block.except ?? []).entries()) {
    const wrong = problemOf(text);
    const inner = range(text);
    if (wrong !== undefined) {
      yield { on: policy.on, path: [...path, "except", index], message: wrong };
    } else if (outer && inner && !cidrCovers(outer, inner)) {
      yield {
        on: policy.on,
        path: [...path, "except", index],
        message: `except ${text} does not lie in ${block.cidr} and takes nothing away`,
        fix: "Write a part of cidr, or remove it.",
      };
    }
  }
}

function problemOf(text: string): string | undefined {
  try {
    parseCidr(text);
    return undefined;
  } catch (error) {
    if (error instanceof TrunklineError) return error.message;
    throw error;
  }
}
