import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/object.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { cluster, heldEgress, host, pod, policy, pool } from "../cluster.suite.ts";
import { findEnd } from "../ends.ts";
import { explain, verdictOf } from "../explain.ts";
import { ground } from "../ground/ground.suite.ts";
import type { Ground } from "../ground/ground.ts";
import { judgesOf } from "../judges/plans.ts";
import { clusterEnds, matrixCells } from "../matrix/matrix.ts";
import { parseEnd, parseTarget } from "../target.ts";
import { renderedRules } from "./rendered.ts";

const why = "its agent does not answer: no answer within 1000 ms";
const facts = (natOutgoing: boolean, ...more: readonly KubeObject[]) =>
  cluster(
    pool("pods", "10.1.0.0/16", natOutgoing),
    host("gateway", "192.168.18.1", { role: "router", ports: [] }),
    ...more,
  );
const shut = policy("shut", { podSelector: { matchLabels: { app: "api" } }, policyTypes: ["Ingress"] });

/** Judges of the objects of today, where a node has the rules of before. */
const judgesFor = (today: ClusterFacts, before: ClusterFacts, node: string, on = ground) =>
  judgesOf(today, { unattended: new Map([[node, { why, table: renderedRules(before, node).table }]]) }, on);

function ask(from: string, to: string, today: ClusterFacts, before: ClusterFacts, node: string, on = ground) {
  const target = parseTarget(to);
  const ends = [findEnd(today, parseEnd(from), "default"), findEnd(today, target.end, "default")] as const;
  const answer = explain(today, judgesFor(today, before, node, on), ...ends, target.port);
  return { verdict: verdictOf(answer), unknown: answer.unknown };
}

describe("where a node's agent does not serve", () => {
  it.each([
    ["policy that is new", facts(false, shut), facts(false), "n2", "pod/web", "pod/api:80"],
    ["policy that is gone", facts(false), facts(false, shut), "n2", "pod/web", "pod/api:80"],
    ["pool that translates now", facts(true), facts(false), "n1", "pod/web", "host/out:80"],
    ["pool that translates no more", facts(false), facts(true), "n1", "pod/web", "host/out:80"],
  ])("a %s makes the answer unknown, and names the node", (_, today, before, node, from, to) => {
    expect(ask(from, to, today, before, node)).toEqual({
      verdict: "unknown",
      unknown: [`what node/${node} does with it: ${why}, and it has not done yet what objects ask for`],
    });
    // What those rules make no difference to, and where the agents serve.
    expect(ask("pod/web", "pod/db:3306", today, before, node).verdict).toBe("yes");
    const other = node === "n1" ? "n2" : "n1";
    expect(ask(from, to, today, before, other).verdict).toBe(ask(from, to, today, today, node).verdict);
  });

  it("answers are as sure as ever while nothing has changed", () => {
    const today = facts(true, shut);
    for (const node of ["n1", "n2"])
      for (const to of ["pod/api:80", "pod/db:3306", "host/out:80", "node/n1:10250", "node/n2:10250"])
        for (const from of ["pod/web", "pod/api", "node/n1", "host/out"])
          expect(ask(from, to, today, today, node).unknown).toBeUndefined();
  });

  it("without rules of ours nothing is sure that they would do", () => {
    const today = facts(false, shut);
    const judges = judgesOf(
      today,
      { unattended: new Map([["n2", { why, table: { chains: new Map(), sets: new Map() } }]]) },
      ground,
    );
    const [web, api] = ["pod/web", "pod/api"].map((name) => findEnd(today, parseEnd(name), "default"));
    expect(verdictOf(explain(today, judges, web!, api!, { port: 80, protocol: "TCP" }))).toBe("unknown");
  });

  it("answers that pass it hang on its rules as well", () => {
    const udp = pod("talker", "10.1.0.66", "n2", {
      ports: [{ containerPort: 80, protocol: "UDP" as const }],
    });
    const egress = heldEgress("n1");
    // The answer takes a way over n1, which has not seen what it answers.
    const around: Ground = {
      machines: ground.machines.map((machine) =>
        machine.name === "node/n2"
          ? { ...machine, routes: [{ to: "172.17.0.9/32", via: "192.168.18.3" }, ...machine.routes] }
          : machine,
      ),
    };
    const [today, before] = [facts(false, udp, egress), facts(false, udp)];
    const asked = (now: ClusterFacts, then: ClusterFacts) =>
      ask("host/out", "pod/talker:80/udp", now, then, "n1", around).verdict;
    expect([asked(before, before), asked(today, today), asked(today, before)]).toEqual([
      "yes",
      "no",
      "unknown",
    ]);
  });

  it("a cell of the matrix hangs on it, too", () => {
    const [today, before] = [facts(false, shut), facts(false)];
    const question = { ends: clusterEnds(today), ports: "declared", view: "live" } as const;
    const cells = [...matrixCells(today, judgesFor(today, before, "n2"), question)];
    const cell = cells.find(({ from, to }) => from === "pod/default/web" && to === "pod/default/api");
    expect(cell?.allowed).toBeNull();
  });
});
