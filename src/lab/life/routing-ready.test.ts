import { describe, expect, it } from "vitest";
import { emptyFacts } from "../../plan/facts.ts";
import { bgp, nodeWith, peer } from "../../plan/routing/bird/facts.suite.ts";
import { sessionReport } from "../../plan/routing/bird/report.ts";
import { allSessions } from "../../plan/routing/bird/sessions.ts";
import { missingOf } from "./routing-ready.ts";

const facts = {
  ...emptyFacts(),
  nodes: new Map(["a", "b"].map((name, at) => [name, nodeWith(name, { addresses: [`10.0.0.${at + 1}`] })])),
  bgpConfigurations: new Map([bgp({})]),
  bgpPeers: new Map([peer("r", { peerIP: "10.0.0.9", asNumber: 65_001, node: "a" })]),
};

/** What agents tell when their sessions are in those states, by `NODE PEER`; "Established" by default. */
function told(states: Readonly<Record<string, { state: string; code?: "wrong-as" | "no-answer" }>> = {}) {
  const sessions = allSessions(facts).map((session) => {
    const { state = "Established", code } = states[`${session.node} ${session.peer}`] ?? {};
    return { ...sessionReport(session), state, error: code ? { code, message: "so it is" } : null };
  });
  return new Map(
    ["a", "b"].map((name) => [
      name,
      { running: true, sessions: sessions.filter(({ node }) => node === name) },
    ]),
  );
}

describe("what a lab's routing still lacks", () => {
  it("is nothing once every session of both ends and with routers stands", () => {
    expect(allSessions(facts)).toHaveLength(3);
    expect(missingOf(facts, told())).toEqual([]);
  });

  it("is waited for while it may pass, and not where it lasts", () => {
    const states = {
      "a 10.0.0.9": { state: "Active", code: "wrong-as" },
      "b 10.0.0.1": { state: "Connect", code: "no-answer" },
    } as const;
    expect(missingOf(facts, told(states))).toEqual([
      { text: "a has no session with 10.0.0.9: wrong-as: so it is", lasting: true },
      { text: "b has no session with 10.0.0.1 (a): no-answer: so it is", lasting: false },
    ]);
    expect(missingOf(facts, told({ "b 10.0.0.1": { state: "OpenSent" } }))).toMatchObject([
      { lasting: false },
    ]);
  });

  it("is a BIRD that does not run, or of which nobody tells", () => {
    const all = new Map([...told(), ["b", undefined] as const]);
    expect(missingOf(facts, all)).toEqual([{ text: "BIRD of b does not run", lasting: false }]);
  });

  it("is a session of which its agent has not heard yet", () => {
    const all = new Map([...told(), ["b", { running: true, sessions: [] }] as const]);
    expect(missingOf(facts, all)).toMatchObject([
      { text: "b has no session with 10.0.0.1 (a): not yet", lasting: false },
    ]);
  });
});
