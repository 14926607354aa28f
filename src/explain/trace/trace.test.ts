// Rendered rules, walked node by node, come to what explain says from the plans.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTerminal } from "../../api/kinds/core.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { rulesetOf } from "../../plan/foreign/index.ts";
import { clusters } from "../../plan/policy/clusters.suite.ts";
import { cluster, host, policy, pool } from "../cluster.suite.ts";
import { type End, findEnd, nodeOf, podEnd } from "../ends.ts";
import { explain } from "../explain.ts";
import { judgesOf } from "../judges/plans.ts";
import { type Port, parsePorts } from "../ports.ts";
import { parseEnd } from "../target.ts";
import { renderedRules } from "./rendered.ts";
import { traceStops, traceText } from "./stops.ts";

function traced(facts: ClusterFacts, from: End, to: End, port: Port | undefined) {
  const answer = explain(facts, judgesOf(facts), from, to, port);
  const flow = { from, to, source: answer.from.address, destination: answer.to.address, port };
  return { answer, stops: traceStops(facts, flow, answer, (node) => renderedRules(facts, node)) };
}

describe("a trace", () => {
  it("comes to the same verdict as explain, among pods of random clusters", { timeout: 120_000 }, () => {
    const seen = { allowed: 0, denied: 0 };
    const port = fc.constantFrom(...parsePorts("80/tcp,81/udp,8080/sctp"));
    fc.assert(
      fc.property(clusters, fc.array(port, { minLength: 2, maxLength: 2 }), (facts, ports) => {
        const ends = [...facts.pods.values()]
          .filter((one) => !isTerminal(one) && one.spec.hostNetwork !== true)
          .map((one) => podEnd(one))
          .filter(({ addresses }) => addresses.length > 0);
        for (const from of ends)
          for (const to of ends)
            for (const asked of ports) {
              // A packet to oneself never leaves the pod.
              if (
                from === to ||
                !to.addresses.some((one) => one.includes(":") === from.addresses[0]?.includes(":"))
              )
                continue;
              const { answer, stops } = traced(facts, from, to, asked);
              const allowed = answer.egress.allowed && answer.ingress.allowed;
              const passes = stops.every(({ verdict }) => verdict === "accept");
              if (passes !== allowed) throw new TypeError(JSON.stringify({ answer, stops }, undefined, 1));
              seen[allowed ? "allowed" : "denied"]++;
            }
      }),
      { numRuns: 40 },
    );
    expect(Math.min(seen.allowed, seen.denied)).toBeGreaterThan(20);
  });

  const onlyFromApi = policy("to-web", {
    podSelector: { matchLabels: { app: "web" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "api" } } }] }],
  });
  const facts = cluster(onlyFromApi, pool("pods", "10.1.0.0/16", true), host("far", "203.0.113.9"));
  const end = (name: string) => findEnd(facts, parseEnd(name), "default");
  const [port] = parsePorts("80/tcp");

  it("names the rule that drops, on the node that has it", () => {
    const { stops } = traced(facts, end("pod/db"), end("pod/web"), port);
    const last = stops.at(-1);
    expect(last).toMatchObject({ where: "forward", rules: "plan", verdict: "drop" });
    expect(last?.steps.at(-1)).toMatchObject({ chain: "policy-refuse-in", does: "drop" });
    expect(traceText(stops)).toContain("policy-refuse-in: counter drop → drop");
  });

  it.each([
    ["filter", "-A FORWARD -p tcp -m tcp --dport 80 -j DROP", "drop", "of another program"],
    ["filter", "-A FORWARD -p tcp -m tcp --dport 81 -j DROP", "accept", undefined],
    ["filter", "-A FORWARD -m recent --update -j DROP", null, undefined],
    [
      "nat",
      "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.1.0.9-10.1.0.12",
      null,
      undefined,
    ],
  ] as const)("meets other programs' rules: %s %s", (table, rule, verdict, chain) => {
    const text = `*${table}\n:PREROUTING ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n${rule}\nCOMMIT\n`;
    const others = rulesetOf({
      iptables: [{ store: "iptables-nft", family: 4, text }],
      nft: [],
      unreadable: [],
    });
    const [from, to] = [end("pod/api"), end("pod/web")];
    const answer = explain(facts, judgesOf(facts), from, to, port);
    const flow = { from, to, source: answer.from.address, destination: answer.to.address, port };
    const stops = traceStops(facts, flow, answer, (node) => ({ ...renderedRules(facts, node), others }));
    expect(stops.at(-1)?.verdict).toBe(verdict);
    if (verdict === "drop") expect(stops.at(-1)?.steps.at(-1)?.chain).toBe(chain);
    if (verdict === null) expect(traceText(stops)).toContain("cannot tell");
  });

  it.each([
    ["pod/api", "accept"],
    ["pod/db", "drop"],
  ] as const)("follows %s to where other programs' rules send it: %s", (from, verdict) => {
    const to = findEnd(facts, parseEnd("pod/web"), "default").addresses[0];
    const rule = `-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination ${to}:80`;
    // Only what was sent there may pass.
    const passed = "-A FORWARD -m conntrack ! --ctstate DNAT -j DROP";
    const text = `*nat\n:PREROUTING ACCEPT [0:0]\n${rule}\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n${passed}\nCOMMIT\n`;
    const others = rulesetOf({
      iptables: [{ store: "iptables-nft", family: 4, text }],
      nft: [],
      unreadable: [],
    });
    const [asked] = parsePorts("8080/tcp");
    const [start, service] = [end(from), end("10.96.0.1")];
    const source = start.addresses[0] ?? "";
    const flow = { from: start, to: service, source, destination: "10.96.0.1", port: asked };
    const answer = explain(facts, judgesOf(facts), start, service, asked);
    const [home, ...more] = traceStops(facts, flow, answer, (node) => ({
      ...renderedRules(facts, node),
      ...(node === nodeOf(start) && { others }),
    }));
    expect(home?.steps).toContainEqual({
      hook: "prerouting",
      chain: "of another program",
      rule: expect.stringContaining("--to-destination"),
      does: `sends it to ${to}, port 80`,
    });
    expect((more.at(-1) ?? home)?.verdict).toBe(verdict);
    expect((more.at(-1) ?? home)?.node).toBe(nodeOf(end("pod/web")));
  });

  it("follows a translation", () => {
    const { answer, stops } = traced(facts, end("pod/web"), end("host/far"), port);
    expect(answer.snat.action).toBe("Masquerade");
    expect(stops).toMatchObject([
      { where: "forward", verdict: "accept", translation: expect.stringContaining("masquerade") },
    ]);
  });
});
