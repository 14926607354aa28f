import { describe, expect, it } from "vitest";
import { pod, policy } from "../cluster.suite.ts";
import { findEnd } from "../ends.ts";
import type { Ground } from "../ground/ground.ts";
import { judgesOf } from "../judges/plans.ts";
import { clusterEnds, matrixCells } from "../matrix/matrix.ts";
import { parseEnd } from "../target.ts";
import {
  ask,
  facts,
  from,
  iptables,
  isolated,
  judgesFor,
  masquerade,
  named,
  rules,
} from "./journey.suite.ts";

describe("policies and lists", () => {
  it("of another node see what the sender's node has made of the packet", () => {
    const of = facts(isolated("api", from("web")));
    expect(ask("pod/web", "pod/api:80", { of })).toMatchObject({ verdict: "yes", sourceSeen: "10.1.0.1" });
    expect(ask("pod/web", "pod/api:80", { of, n1: rules(masquerade) })).toMatchObject({
      verdict: "no",
      expected: "filtered",
      sourceSeen: "192.168.18.3",
      egress: { allowed: true },
      ingress: { allowed: false },
    });
    const byNode = facts(isolated("api", { from: [{ ipBlock: { cidr: "192.168.18.3/32" } }] }));
    expect(ask("pod/web", "pod/api:80", { of: byNode, n1: rules(masquerade) }).verdict).toBe("yes");
    expect(ask("pod/web", "pod/api:80", { of: byNode }).verdict).toBe("no");
  });

  it("of the pod's own node see the pod, which is translated only after them", () => {
    const of = facts(isolated("api", from("web")));
    const hidden = iptables("nat", "-A POSTROUTING -d 10.1.0.0/16 -j MASQUERADE");
    expect(ask("pod/web", "pod/api:80", { of, n2: rules(hidden) })).toMatchObject({
      verdict: "yes",
      sourceSeen: "192.168.18.4",
    });
  });

  it("of hosts see what leaves", () => {
    expect(ask("pod/web", "host/choosy:80", {}).verdict).toBe("yes");
    expect(ask("pod/web", "host/choosy:80", { n1: rules(masquerade) })).toMatchObject({
      expected: "refused",
      admission: { allowed: false },
    });
  });

  it("see the destination that others have made of it", () => {
    const service = iptables(
      "nat",
      "-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.65:80",
    );
    const of = facts(isolated("api", from("web")));
    expect(ask("pod/web", "10.96.0.1:8080", { of, n1: rules(service) })).toMatchObject({
      verdict: "yes",
      listening: true,
    });
    expect(ask("pod/db", "10.96.0.1:8080", { of, n1: rules(service) }).expected).toBe("filtered");
    expect(ask("node/n1", "10.96.0.1:8080", { of, n1: rules(service) }).expected).toBe("unreachable");
    const shut = facts(
      policy("shut", {
        podSelector: { matchLabels: { app: "web" } },
        policyTypes: ["Egress"],
        egress: [{ to: [{ ipBlock: { cidr: "10.96.0.0/16" } }] }],
      }),
    );
    expect(ask("pod/web", "10.96.0.1:8080", { of: shut, n1: rules(service) })).toMatchObject({
      egress: { allowed: false },
      expected: "filtered",
    });
  });
});

