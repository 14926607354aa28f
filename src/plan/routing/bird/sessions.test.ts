import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BGPPeer } from "../../../api/kinds/routing/bgp.ts";
import { parseIp } from "../../../base/ip.ts";
import type { ClusterFacts } from "../../facts.ts";
import { facts as plainFacts } from "../facts.suite.ts";
import { bgp, nodeWith, peer, routing, secret } from "./facts.suite.ts";
import { allSessions, sessionsOf } from "./sessions.ts";

const nodes = [
  nodeWith("a", { addresses: ["10.0.0.1", "fd00::1"], labels: { rr: "yes" } }),
  nodeWith("b", { addresses: ["10.0.0.2", "fd00::2"] }),
  nodeWith("c", { addresses: ["10.0.0.3"] }),
];

function cluster(peers: [string, BGPPeer][], more: Partial<ClusterFacts> = {}): ClusterFacts {
  return {
    ...plainFacts(nodes, []),
    bgpPeers: new Map(peers),
    bgpConfigurations: new Map([bgp({})]),
    ...more,
  };
}
const noMesh = { bgpConfigurations: new Map([bgp({ nodeToNodeMeshEnabled: false })]) };
const short = (facts: ClusterFacts, node: string) =>
  sessionsOf(facts, node).map(
    ({ protocol, object, passive }) => `${protocol} ${object}${passive ? " passive" : ""}`,
  );

describe("the mesh", () => {
  it("joins all nodes, a session for each family that both have, the lower address passive", () => {
    expect(short(cluster([]), "b")).toEqual([
      "bgp_10_0_0_1 BGPConfiguration/default",
      "bgp_10_0_0_3 BGPConfiguration/default passive",
      "bgp_fd00__1 BGPConfiguration/default",
    ]);
  });

  it("is there while anything is said about BGP, and no protocol is named", () => {
    expect(allSessions(cluster([], { bgpConfigurations: new Map() }))).toEqual([]);
    expect(allSessions(cluster([], routing({ protocols: ["rip"] })))).toEqual([]);
    expect(
      allSessions(cluster([], { bgpConfigurations: new Map(), ...routing({ protocols: ["bgp"] }) })),
    ).toHaveLength(8);
  });

  it("leaves out reflectors, and takes an empty annotation for none", () => {
    const reflector = (id: string) =>
      nodeWith("a", {
        addresses: ["10.0.0.1"],
        annotations: { "projectcalico.org/RouteReflectorClusterID": id },
      });
    const withId = (id: string) => ({
      nodes: new Map([
        ["a", reflector(id)],
        ...nodes.slice(1).map((one) => [one.metadata.name, one] as const),
      ]),
    });
    expect(short(cluster([], withId("244.0.0.1")), "a")).toEqual([]);
    expect(short(cluster([], withId("")), "a")).toHaveLength(2);
  });
});

describe("peers", () => {
  it("stand on both sides, whichever declares them, and go before the mesh", () => {
    const facts = cluster([peer("p", { node: "a", peerIP: "10.0.0.2:1790", asNumber: 65_000 })]);
    expect(short(facts, "a")).toContain("bgp_10_0_0_2 BGPPeer/p passive");
    expect(short(facts, "b")).toContain("bgp_10_0_0_1 BGPPeer/p");
    // Port and AS are the peer node's own.
    expect(sessionsOf(facts, "a").find(({ peerNode }) => peerNode === "b")).toMatchObject({
      port: 179,
      peerAS: 64_512,
    });
  });

  it("stand on one side only where that is asked for", () => {
    const facts = cluster(
      [peer("p", { node: "a", peerIP: "10.0.0.2", asNumber: 64_512, reversePeering: "Manual" })],
      noMesh,
    );
    expect(short(facts, "a")).toEqual(["bgp_10_0_0_2 BGPPeer/p"]);
    expect(short(facts, "b")).toEqual([]);
  });

  it("make one session of several objects: the first by name", () => {
    const facts = cluster(
      [
        peer("z", { nodeSelector: "!has(rr)", peerSelector: "has(rr)" }),
        peer("m", { nodeSelector: "has(rr)", peerSelector: "all()" }),
        peer("x", { peerIP: "192.0.2.1", asNumber: 65_001 }),
        peer("y", { node: "c", peerIP: "192.0.2.1", asNumber: 65_002 }),
        peer("v6", { peerIP: "[2001:db8::1]:1179", asNumber: 65_001 }),
      ],
      noMesh,
    );
    expect(short(facts, "c")).toEqual(["bgp_10_0_0_1 BGPPeer/m", "bgp_192_0_2_1 BGPPeer/x"]);
    expect(short(facts, "a")).toContain("bgp_2001_db8__1_p1179 BGPPeer/v6");
  });

  it("have the AS of their node, annotation, object or cluster, and both sides agree", () => {
    const own = nodeWith("b", {
      addresses: ["10.0.0.2"],
      annotations: { "projectcalico.org/ASNumber": "1.10" },
    });
    const facts = cluster([peer("p", { node: "a", peerSelector: "all()", localASNumber: "65010" })], {
      nodes: new Map([nodes[0]!, own].map((one) => [one.metadata.name, one])),
    });
    expect(sessionsOf(facts, "a")).toMatchObject([{ localAS: 65_010, peerAS: 65_546 }]);
    expect(sessionsOf(facts, "b")).toMatchObject([{ localAS: 65_546, peerAS: 65_010 }]);
  });

  it("are a reflector's clients unless they have its cluster id, or another AS", () => {
    const reflector = (name: string, address: string, id: string, as = "64512") =>
      nodeWith(name, {
        addresses: [address],
        annotations: {
          "projectcalico.org/RouteReflectorClusterID": id,
          "projectcalico.org/ASNumber": as,
        },
      });
    const all = [
      reflector("a", "10.0.0.1", "244.0.0.1"),
      reflector("b", "10.0.0.2", "244.0.0.1"),
      reflector("d", "10.0.0.4", "244.0.0.2"),
      reflector("e", "10.0.0.5", "244.0.0.2", "65000"),
      nodes[2]!,
    ];
    const facts = cluster([peer("p", { node: "a", peerSelector: "all()" })], {
      nodes: new Map(all.map((one) => [one.metadata.name, one])),
    });
    const clients = sessionsOf(facts, "a").map(({ peerNode, client }) => [peerNode, client]);
    expect(clients).toEqual([
      ["b", false],
      ["c", true],
      ["d", true],
      ["e", false],
    ]);
  });

  it.each([
    ["the peer's", "a", peer("p", { peerIP: "192.0.2.1", asNumber: "65536.1" })],
    ["the node's own", "a", peer("p", { node: "a", peerIP: "192.0.2.1", asNumber: 1, localASNumber: "x" })],
    ["a node's", "a", peer("p", { node: "a", peerSelector: "all()", localASNumber: 0 })],
    ["the other node's", "b", peer("p", { node: "a", peerSelector: "all()", localASNumber: 0 })],
  ])("are held where %s AS number cannot be read", (_, name, object) => {
    const found = sessionsOf(cluster([object], noMesh), name);
    expect(found.length).toBeGreaterThan(0);
    for (const { held, password } of found)
      expect([held?.code, password]).toEqual(["bad-as-number", undefined]);
  });

  it("without their Secret are held, and say so", () => {
    const password = { secretKeyRef: { name: "s", key: "k" } };
    const facts = cluster([peer("p", { peerIP: "192.0.2.1", asNumber: 1, password })], noMesh);
    expect(sessionsOf(facts, "a")).toMatchObject([
      { signed: true, password: undefined, held: { code: "secret-missing" } },
    ]);
    const known = { ...facts, ...secret("s", { k: "word\n" }) };
    expect(sessionsOf(known, "a")).toMatchObject([{ password: "word", held: undefined }]);
    const quote = { ...facts, ...secret("s", { k: 'wo"rd' }) };
    expect(sessionsOf(quote, "a")[0]?.held?.message).toMatch(/quotation mark/);
  });
});

