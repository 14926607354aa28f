import { describe, expect, it } from "vitest";
import type { ClusterFacts } from "../../plan/facts.ts";
import { rulesetOf } from "../../plan/foreign/index.ts";
import { podEni } from "../../plan/subnets/pod-enis.suite.ts";
import { block, cluster, pod, policy, pool } from "../cluster.suite.ts";
import { ground } from "../ground/ground.suite.ts";
import type { Ground, Machine } from "../ground/ground.ts";
import { judgesOf } from "../judges/plans.ts";
import { mendOf, wayFindings } from "./ways.ts";

const facts = cluster(pool("pods", "10.1.0.0/16", false));
/** The network with the first link of n1 named, and more of that machine. */
const changed = (more: Partial<Machine>): Ground => ({
  machines: ground.machines.map((machine) => ({
    ...machine,
    links: machine.links.map((link, at) => ({ ...link, name: `eth${at}` })),
    ...(machine.name === "node/n1" ? more : {}),
  })),
});
const found = (on: Ground, filter: readonly string[] = [], of = facts) => {
  const text = `*filter\n:FORWARD ACCEPT [0:0]\n${filter.join("\n")}\nCOMMIT\n`;
  const iptables = [{ store: "iptables-nft" as const, family: 4 as const, text }];
  const rules = new Map([["node/n1", rulesetOf({ iptables, nft: [], unreadable: [] })]]);
  return wayFindings(of, judgesOf(of, { rules }, on), on).map(({ code, severity, object, message }) => ({
    what: `${severity} ${code} ${object}`,
    message,
  }));
};

describe("the ways between nodes' pods", () => {
  it("are not worth a word where all of them lead there", () => expect(found(changed({}))).toEqual([]));

  it("are cut by a rule that somebody has added: it is named, with the command that takes it away", () => {
    const cut = found(changed({}), ["-A FORWARD -s 10.1.0.0/16 -j DROP"]);
    expect(cut.length).toBeGreaterThan(0);
    for (const { what, message } of cut) {
      expect(what).toMatch(/^error way\.broken Pod\/default\//);
      expect(message).toContain(
        "to mend it: iptables-nft -t filter -D FORWARD -s 10.1.0.0/16 -j DROP (on n1, if nobody needs it)",
      );
    }
  });

  it("of pods of another pool are asked too, and what cuts both is said once", () => {
    const other = [pool("other", "10.3.0.0/26", false), block("10.3.0.0/29", "n1")];
    const of = cluster(pool("pods", "10.1.0.0/16", false), ...other, pod("s", "10.3.0.2", "n1"));
    const cut = (...rules: string[]) => found(changed({}), rules, of).map(({ what }) => what);
    // Answers are cut, too.
    const ofOther = ["error way.broken Pod/default/s", "error way.broken Pod/default/api"];
    expect(cut("-A FORWARD -s 10.3.0.0/26 -d 10.1.0.64/26 -j DROP")).toEqual(ofOther);
    const ofBoth = ["error way.broken Pod/default/db", "error way.broken Pod/default/api"];
    expect(cut("-A FORWARD -d 10.1.0.64/26 -j DROP")).toEqual(ofBoth);
  });

  it("end at a link that is down, which is named with what sets it up", () => {
    const links = changed({}).machines.find(({ name }) => name === "node/n1")!.links;
    const cut = found(changed({ links: links.map((link) => ({ ...link, down: true as const })) }));
    expect(cut[0]).toEqual({
      what: "error node.link-down Node/n1",
      message: "link eth0 is down; to mend it: ip link set eth0 up (on the node)",
    });
  });

  it("are not cut by an interface of the provider that is down and that no pod has", () => {
    const own = podEni("Secondary");
    const links = changed({}).machines.find(({ name }) => name === "node/n1")!.links;
    const idle = { ...links[0]!, name: "eth1", addresses: [], interfaceID: "eni-1", down: true as const };
    const downWith = (given?: ClusterFacts) =>
      found(changed({ links: [...links, idle] }), [], given ?? facts).filter(({ what }) =>
        what.includes("link-down"),
      );
    expect(downWith()).toEqual([]);
    expect(downWith({ ...facts, podEnis: new Map([["default/p", own]]) })).toHaveLength(1);
  });

  it("are not known where a machine has what is not followed: a note, not a fault", () => {
    const odd = found(changed({ odd: [{ what: "IPsec policies (1)" }] }));
    expect(odd.map(({ what }) => what)).toContainEqual(expect.stringMatching(/^note way\.unknown/));
    expect(odd[0]?.message).toContain("IPsec policies (1)");
  });

  it("that a policy forbids are as somebody wants them", () => {
    const shut = policy("shut", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    expect(found(changed({}), [], cluster(pool("pods", "10.1.0.0/16", false), shut))).toEqual([]);
  });
});

it("what mends a way is a rule's or a route's removal, by the tool of its family", () => {
  const route = [{ at: "node/n1", to: "nowhere", by: "its route to 10.1.0.0/26" }];
  const leads = "node/n1 has a route to 10.1.0.5 that leads nowhere";
  expect(mendOf({ reasons: [leads], route }, false)).toBe(
    "ip route del 10.1.0.0/26 (on n1, if nobody needs it)",
  );
  const drops = "node/n1 drops it: iptables-legacy -t raw -A PREROUTING -j DROP";
  expect(mendOf({ reasons: [drops], route: [] }, true)).toBe(
    "ip6tables-legacy -t raw -D PREROUTING -j DROP (on n1, if nobody needs it)",
  );
  expect(mendOf({ reasons: ["nobody has it"], route }, false)).toBeUndefined();
});
