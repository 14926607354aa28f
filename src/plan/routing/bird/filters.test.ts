import { describe, expect, it } from "vitest";
import type { BGPFilterRule } from "../../../api/kinds/routing/bgp.ts";
import type { ClusterFacts } from "../../facts.ts";
import { facts as plainFacts } from "../facts.suite.ts";
import { bgp, filter, nodeWith, peer } from "./facts.suite.ts";
import { judgeImport, missingFilters, rulesFor } from "./filters.ts";
import { sessionsOf } from "./sessions.ts";

const guards = [
  { cidr: "10.1.0.0/16", of: "pool p" },
  { cidr: "192.168.18.0/24", of: "the network of node a" },
];

function judge(
  rules: readonly BGPFilterRule[],
  prefix: string,
  more: { communities?: [number, number][]; asPath?: number[] } = {},
) {
  const facts: ClusterFacts = {
    ...plainFacts([nodeWith("a", { addresses: ["192.168.18.11"] })], []),
    bgpConfigurations: new Map([bgp({})]),
    bgpPeers: new Map([peer("r", { peerIP: "192.168.18.1", asNumber: 65_001, filters: ["f"] })]),
    bgpFilters: new Map([filter("f", { importV4: rules })]),
  };
  const session = sessionsOf(facts, "a")[0]!;
  const route = { prefix, asPath: more.asPath ?? [65_001], communities: more.communities ?? [] };
  return judgeImport(rulesFor(facts, session, "import"), route, { outside: true, guards, missing: [] });
}

describe("what comes in from outside", () => {
  it("is everything but a default route, our ranges, their parts, and what covers them", () => {
    expect(judge([], "10.9.0.0/24")).toMatchObject({ accepted: true });
    for (const prefix of ["0.0.0.0/0", "10.1.0.0/16", "10.1.7.0/26", "10.0.0.0/8", "192.168.18.9/32"])
      expect(judge([], prefix)).toMatchObject({ accepted: false });
  });

  it("needs a rule that names the range to be let in all the same", () => {
    const accept = (rule: Partial<BGPFilterRule>) => judge([{ action: "Accept", ...rule }], "10.1.7.0/26");
    expect(accept({})).toMatchObject({ accepted: false });
    expect(accept({ cidr: "10.1.7.0/24", matchOperator: "In" })).toMatchObject({ accepted: true });
    expect(accept({ cidr: "10.1.7.0/26", matchOperator: "Equal" })).toMatchObject({ accepted: true });
    expect(accept({ cidr: "10.2.0.0/16", matchOperator: "NotIn" })).toMatchObject({ accepted: false });
    expect(
      judge([{ action: "Accept", cidr: "0.0.0.0/0", matchOperator: "Equal" }], "0.0.0.0/0"),
    ).toMatchObject({ accepted: true });
  });

  it.each(["10.9.0.1/16", "10.9.0.0/16+ ]; accept; #", "2001:db8::/32"])(
    "is nothing where a rule has a range that is none there, and BIRD is not told of it: %s",
    (cidr) => {
      expect(judge([{ action: "Accept", cidr, matchOperator: "In" }], "10.9.0.0/24")).toEqual({
        accepted: false,
        why: `BGPFilter/f importV4[0] has no IPv4 range ('${cidr}'): nothing passes`,
      });
    },
  );

  it("is decided by the first rule that matches, and the rule is named", () => {
    const rules: BGPFilterRule[] = [
      { action: "Reject", cidr: "10.9.0.0/16", matchOperator: "In", prefixLength: { min: 25 } },
      { action: "Accept", cidr: "10.9.0.0/16", matchOperator: "In" },
      { action: "Reject" },
    ];
    expect(judge(rules, "10.9.0.0/26")).toEqual({
      accepted: false,
      why: "BGPFilter/f importV4[0] rejects it",
    });
    expect(judge(rules, "10.9.0.0/24")).toMatchObject({ accepted: true });
    expect(judge(rules, "10.8.0.0/24")).toEqual({
      accepted: false,
      why: "BGPFilter/f importV4[2] rejects it",
    });
  });

  it("matches communities, all of them, the path's beginning and the kind of peer", () => {
    const reject = (rule: Partial<BGPFilterRule>) =>
      judge([{ action: "Reject", ...rule }], "10.9.0.0/24", { communities: [[1, 2]], asPath: [65_001, 7] })
        .accepted;
    expect(reject({ communities: { values: ["1:2"] } })).toBe(false);
    expect(reject({ communities: { values: ["1:2", "1:3"] } })).toBe(true);
    expect(reject({ asPathPrefix: [65_001] })).toBe(false);
    expect(reject({ asPathPrefix: [7] })).toBe(true);
    expect(reject({ peerType: "eBGP" })).toBe(false);
    expect(reject({ peerType: "iBGP" })).toBe(true);
    expect(reject({ priority: 32 })).toBe(false);
    expect(reject({ priority: 33 })).toBe(true);
  });

  it("is nothing where a filter is missing", () => {
    const facts: ClusterFacts = {
      ...plainFacts([nodeWith("a", { addresses: ["192.168.18.11"] })], []),
      bgpPeers: new Map([peer("r", { peerIP: "192.168.18.1", asNumber: 65_001, filters: ["gone"] })]),
    };
    const session = sessionsOf(facts, "a")[0]!;
    expect(rulesFor(facts, session, "export")).toEqual({ closed: true, rules: [] });
    expect(missingFilters(facts, session)).toEqual(["gone"]);
  });
});
