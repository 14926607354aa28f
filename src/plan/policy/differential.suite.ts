// Evaluator = naive matcher, on random clusters. `npm test` runs a small share, test/long a million flows. Test only.
import fc from "fast-check";
import { clusters, flows } from "./clusters.suite.ts";
import { compilePolicies, verdict } from "./index.ts";
import { naiveAllows } from "./naive.suite.ts";

/** Compares `clusterCount` clusters with `flowsEach` flows; fast-check prints the seed of a failure. */
export function compareWithNaive(
  clusterCount: number,
  flowsEach: number,
  seed: number,
): { allowed: number; denied: number } {
  const seen = { allowed: 0, denied: 0 };
  fc.assert(
    fc.property(clusters, fc.array(flows, { minLength: flowsEach, maxLength: flowsEach }), (facts, list) => {
      const program = compilePolicies(facts);
      for (const flow of list) {
        const expected = naiveAllows(facts, flow);
        const found = verdict(program, {
          from: { ip: flow.fromIp },
          to: { ip: flow.toIp },
          protocol: flow.protocol,
          port: flow.port,
        });
        if (found.egress.allowed !== expected.egress || found.ingress.allowed !== expected.ingress)
          throw new TypeError(
            `${JSON.stringify(flow)}: naive ${JSON.stringify(expected)}, evaluator ${JSON.stringify(found)}`,
          );
        seen[found.allowed ? "allowed" : "denied"]++;
      }
    }),
    { numRuns: clusterCount, seed, endOnFailure: flowsEach > 100 },
  );
  return seen;
}
