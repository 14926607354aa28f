import { describe, expect, it } from "vitest";
import type { Pod } from "../api/kinds/core.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { block, cluster, host, node, pod, pool } from "./cluster.suite.ts";
import { findEnd } from "./ends.ts";
import { explain } from "./explain.ts";
import { explanationText } from "./explain-text.ts";
import { judgesOf } from "./judges/plans.ts";
import { parseEnd, parseTarget } from "./target.ts";

function ask(facts: ClusterFacts, from: string, to: string) {
  const target = parseTarget(to);
  const ends = [findEnd(facts, parseEnd(from), "default"), findEnd(facts, target.end, "default")] as const;
  return explain(facts, judgesOf(facts), ...ends, target.port);
}

const hops = (facts: ClusterFacts, from: string, to: string) =>
  ask(facts, from, to).route.map(({ at, to: next }) => `${at} → ${next}`);

describe("the way", () => {
  it.each([
    ["pod/web", "pod/db:3306", ["pod/default/web → node/n1", "node/n1 → pod/default/db"]],
    [
      "pod/web",
      "pod/api:80",
      ["pod/default/web → node/n1", "node/n1 → node/n2", "node/n2 → pod/default/api"],
    ],
    ["pod/web", "host/out:80", ["pod/default/web → node/n1", "node/n1 → host/out"]],
    ["pod/web", "pod/web:80", ["pod/default/web → pod/default/web"]],
    ["pod/web", "node/n2:22", ["pod/default/web → node/n1", "node/n1 → node/n2"]],
    ["pod/web", "node/n1:22", ["pod/default/web → node/n1"]],
    ["node/n1", "pod/api:80", ["node/n1 → node/n2", "node/n2 → pod/default/api"]],
    ["host/out", "pod/api:80", ["host/out → node/n2", "node/n2 → pod/default/api"]],
    ["8.8.8.8", "pod/web:80", ["8.8.8.8 → node/n1", "node/n1 → pod/default/web"]],
  ])("from %s to %s", (from, to, expected) => {
    expect(hops(cluster(), from, to)).toEqual(expected);
  });

  it("ends where a block is not confirmed yet", () => {
    const facts = cluster(block("10.1.0.128/26", "n2", { state: "pending" }), pod("new", "10.1.0.129", "n2"));
    const answer = ask(facts, "pod/web", "pod/new:80/tcp");
    expect(answer.reachable).toBe(false);
    expect(answer.reasons[0]).toBe("n1 has no route to 10.1.0.129: block 10.1.0.128/26 is not confirmed yet");
  });

  it("goes to the borrower of a lent address", () => {
    const lent = block("10.1.0.0/26", "n1", { loans: [{ address: "10.1.0.9", node: "n2" }] });
    const facts = cluster(lent, pod("guest", "10.1.0.9", "n2", { ports: [{ containerPort: 80 }] }));
    expect(hops(facts, "pod/web", "pod/guest")).toEqual([
      "pod/default/web → node/n1",
      "node/n1 → node/n2",
      "node/n2 → pod/default/guest",
    ]);
    expect(ask(facts, "pod/web", "pod/guest").to).toMatchObject({ lender: "n1", pool: "pods" });
  });
});

describe("the source address", () => {
  it.each([
    ["pod/web", "pod/api:80", "10.1.0.1", "None"],
    ["pod/web", "host/far:80", "192.168.18.3", "Masquerade"],
    ["node/n1", "pod/api:80", "192.168.18.3", "None"],
    ["host/out", "pod/api:80", "172.17.0.9", "None"],
    ["pod/agent", "host/far:80", "192.168.18.3", "None"],
  ])("from %s to %s is %s", (from, to, seen, action) => {
    const facts = cluster(
      host("far", "203.0.113.9"),
      pod("agent", "192.168.18.3", "n1", { hostNetwork: true }),
    );
    expect(ask(facts, from, to)).toMatchObject({ sourceSeen: seen, snat: { action, sourceSeen: seen } });
  });
});