describe("what cannot be known", () => {
  const lot = iptables(
    "nat",
    "-A POSTROUTING -s 10.1.0.0/16 -m statistic --mode random --probability 0.5 -j MASQUERADE",
  );

  it("is told where it makes a difference, and named", () => {
    const of = facts(isolated("api", from("web")));
    const answer = ask("pod/web", "pod/api:80", { of, n1: rules(lot) });
    expect(answer).toMatchObject({
      verdict: "unknown",
      allowed: null,
      reachable: null,
      sourceSeen: null,
      ingress: { allowed: null },
      unknown: [expect.stringContaining("--probability 0.5")],
    });
    expect(answer.text.split("\n")[0]).toContain(
      "cannot tell: whether it is allowed hangs on iptables-nft -A POSTROUTING",
    );
    expect(ask("pod/web", "host/out:80", { n1: rules(lot) })).toMatchObject({
      verdict: "unknown",
      allowed: true,
      reachable: true,
    });
  });

  it("is not told where it comes to the same", () => {
    const of = facts(isolated("api"));
    expect(ask("pod/web", "pod/api:80", { of, n1: rules(lot) })).toMatchObject({
      verdict: "no",
      allowed: false,
    });
    expect(ask("pod/web", "pod/api:80", { of, n1: rules(lot) }).unknown).toBeUndefined();
    expect(
      ask("pod/api", "pod/web:80", {
        n1: rules(iptables("nat", "-A PREROUTING -m limit --limit 1/s -j LOG")),
      }).verdict,
    ).toBe("yes");
  });

  it("makes a cell of the matrix neither allowed nor denied", () => {
    const of = facts(isolated("api", from("web")));
    const judges = judgesFor({ of, n1: rules(lot) });
    const cells = [...matrixCells(of, judges, { ends: clusterEnds(of), ports: "declared", view: "live" })];
    const cell = (sender: string, to: string) => cells.find((one) => one.from === sender && one.to === to);
    expect(cell("pod/default/web", "pod/default/api")).toMatchObject({
      allowed: null,
      by: { by: "unknown" },
    });
    expect(cell("pod/default/db", "pod/default/api")).toMatchObject({
      allowed: false,
      by: { by: "ingress" },
    });
    expect(cell("pod/default/api", "host/out")).toMatchObject({ allowed: true });
  });

  it("is what a target of no known program does", () => {
    const answer = ask("pod/web", "pod/api:80", {
      n1: rules(iptables("filter", "-A FORWARD -j NFQUEUE --queue-num 1")),
    });
    expect(answer).toMatchObject({
      verdict: "unknown",
      allowed: null,
      unknown: [expect.stringContaining("NFQUEUE")],
    });
  });
});

describe("a source that is one of several", () => {
  const snat = rules(
    iptables("nat", "-A POSTROUTING -s 10.1.0.0/16 -j SNAT --to-source 192.168.18.60-192.168.18.63"),
  );

  it.each([
    ["192.168.18.60/30", "yes"],
    ["192.168.18.0/24", "yes"],
    ["192.168.18.60/31", "unknown"],
    ["192.168.18.64/30", "no"],
  ])("%s: %s", (cidr, verdict) => {
    const of = facts(isolated("api", { from: [{ ipBlock: { cidr } }] }));
    const { ingress } = ask("pod/web", "pod/api:80", { of, n1: snat });
    expect(ingress.allowed).toBe({ yes: true, no: false, unknown: null }[verdict]);
    const picky: Ground = {
      machines: named.machines.map((one) => (one.name === "host/choosy" ? { ...one, admit: [cidr] } : one)),
    };
    const { admission } = ask("pod/web", "host/choosy:80", { n1: snat, on: picky });
    expect(admission?.allowed).toBe({ yes: true, no: false, unknown: null }[verdict]);
  });

  const to = (range: string) => rules(iptables("nat", `-A POSTROUTING -j SNAT --to-source ${range}`));

  it("is given back where two machines have taken one of several each", () => {
    const given = { gateway: to("192.168.18.1-192.168.18.1"), n2: to("192.168.18.50-192.168.18.53") };
    expect(ask("host/choosy", "pod/api:80", given)).toMatchObject({ verdict: "yes" });
    const both = { ...given, gateway: to("192.168.18.60-192.168.18.63") };
    const answer = ask("host/choosy", "pod/api:80", both);
    expect(answer).toMatchObject({ verdict: "no", expected: "filtered" });
    expect(answer.text).toContain("does not come back: nobody on network nodes has 192.168.18.60");
  });

  it.each([
    ["192.168.18.100-192.168.18.200", "no"],
    ["192.168.18.3-192.168.18.103", "unknown"],
  ])("of many, %s: the answer comes back: %s", (range, verdict) => {
    expect(ask("pod/web", "host/out:80", { n1: to(range) }).verdict).toBe(verdict);
  });
});

