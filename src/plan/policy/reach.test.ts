import fc from "fast-check";
import { expect, it } from "vitest";
import { nodeIps } from "../facts.ts";
import { clusters, flows } from "./clusters.suite.ts";
import { compilePolicies, type FlowEnd, ReachTable, verdict } from "./index.ts";

const ports = fc.array(
  flows.map(({ protocol, port }) => ({ protocol, port })),
  { minLength: 3, maxLength: 3 },
);

it("says the same as the evaluator, of all ends and each other", () => {
  const seen = { none: 0, egress: 0, ingress: 0 };
  fc.assert(
    fc.property(clusters, fc.array(flows, { maxLength: 4 }), ports, (facts, others, asked) => {
      const ends: FlowEnd[] = [
        ...[...facts.pods].flatMap(([pod, { status }]) =>
          (status?.podIPs ?? []).map(({ ip }) => ({ pod, ip })),
        ),
        ...[...facts.nodes].flatMap(([node, object]) => nodeIps(object).map((ip) => ({ node, ip }))),
        ...others.map(({ toIp }) => ({ ip: toIp })),
      ];
      const program = compilePolicies(facts);
      const table = new ReachTable(program, ends);
      for (const [fromAt, from] of ends.entries())
        for (const [toAt, to] of ends.entries())
          for (const { protocol, port } of asked) {
            const { egress, ingress } = verdict(program, { from, to, protocol, port });
            const expected = egress.allowed ? (ingress.allowed ? undefined : "ingress") : "egress";
            const found = table.refusing(fromAt, toAt, protocol, port);
            if (found !== expected)
              throw new TypeError(
                `${JSON.stringify({ from, to, protocol, port })}: ${found}, not ${expected}`,
              );
            seen[expected ?? "none"]++;
          }
    }),
    { numRuns: 150 },
  );
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(100);
});

it("tells two pods that are alike from one and the same", () => {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", namespace: "x", uid: "a", resourceVersion: "1", creationTimestamp: "" },
    spec: { containers: [] },
  } as const;
  const shut = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { ...pod.metadata, name: "shut" },
    spec: {},
  } as const;
  const program = compilePolicies({
    pods: new Map([["x/a", pod]]),
    policies: new Map([["x/shut", shut]]),
    namespaces: new Map(),
    nodes: new Map(),
  });
  const table = new ReachTable(program, [{ pod: "x/a" }]);
  expect([table.refusing(0, 0, "TCP", 80), table.refusing(0, 0, "TCP", 80, true)]).toEqual([
    undefined,
    "ingress",
  ]);
});
