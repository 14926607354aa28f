import type { NetworkPolicyPort } from "../../../../api/kinds/network-policy.ts";
import type { Report, Rule } from "../../rule.ts";

export const badPortRange: Rule = {
  id: "TL009",
  name: "bad-port-range",
  severity: "error",
  summary: "a port range that no API server accepts: endPort on a named port, alone, or below port",
  explanation:
    "endPort needs a number in port that is not above it. An API server refuses the whole policy, and where it was " +
    "stored before validation existed, the rule cannot be enforced as a range.",
  *check(view) {
    for (const policy of view.policies) {
      for (const rule of policy.rules) {
        for (const [index, port] of (rule.ports ?? []).entries()) {
          const wrong = problemOf(port);
          if (wrong)
            yield { on: policy.on, path: [...rule.path, "ports", index, wrong.field], ...wrong.report };
        }
      }
    }
  },
};

function problemOf(
  port: NetworkPolicyPort,
): { field: "port" | "endPort"; report: Pick<Report, "message" | "fix"> } | undefined {
  const { port: first, endPort: last } = port ?? {};
  const outside = (n: unknown) => typeof n === "number" && (n < 1 || n > 65_535 || !Number.isInteger(n));
  if (outside(first) || outside(last)) {
    const value = outside(first) ? first : last;
    return {
      field: outside(first) ? "port" : "endPort",
      report: { message: `${value} is not a port`, fix: "Ports go from 1 to 65535." },
    };
  }
  if (last === undefined) return undefined;
  const report = (message: string, fix: string) => ({ field: "endPort" as const, report: { message, fix } });
  if (first === undefined)
    return report("endPort stands without port", `Add 'port' with the first port of the range.`);
  if (typeof first === "string") {
    return report(
      `endPort ${last} stands with the named port '${first}'`,
      "Write the first port as a number.",
    );
  }
  if (last < first) return report(`endPort ${last} is below port ${first}`, "Swap them.");
  return undefined;
}