describe("any cluster", () => {
  const names = ["a", "b", "c", "d"] as const;
  const nodeArb = fc.record({
    v4: fc.boolean(),
    v6: fc.boolean(),
    id: fc.constantFrom("", "244.0.0.1", "244.0.0.2"),
    as: fc.constantFrom("", "65000"),
    label: fc.boolean(),
  });
  const selector = fc.constantFrom("all()", "has(l)", "!has(l)");
  const peerArb = fc.record(
    {
      node: fc.constantFrom(...names),
      nodeSelector: selector,
      target: fc.oneof(selector, fc.constantFrom("10.0.0.1", "fd00::2", "10.0.0.3:99", "192.0.2.1")),
      localASNumber: fc.constantFrom(65_010),
      reversePeering: fc.constantFrom("Auto" as const),
    },
    { requiredKeys: ["target"] },
  );

  it("has sessions that both sides agree on, one a pair and family, and none with itself", () => {
    fc.assert(
      fc.property(
        fc.array(nodeArb, { minLength: 2, maxLength: 4 }),
        fc.array(peerArb, { maxLength: 4 }),
        fc.boolean(),
        (parts, peers, mesh) => {
          const all = parts.map((one, at) =>
            nodeWith(names[at]!, {
              addresses: [...(one.v4 ? [`10.0.0.${at + 1}`] : []), ...(one.v6 ? [`fd00::${at + 1}`] : [])],
              labels: one.label ? { l: "" } : {},
              annotations: {
                "projectcalico.org/RouteReflectorClusterID": one.id,
                "projectcalico.org/ASNumber": one.as,
              },
            }),
          );
          const objects = peers.map(({ target, node, nodeSelector, ...rest }, at) =>
            peer(`p${at}`, {
              ...rest,
              ...(node === undefined ? (nodeSelector === undefined ? {} : { nodeSelector }) : { node }),
              ...(target.includes("(") ? { peerSelector: target } : { peerIP: target, asNumber: 65_001 }),
            }),
          );
          const facts: ClusterFacts = {
            ...plainFacts(all, []),
            bgpPeers: new Map(objects),
            bgpConfigurations: new Map([bgp({ nodeToNodeMeshEnabled: mesh })]),
          };
          const sessions = allSessions(facts);
          const keys = sessions.map(({ node, peer: address, port }) => `${node} ${address} ${port}`);
          expect(new Set(keys).size).toBe(keys.length);
          expect(new Set(sessions.map(({ node, protocol }) => `${node} ${protocol}`)).size).toBe(keys.length);
          for (const one of sessions) {
            expect(one.peerNode).not.toBe(one.node);
            expect(one.peer).not.toBe(one.localAddress);
            expect(parseIp(one.peer).family).toBe(one.family);
            if (one.peerNode === undefined) continue;
            const back = sessions.filter((two) => two.node === one.peerNode && two.peer === one.localAddress);
            expect(back).toHaveLength(1);
            expect(back[0]).toMatchObject({
              object: one.object,
              localAS: one.peerAS,
              peerAS: one.localAS,
              passive: !one.passive,
              peerNode: one.node,
            });
          }
        },
      ),
    );
  });
});
