import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { bgpPeerKind } from "../../api/kinds/routing/bgp.ts";
import { silent } from "../../base/log.ts";
import { type ClusterFacts, emptyFacts } from "../../plan/facts.ts";
import { nodeWith, peer } from "../../plan/routing/bird/facts.suite.ts";
import { type SessionReport, sessionReport } from "../../plan/routing/bird/report.ts";
import { sessionsOf } from "../../plan/routing/bird/sessions.ts";
import { memoryStore } from "../../store/memory.ts";
import { PeerStatus } from "./peer-status.ts";

describe("PeerStatus", () => {
  const store = memoryStore();
  const status = new PeerStatus({ node: "a", store, logger: silent });
  let planned: ClusterFacts;
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    await store.create(bgpPeerKind, peer("p", { peerIP: "10.0.0.9", asNumber: 65_001 })[1]);
    planned = { ...emptyFacts(), nodes: new Map([["a", nodeWith("a", { addresses: ["10.0.0.1"] })]]) };
  });
  afterEach(async () => {
    vi.useRealTimers();
    await store.delete(bgpPeerKind, "p");
  });

  /** Tells what the session is like and returns what the object then says of it. */
  const told = async (live: Partial<SessionReport>) => {
    const facts = { ...planned, bgpPeers: new Map([["p", (await store.get(bgpPeerKind, "p"))!]]) };
    const reports = sessionsOf(facts, "a").map((one) => ({ ...sessionReport(one), ...live }));
    await status.tell(facts, reports);
    const now = (await store.get(bgpPeerKind, "p"))!;
    return (now.status?.sessions ?? []).map((one) => [one["state"], one["routesIn"]]);
  };

  it("writes at once how sessions stand, and numbers of routes alone only now and then", async () => {
    expect(await told({ state: "Established", routesIn: 1 })).toEqual([["Established", 1]]);
    expect(await told({ state: "Established", routesIn: 2 })).toEqual([["Established", 1]]);
    expect(await told({ state: "Connect", routesIn: 0 })).toEqual([["Connect", 0]]);
    expect(await told({ state: "Connect", routesIn: 3 })).toEqual([["Connect", 0]]);
    vi.advanceTimersByTime(10_000);
    expect(await told({ state: "Connect", routesIn: 3 })).toEqual([["Connect", 3]]);
  });
});