it("a hostPort of which nobody knows where it leads makes no sure cell", () => {
  const of = facts(pod("mapped", "10.1.0.66", "n2", { ports: [{ containerPort: 80, hostPort: 8080 }] }));
  const judges = judgesOf(of, {}, { ...named, hostPorts: true });
  const ends = [findEnd(of, parseEnd("pod/web"), "default"), findEnd(of, parseEnd("node/n2"), "default")];
  const cells = [
    ...matrixCells(of, judges, { ends, ports: [{ port: 8080, protocol: "TCP" }], view: "live" }),
  ];
  const cell = cells.find((one) => one.from === "pod/default/web" && one.to === "node/n2");
  expect(cell).toMatchObject({
    allowed: null,
    by: { by: "unknown", reason: expect.stringContaining("hostPort of pod/default/mapped") },
  });
});

it("a pod that is being deleted may be gone, and its address is the next one's", () => {
  const leaving = pod("old", "10.1.0.70", "n2", { ports: [{ containerPort: 80 }] });
  const old = { ...leaving, metadata: { ...leaving.metadata, deletionTimestamp: "2026-11-01T00:00:00Z" } };
  expect(ask("pod/web", "10.1.0.70:80", { of: facts(old) })).toMatchObject({
    verdict: "unknown",
    allowed: true,
  });
  const next = pod("new", "10.1.0.70", "n2", { ports: [{ containerPort: 80 }] });
  for (const of of [facts(old, next), facts(next, old)])
    expect(ask("pod/web", "10.1.0.70:80", { of })).toMatchObject({
      verdict: "yes",
      to: { of: "pod/default/new" },
    });
});

describe("what is not followed", () => {
  const what = "packet rules: table ip nat";
  const of = facts(isolated("api", from("db")));
  const oddPod = (name: string, echo?: true): Ground => ({
    ...named,
    pods: { [`pod/default/${name}`]: [{ what, ...(echo && { echo }) }] },
  });
  const oddMachine = (name: string): Ground => ({
    machines: named.machines.map((machine) =>
      machine.name === name ? { ...machine, odd: [{ what: "a fixed neighbour" }] } : machine,
    ),
  });

  it.each([
    ["pod/web", "pod/api:80", "web"],
    ["pod/web", "pod/api:80", "api"],
    ["host/out", "pod/api:80", "api"],
    ["pod/web", "host/out:80", "web"],
  ])("of a pod's own network makes the answer unknown: %s to %s, %s", (sender, to, odd) => {
    expect(ask(sender, to, { on: named }).verdict).toBe("yes");
    const answer = ask(sender, to, { on: oddPod(odd) });
    expect(answer).toMatchObject({ verdict: "unknown", reachable: null, expected: null });
    expect(answer.unknown?.join()).toContain(`pod/default/${odd}, where somebody has put more`);
    expect(answer.unknown?.join()).toContain(what);
  });

  it("does not matter where it is refused before, or to others", () => {
    expect(ask("pod/web", "pod/api:80", { of, on: oddPod("api") }).verdict).toBe("no");
    expect(ask("pod/web", "pod/api:80", { on: oddPod("db") }).verdict).toBe("yes");
    expect(ask("pod/web", "pod/api:80", { on: oddPod("api", true) }).verdict).toBe("yes");
    expect(ask("pod/web", "pod/api/icmp", { on: oddPod("api", true) }).verdict).toBe("unknown");
  });

  it.each(["node/n1", "node/n2", "host/gateway", "host/out"])("of %s makes the answer unknown", (name) => {
    const answer = ask("pod/api", "host/out:80", { on: oddMachine(name) });
    expect(answer.verdict).toBe(name === "node/n1" ? "yes" : "unknown");
  });

  it("of routing rules on a machine that answers makes the answer unknown", () => {
    const on: Ground = {
      machines: named.machines.map((machine) =>
        machine.name === "host/out" ? { ...machine, rules: [{ family: 4, text: "100: to all" }] } : machine,
      ),
    };
    expect(ask("pod/web", "host/out:80", { on })).toMatchObject({ verdict: "unknown" });
  });
});