describe("the far end", () => {
  it("may listen where no container says so, as far as objects tell", () => {
    expect(ask(cluster(), "pod/web", "pod/api:81/tcp")).toMatchObject({
      allowed: true,
      listening: null,
      reachable: null,
      listener:
        "no container of pod/default/api declares 81/tcp, and a program may listen there all the same",
    });
  });

  it("may not listen where the pod is not ready, whatever its containers declare", () => {
    const conditions = [{ type: "Ready", status: "False", reason: "ContainersNotReady" }];
    const starting = pod("late", "10.1.0.70", "n2", { ports: [{ containerPort: 80 }] }) as Pod;
    const late = { ...starting, status: { ...starting.status, conditions } } as Pod;
    expect(ask(cluster(late), "pod/web", "pod/late:80")).toMatchObject({
      allowed: true,
      listening: null,
      reachable: null,
      listener:
        "a container of pod/default/late declares 80/tcp, but the pod is not ready: ContainersNotReady",
    });
  });

  it("takes the first declared port where none is named", () => {
    expect(ask(cluster(), "pod/web", "pod/db").port).toBe("3306/tcp");
    expect(ask(cluster(), "pod/web", "10.9.9.9")).toMatchObject({
      port: null,
      allowed: true,
      reachable: null,
    });
  });

  it("is a host that admits what it sees", () => {
    const hosts = [
      host("pods", "172.17.0.8", { admit: ["10.1.0.0/26"] }),
      host("nodes", "203.0.113.8", { admit: ["192.168.18.3/32", "192.168.18.4"] }),
    ];
    const translated = cluster(...hosts);
    expect(ask(translated, "pod/web", "host/nodes:80").allowed).toBe(true);
    expect(ask(translated, "pod/api", "host/nodes:80").allowed).toBe(true);
    expect(ask(translated, "pod/web", "host/pods:80")).toMatchObject({
      allowed: false,
      reachable: false,
      admission: { reason: "host/pods admits only 10.1.0.0/26, and sees 192.168.18.3" },
    });
    const plain = cluster(...hosts, pool("pods", "10.1.0.0/16", false));
    expect(ask(plain, "pod/web", "host/pods:80").allowed).toBe(true);
    expect(ask(plain, "pod/web", "host/nodes:80").allowed).toBe(false);
  });
});

describe("a node with several addresses of one family", () => {
  const facts = cluster(
    node("n1", "192.168.18.3", "172.17.0.3", "fd00:18::3"),
    host("admits", "172.17.0.8", { admit: ["192.168.18.3/32"] }),
    pod("agent", "192.168.18.3", "n1", { hostNetwork: true }),
  );

  it.each(["pod/web", "pod/agent", "node/n1"])("may send with any of them, for %s", (from) => {
    const answer = ask(facts, from, "host/out:80");
    expect(answer).toMatchObject({ sourceSeen: null, allowed: true, reachable: true });
    expect(answer.unknown).toEqual([
      "by which of its addresses node n1 sends to 172.17.0.9: 192.168.18.3, 172.17.0.3",
    ]);
    expect(ask(facts, from, "host/admits:80")).toMatchObject({ allowed: null, sourceSeen: null });
  });

  it("is as sure as others of what it does not choose", () => {
    expect(ask(facts, "pod/web", "pod/api:80").sourceSeen).toBe("10.1.0.1");
    expect(ask(facts, "pod/web", "node/n1:22").sourceSeen).toBe("10.1.0.1");
    expect(ask(facts, "172.17.0.3", "host/out:80").sourceSeen).toBe("172.17.0.3");
    expect(ask(facts, "pod/api", "host/out:80").sourceSeen).toBe("192.168.18.4");
  });
});

it("takes the address that was typed, and else one of the other end's family", () => {
  const both = ["10.1.0.7", "fd00:1::7"];
  const dual = pod("dual", "10.1.0.7", "n1", { ports: [{ containerPort: 80 }] });
  const facts = cluster(
    { ...dual, status: { phase: "Running", podIPs: both.map((ip) => ({ ip })) } } as typeof dual,
    host("six", "fd00:17::9"),
  );
  expect(ask(facts, "pod/dual", "pod/web").sourceSeen).toBe("10.1.0.7");
  expect(ask(facts, "pod/dual", "host/six").sourceSeen).toBe("fd00:1::7");
  expect(ask(facts, "host/six", "[fd00:1::7]:80").to).toMatchObject({
    of: "pod/default/dual",
    address: "fd00:1::7",
  });
  expect(() => ask(facts, "pod/web", "host/six")).toThrow("no address family in common");
  expect(() => ask(facts, "pod/web", "fd00:1::7")).toThrow("no address family in common");
});

it("cannot tell without an address", () => {
  const facts = cluster(pod("slow", undefined, "n1"), pod("done", undefined, "n1", { phase: "Succeeded" }));
  expect(() => ask(facts, "pod/web", "pod/slow:80")).toThrow("cannot tell: pod/default/slow has no address");
});

it("names the nearest end where there is none", () => {
  expect(() => ask(cluster(), "pod/wbe", "pod/api")).toThrow(
    "there is no pod/default/wbe. Did you mean pod/default/web?",
  );
});

it("reads as one answer", async () => {
  const facts = cluster();
  await expect(explanationText(ask(facts, "pod/web", "pod/api"))).toMatchFileSnapshot(
    "golden/explain-pod-to-pod.txt",
  );
  await expect(explanationText(ask(facts, "pod/web", "host/out"))).toMatchFileSnapshot(
    "golden/explain-pod-to-host.txt",
  );
});
