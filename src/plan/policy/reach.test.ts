import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { NetworkPolicy } from "../../api/kinds/network-policy.ts";
import { cidrOf, cidrRange, formatCidr, type IpRange, parseCidr, parseIp } from "../../base/ip.ts";
import { nodeIps } from "../facts.ts";
import { clusters, flows } from "./clusters.suite.ts";
import { compilePolicies, type FlowEnd, hasPlace, ReachTable, verdict } from "./index.ts";

const ports = fc.array(
  flows.map(({ protocol, port }) => ({ protocol, port })),
  { minLength: 3, maxLength: 3 },
);

const mayBe = [cidrRange(parseCidr("10.0.0.0/29"))];

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
        // Pods without addresses, as manifests have them: compared among the two ways to ask alone.
        ...[...facts.pods.keys()].map((pod) => ({ pod, mayBe })),
      ];
      const program = compilePolicies(facts);
      const table = new ReachTable(program, ends);
      for (const { protocol, port } of asked)
        for (const fromAt of ends.keys()) {
          const { sure, perhaps } = table.outOf(fromAt, protocol, port);
          for (const toAt of ends.keys()) {
            const one = table.refusing(fromAt, toAt, protocol, port);
            const all = hasPlace(sure, toAt) ? undefined : hasPlace(perhaps, toAt) ? "unknown" : "refused";
            expect(all).toBe(one === "egress" || one === "ingress" ? "refused" : one);
          }
        }
      for (const [fromAt, from] of ends.entries())
        for (const [toAt, to] of ends.entries())
          for (const { protocol, port } of asked) {
            if ([from, to].some(({ mayBe }) => mayBe !== undefined)) continue;
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

describe("addresses that are not known yet", () => {
  const subject = { matchLabels: { app: "a" } };
  const meta = (name: string) => ({
    name,
    namespace: "x",
    uid: name,
    resourceVersion: "1",
    creationTimestamp: "",
  });
  const pod = (name: string, hostNetwork = false): Pod => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...meta(name), labels: { app: name } },
    spec: { containers: [], ...(hostNetwork && { hostNetwork }) },
  });
  const range = (text: string) => cidrRange(parseCidr(text));
  const tableOf = (spec: NetworkPolicy["spec"], mayBe: readonly IpRange[], hostNetwork = false) => {
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: meta("p"),
      spec,
    } as const;
    const program = compilePolicies({
      pods: new Map([
        ["x/a", pod("a")],
        ["x/b", pod("b", hostNetwork)],
      ]),
      policies: new Map([["x/p", policy]]),
      namespaces: new Map(),
      nodes: new Map(),
    });
    return new ReachTable(program, [{ pod: "x/a" }, { pod: "x/b", mayBe }]);
  };
  const egress = (cidrs: readonly string[], mayBe: readonly string[], except: string[] = []) =>
    tableOf(
      {
        podSelector: subject,
        policyTypes: ["Egress"],
        egress: [{ to: cidrs.map((cidr) => ({ ipBlock: { cidr, except } })) }],
      },
      mayBe.map((text) => range(text)),
    ).refusing(0, 1, "TCP", 80);
  const anything = ["0.0.0.0/0", "::/0"];

  it.each([
    [["0.0.0.0/0"], anything, undefined],
    [["::/0"], anything, undefined],
    [["10.0.0.0/8"], anything, "unknown"],
    [["10.0.0.0/8"], ["10.1.0.0/16"], undefined],
    [["10.1.0.0/16"], ["10.1.0.0/16"], undefined],
    [["10.1.0.0/24"], ["10.1.0.0/16"], "unknown"],
    [["10.2.0.0/16"], ["10.1.0.0/16"], "egress"],
    [["10.1.0.0/16"], ["10.1.0.0/16", "10.2.0.0/16"], "unknown"],
    [["10.1.0.0/16", "10.2.0.0/16"], ["10.1.0.0/16", "10.2.0.0/16"], undefined],
    // Two halves that are allowed are the whole.
    [["10.1.0.0/17", "10.1.128.0/17"], ["10.1.0.0/16"], undefined],
    [["::/0"], ["10.1.0.0/16"], "egress"],
  ] as const)("ranges %j for a pod that may be in %j: %s", (cidrs, mayBe, expected) => {
    expect(egress(cidrs, mayBe)).toBe(expected);
  });

  it("a hole is no match, wherever the pod may be in it", () => {
    expect(egress(["0.0.0.0/0"], ["10.1.0.0/16"], ["10.0.0.0/8"])).toBe("egress");
    expect(egress(["0.0.0.0/0"], ["10.1.0.0/16"], ["10.1.0.0/24"])).toBe("unknown");
  });

  it("names what it hangs on", () => {
    const spec = { podSelector: subject, ingress: [{ from: [{ ipBlock: { cidr: "10.1.0.0/24" } }] }] };
    const table = tableOf(spec, [range("10.1.0.0/16")]);
    expect(table.refusing(1, 0, "TCP", 80)).toBe("unknown");
    expect(table.doubt(1, 0, "TCP", 80)).toEqual({
      direction: "ingress",
      policy: "x/p",
      path: "spec.ingress[0]",
      what: "address",
      key: "4/167837952-167903231",
    });
  });

  it("a pod on some node's network may be on the pod's own node", () => {
    const shut = { podSelector: subject, policyTypes: ["Ingress"] } as const;
    const table = tableOf(shut, [range("192.168.18.0/24")], true);
    expect(table.refusing(1, 0, "TCP", 80)).toBe("unknown");
    expect(table.doubt(1, 0, "TCP", 80)).toMatchObject({ what: "own-node" });
    expect(tableOf(shut, [range("10.1.0.0/16")]).refusing(1, 0, "TCP", 80)).toBe("ingress");
  });

  it("is sure of what is so wherever the pod may be, and only of that", () => {
    const seen = { sure: 0, unknown: 0 };
    const tiny = fc
      .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 28, max: 32 }))
      .map(([at, length]) =>
        formatCidr(cidrOf({ family: 4, value: parseIp("10.0.0.0").value + BigInt(at) }, length)),
      );
    const blocks = fc.array(fc.record({ cidr: tiny }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(
        fc.array(blocks, { maxLength: 3 }),
        fc.array(tiny, { minLength: 1, maxLength: 2 }),
        (rules, pools) => {
          const spec = {
            podSelector: subject,
            policyTypes: ["Egress"] as const,
            egress: rules.map((list) => ({ to: list.map((ipBlock) => ({ ipBlock })) })),
          };
          const found = tableOf(
            spec,
            pools.map((text) => range(text)),
          ).refusing(0, 1, "TCP", 80);
          const answers = new Set<string | undefined>();
          for (const { first, last } of pools.map((text) => range(text)))
            for (let value = first; value <= last; value++)
              answers.add(
                tableOf(spec, [{ family: 4, first: value, last: value }]).refusing(0, 1, "TCP", 80),
              );
          expect(found).toBe(answers.size > 1 ? "unknown" : [...answers][0]);
          seen[found === "unknown" ? "unknown" : "sure"]++;
        },
      ),
      { numRuns: 150 },
    );
    expect(Math.min(seen.sure, seen.unknown)).toBeGreaterThan(10);
  });
});
