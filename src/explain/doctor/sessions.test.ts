import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/object.ts";
import { ROUTING_CONDITION, type SessionReport } from "../../plan/routing/bird/report.ts";
import { cluster, host, node } from "../cluster.suite.ts";
import { findEnd } from "../ends.ts";
import { explain, verdictOf } from "../explain.ts";
import { judgesOf } from "../judges/plans.ts";
import type { NodeRouting } from "../routing/types.ts";
import { parseEnd, parseTarget } from "../target.ts";
import { sessionFindings } from "./sessions.ts";

const bgp = {
  apiVersion: "crd.projectcalico.org/v1",
  kind: "BGPConfiguration",
  metadata: { name: "default", uid: "b", resourceVersion: "1", creationTimestamp: "" },
  spec: {},
} as KubeObject;
const session = (name: string, peer: string, peerNode: string | null, state: string, code?: string) =>
  ({
    node: name,
    peer,
    port: 179,
    peerNode,
    state,
    since: "2026-11-29T10:00:00Z",
    object: "BGPPeer/r1",
    error: code === undefined ? null : { code, message: "said so" },
  }) as unknown as SessionReport;
const live = (name: string, running: boolean, ...sessions: SessionReport[]) =>
  [name, { node: name, running, error: null, sessions } as unknown as NodeRouting] as const;
const saying = (reason: string): KubeObject => {
  const n1 = node("n1", "192.168.18.3");
  const told = { type: ROUTING_CONDITION, status: "False", reason, message: "M", lastTransitionTime: "T" };
  return { ...n1, status: { ...n1.status, conditions: [told] } } as KubeObject;
};

describe("doctor", () => {
  it("names the session, since when it is down, why, and what to do", () => {
    const found = sessionFindings(
      cluster(bgp),
      new Map([
        live("n1", true, session("n1", "192.168.18.9", null, "Active", "connection-refused")),
        live("n2", true, session("n2", "192.168.18.9", null, "Established")),
      ]),
    );
    expect(found.map(({ code, object }) => [code, object])).toEqual([["bgp.session-down", "Node/n1"]]);
    expect(found[0]?.message).toBe(
      "no BGP session with 192.168.18.9 (BGPPeer/r1, since 2026-11-29T10:00:00Z): connection-refused: said so; start the BGP daemon of the peer, and let it know n1 as a neighbour",
    );
  });

  it("blames a BIRD that does not run, and no peer for it", () => {
    const found = sessionFindings(
      cluster(bgp),
      new Map([
        live("n1", false, session("n1", "192.168.18.4", "n2", "Down", "bird-away")),
        live("n2", true, session("n2", "192.168.18.3", "n1", "Active", "connection-refused")),
      ]),
    );
    expect(found.map(({ code, object }) => [code, object])).toEqual([["bgp.bird-away", "Node/n1"]]);
    expect(found[0]?.message).toContain("since 2026-11-29T10:00:00Z");
  });

  it("goes by nodes' objects where no agent answers, and is silent where nobody asks for BIRD", () => {
    expect(sessionFindings(cluster(bgp, saying("BirdAway")), new Map())).toMatchObject([
      { code: "bgp.bird-away", message: "M (since T)" },
    ]);
    expect(sessionFindings(cluster(bgp), new Map())).toEqual([]);
    expect(sessionFindings(cluster(saying("BirdAway")), new Map([live("n1", false)]))).toEqual([]);
  });
});

describe("explain by objects alone", () => {
  const ask = (from: string, to: string, ...more: KubeObject[]) => {
    const facts = cluster(host("far", "203.0.113.9"), ...more);
    const target = parseTarget(to);
    const [a, b] = [findEnd(facts, parseEnd(from), "default"), findEnd(facts, target.end, "default")];
    const answer = explain(facts, judgesOf(facts), a, b, target.port);
    return { ...answer, verdict: verdictOf(answer) };
  };

  it.each([
    ["pod/web", "pod/api:80"],
    ["pod/api", "pod/web:80"],
    ["host/far", "pod/web:80"],
  ])("cannot tell of routes that a node says are not told: %s to %s", (from, to) => {
    expect(ask(from, to, bgp).verdict).toBe("yes");
    const unsure = ask(from, to, bgp, saying("SessionsDown"));
    expect(unsure).toMatchObject({ verdict: "unknown", reachable: null, expected: null });
    expect(unsure.unknown?.[0]).toContain("node n1 says SessionsDown (M)");
    // Direct routes are the agents' own.
    expect(ask(from, to, saying("SessionsDown")).verdict).toBe("yes");
  });

  it("is sure of pods of one node", () => {
    expect(ask("pod/db", "pod/web:80", bgp, saying("BirdAway")).verdict).toBe("yes");
  });
});
