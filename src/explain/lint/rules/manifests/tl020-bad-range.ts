import { TrunklineError } from "../../../../base/errors.ts";
import {
  cidrCovers,
  formatCidr,
  isMapped,
  parseCidr,
  tryParseCidr,
  tryParseIp,
} from "../../../../base/ip.ts";
import type { Report, Rule } from "../../rule.ts";
import { type PolicyView, range } from "../../view.ts";

export const badRange: Rule = {
  id: "TL020",
  name: "bad-range",
  severity: "error",
  summary: "an ipBlock's cidr or except is no range, or except lies outside of cidr",
  explanation:
    "An API server refuses such a policy today; one that was stored before it did stays. What is no range matches " +
    "nothing; a range that is only written carelessly is enforced as what it means.",
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
  if (why !== undefined) yield { on: policy.on, path: [...path, "cidr"], ...why };
  const outer = range(block.cidr);
  for (const [index, text] of (block.except ?? []).entries()) {
    const wrong = problemOf(text);
    const inner = range(text);
    if (wrong !== undefined) {
      yield { on: policy.on, path: [...path, "except", index], ...wrong };
    } else if (outer && inner && !cidrCovers(outer, inner)) {
      yield {
        on: policy.on,
        path: [...path, "except", index],
        message: `except ${text} does not lie in ${block.cidr}: the item matches nothing`,
        fix: "Write a part of cidr, or remove it.",
      };
    }
  }
}

/** What a server of today says to it, and what becomes of one that is stored. */
function problemOf(text: string): Pick<Report, "message" | "fix"> | undefined {
  const meant = range(text);
  if (!meant) return { message: whyNot(text) };
  const [address = ""] = text.split("/");
  const ip = tryParseIp(address);
  if (ip && isMapped(ip))
    return {
      message: `'${text}' is an IPv4 range written as an IPv6 one: servers refuse it, and where it is stored it matches nothing`,
      fix: "Write the IPv4 range.",
    };
  if (tryParseCidr(text)) return undefined;
  return {
    message:
      `'${text}' has host bits or leading zeros: servers refuse it since Kubernetes 1.36; ` +
      `where it is stored, it is enforced as ${formatCidr(meant)}`,
    fix: `Write ${formatCidr(meant)}.`,
  };
}

function whyNot(text: string): string {
  try {
    parseCidr(text);
    return "";
  } catch (error) {
    if (error instanceof TrunklineError) return `${error.message}: the item matches nothing`;
    throw error;
  }
}
