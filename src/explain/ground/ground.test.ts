import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/object.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { cluster, heldEgress, host, node, pod, policy, pool } from "../cluster.suite.ts";
import { findEnd } from "../ends.ts";
import { type Explanation, explain, isYes } from "../explain.ts";
import { explanationText } from "../explain-text.ts";
import { judgesOf } from "../judges/plans.ts";
import { clusterEnds, matrixCells } from "../matrix/matrix.ts";
import { parsePorts } from "../ports.ts";
import { parseEnd, parseTarget } from "../target.ts";
import { ground } from "./ground.suite.ts";
import type { Machine } from "./ground.ts";

const outside = [
  host("gateway", "192.168.18.1", { role: "router", ports: [] }),
  host("choosy", "172.17.0.8"),
  host("both", "192.168.18.50", { addresses: ["192.168.18.50", "172.17.0.50"] }),
  host("cellar", "172.31.0.9"),
  host("nowhere", "172.40.0.9"),
];
const untranslated = pool("pods", "10.1.0.0/16", false);
const facts = (...more: readonly KubeObject[]) => cluster(untranslated, ...outside, ...more);

function ask(from: string, to: string, of: ClusterFacts = facts()): Explanation {
  const target = parseTarget(to);
  const ends = [findEnd(of, parseEnd(from), "default"), findEnd(of, target.end, "default")] as const;
  return explain(of, judgesOf(of, {}, ground), ...ends, target.port);
}

describe("in a network that is known whole", () => {
  it.each([
    // Who listens where.
    ["pod/web", "pod/api:80", "answered"],
    ["pod/web", "pod/api:81", "refused"],
    ["pod/web", "node/n1:22", "refused"],
    ["pod/web", "node/n2:10250", "answered"],
    ["pod/web", "node/n2:10250/udp", "refused"],
    ["node/n1", "node/n1:22", "refused"],
    ["pod/web", "host/gateway:22", "refused"],
    ["pod/web", "host/out:80", "answered"],
    ["pod/web", "host/out:81", "refused"],
    ["pod/web", "172.17.0.9", "answered"],
    // Addresses that nobody has.
    ["pod/web", "8.8.8.8:53", "unreachable"],
    ["pod/web", "8.8.8.8", "unreachable"],
    ["pod/web", "10.96.0.1:443", "unreachable"],
    ["pod/web", "169.254.1.1:80", "unreachable"],
    ["pod/web", "10.1.0.9:80", "filtered"],
    ["pod/web", "10.1.0.70:80", "filtered"],
    ["node/n1", "10.1.0.9:80", "unreachable"],
    ["pod/web", "192.168.18.77:80", "filtered"],
    ["host/out", "10.1.9.9:80", "unreachable"],
    ["pod/web", "192.168.18.255:80", "filtered"],
    ["host/nowhere", "pod/web:80", null],
    ["pod/web", "host/nowhere:80", "unreachable"],
    ["8.8.8.8", "pod/web:80", null],
    // Itself.
    ["pod/web", "127.0.0.1:80", "answered"],
    ["pod/web", "127.0.0.1:80/udp", "refused"],
    ["node/n1", "127.0.0.1", "answered"],
    ["pod/web", "pod/web:80", "answered"],
    ["host/both", "172.17.0.50:80", "answered"],
    // The way back.
    ["host/both", "pod/web:80", "unreachable"],
    ["host/cellar", "node/n1:10250", "filtered"],
    ["node/n1", "host/cellar:80", "unreachable"],
    ["host/out", "pod/web:80", "answered"],
    // The far host's own list.
    ["pod/web", "host/choosy:80", "answered"],
    ["node/n1", "host/choosy:80", "refused"],
    ["node/n1", "host/choosy", "refused"],
  ])("%s to %s: %s", (from, to, expected) => {
    const answer = ask(from, to);
    expect(answer.expected, explanationText(answer)).toBe(expected);
    expect(answer.reachable).toBe(expected === null ? null : expected === "answered");
    expect(isYes(answer)).toBe(expected === null || expected === "answered");
  });

  it("loses answers that find no way back, though the packet arrives", () => {
    const answer = ask("host/cellar", "node/n1:10250");
    expect(answer.route.map(({ at, to }) => `${at} → ${to}`)).toEqual([
      "host/cellar → host/blind",
      "host/blind → node/n1",
    ]);
    expect(answer).toMatchObject({ allowed: true, listening: true, reachable: false });
    expect(answer.reasons[0]).toBe(
      "the answer to 172.31.0.9 does not come back: host/gateway has no route to 172.31.0.9",
    );
  });

  it("speaks with the address of the link that leads there, or with the one that it was named by", () => {
    expect(ask("host/both", "node/n1:10250").sourceSeen).toBe("192.168.18.50");
    expect(ask("host/both", "host/out:80").sourceSeen).toBe("172.17.0.50");
    expect(ask("192.168.18.50", "host/out:80").sourceSeen).toBe("192.168.18.50");
    expect(ask("host/both", "172.17.0.50:80").sourceSeen).toBe("172.17.0.50");
    const translated = cluster(...outside);
    expect(ask("pod/web", "host/out:80", translated).sourceSeen).toBe("192.168.18.3");
  });

  it("knows of addresses that were added to machines by hand, where packets go by them", () => {
    const added = new Map([
      ["node/n1", ["192.168.18.100/32"]],
      ["node/n2", ["192.168.18.60/24"]],
    ]);
    const machines = ground.machines.map((one) => ({
      ...one,
      links: one.links.map((link, at) => ({
        ...link,
        addresses: [...link.addresses, ...(at === 0 ? (added.get(one.name) ?? []) : [])],
      })),
    }));
    const of = cluster(...outside);
    const judges = judgesOf(of, {}, { ...ground, machines });
    const told = (from: string, to: string) => {
      const target = parseTarget(to);
      const ends = [findEnd(of, parseEnd(from), "default"), findEnd(of, target.end, "default")] as const;
      const { expected, sourceSeen } = explain(of, judges, ...ends, target.port);
      return [expected, sourceSeen];
    };
    // Pods' traffic to their own node is not translated, whichever of its addresses it goes to.
    expect(told("pod/web", "192.168.18.100:10250")).toEqual(["answered", "10.1.0.1"]);
    expect(told("pod/web", "192.168.18.60:10250")).toEqual(["answered", "192.168.18.3"]);
    expect(told("pod/web", "192.168.18.60:22")).toEqual(["refused", "192.168.18.3"]);
    // To itself a machine speaks from that address, unless it is a second one of a range.
    expect(told("node/n1", "192.168.18.100:10250")).toEqual(["answered", "192.168.18.100"]);
    expect(told("node/n2", "192.168.18.60:10250")).toEqual(["answered", "192.168.18.4"]);
    expect(told("pod/web", "192.168.18.77:10250")[0]).toBe("filtered");
  });

  /** Node n1 looked at, with its one link and others, and with routes beside those that every machine of its kind has. */
  const lookedAt = (more: Partial<Machine>) => {
    const machines = ground.machines.map((machine): Machine => {
      if (machine.name !== "node/n1") return machine;
      const eth0 = { name: "eth0", network: "nodes", addresses: ["192.168.18.3/24", "fd00:18::3/64"] };
      const routes = ["192.168.18.0/24", "fd00:18::/64"].map((to) => ({ to, link: "eth0", metric: 256 }));
      return {
        ...machine,
        ...more,
        live: true,
        links: [...(more.links ?? []), eth0],
        routes: [...routes, ...machine.routes, ...(more.routes ?? [])],
      };
    });
    return (from: string, to: string, of = facts()) => {
      const target = parseTarget(to);
      const ends = [findEnd(of, parseEnd(from), "default"), findEnd(of, target.end, "default")] as const;
      return explain(of, judgesOf(of, {}, { machines }), ...ends, target.port);
    };
  };

  it("looks for next hops where there are neighbours, whatever addresses other links have been given", () => {
    const asked = lookedAt({ links: [{ name: "dummy0", addresses: ["192.168.18.99/24"] }] });
    expect(asked("pod/web", "pod/api:80")).toMatchObject({ expected: "answered", reachable: true });
    // The loopback link's whole range is the machine's own, of which it tells who asks.
    const wide = lookedAt({ links: [{ name: "lo", addresses: ["192.168.18.99/24"] }] });
    expect(wide("host/out", "192.168.18.77:10250").reachable).toBe(true);
    // What others in that range tell it comes in: of sources it asks for its very addresses, but where there are local routes.
    expect(wide("node/n1", "8.8.8.8:53").expected).toBe("unreachable");
    const strict = lookedAt({
      links: [{ name: "lo", addresses: ["192.168.18.99/24"] }],
      taken: ["172.30.0.0/24"],
    });
    expect(strict("node/n1", "8.8.8.8:53").expected).toBe("filtered");
    expect(wide("pod/web", "pod/api:80").unknown?.[0]).toContain("both answer for 192.168.18.4");
  });

  it("takes ranges that it was told to take for a machine's own, and neighbours hear so", () => {
    const asked = lookedAt({ taken: ["192.168.18.96/28"] });
    expect(asked("host/gateway", "192.168.18.99:10250")).toMatchObject({
      expected: "answered",
      reachable: true,
    });
    expect(asked("pod/web", "192.168.18.99:10250").sourceSeen).toBe("10.1.0.1");
    expect(asked("host/gateway", "192.168.18.112:10250").expected).toBe("filtered");
    const routed = lookedAt({ routes: [{ to: "192.168.18.99/32", link: "lo", type: "local" }] });
    expect(routed("host/gateway", "192.168.18.99:10250").reachable).toBe(true);
  });

  it("takes for broadcast what the machine's kernel does", () => {
    const routes = [{ to: "172.30.0.0/24", link: "eth0" }];
    expect(lookedAt({ routes })("node/n1", "172.30.0.255:80").expected).toBe("unreachable");
    const told = lookedAt({ routes, broadcasts: ["192.168.18.255"] });
    expect(told("node/n1", "172.30.0.255:80").expected).toBe("filtered");
    expect(told("node/n1", "192.168.18.255:80").expected).toBe("unreachable");
  });

  it("knows no one at the other end of somebody's tunnel, and no one that a proxy speaks for", () => {
    const tunnel = { name: "gre1", elsewhere: "gre", addresses: ["172.31.9.1/30"] };
    const routes = [{ to: "172.31.9.0/30", link: "gre1" }];
    const asked = lookedAt({ links: [tunnel], routes });
    expect(asked("node/n1", "172.31.9.2:80").unknown).toEqual([
      "who is at the other end of link gre1 (gre) of node/n1",
    ]);
    const nobody = lookedAt({ links: [{ name: "dummy0", addresses: ["172.31.9.1/30"] }], routes });
    expect(nobody("node/n1", "172.31.9.2:80").unknown).toBeUndefined();
    const proxy = lookedAt({ proxies: ["nodes"] });
    expect(proxy("node/n2", "192.168.18.77:80").unknown).toHaveLength(1);
    expect(proxy("node/n2", "host/out:80").unknown).toBeUndefined();
    const one = lookedAt({ proxied: [{ network: "nodes", address: "192.168.18.77" }] });
    expect(one("node/n2", "192.168.18.77:80").unknown).toEqual([
      "whether node/n1 answers on network nodes for 192.168.18.77 (a proxy entry)",
    ]);
    expect(one("node/n2", "192.168.18.78:80").unknown).toBeUndefined();
    // One that is there has a rival.
    const rival = lookedAt({ proxied: [{ network: "nodes", address: "192.168.18.1" }] });
    expect(rival("node/n2", "host/out:80").unknown).toHaveLength(1);
  });

  it("has nothing to say to itself by a loopback link that is down", () => {
    const lo = { name: "lo", down: true as const, addresses: ["127.0.0.1/8"] };
    const asked = lookedAt({ links: [lo], routes: [] });
    expect(asked("node/n1", "192.168.18.3:10250").expected).toBe("filtered");
    expect(asked("node/n1", "127.0.0.1:10250").expected).toBe("filtered");
    expect(asked("pod/web", "192.168.18.3:10250").expected).toBe("answered");
  });

  it("does not know which of two routes to a pod is taken, but where the agent's is better", () => {
    const to = (more: object) =>
      lookedAt({ routes: [{ to: "10.1.0.1/32", ...more }] })("host/out", "pod/web:80");
    expect(to({ type: "blackhole" }).unknown?.[0]).toContain("which of two routes to 10.1.0.1");
    expect(to({ type: "blackhole", metric: 5 }).unknown).toBeUndefined();
  });

  it("finds next hops by addresses of the link alone, which lead nobody else anywhere", () => {
    const machines = ground.machines.map((machine): Machine => {
      const links = machine.links.map((link) => ({
        ...link,
        linkLocal: [`fe80::${machine.links.length}/64`],
      }));
      return machine.name === "host/blind" ? { ...machine, links } : machine;
    });
    const [gateway, blind] = ["host/gateway", "host/blind"].map(
      (name) => machines.find((one) => one.name === name)!,
    );
    const routes = [...gateway!.routes, { to: "172.31.0.0/24", via: "fe80::2", link: "eth0" }];
    const links = gateway!.links.map((link, at) => ({ ...link, name: `eth${at}` }));
    const of = facts();
    const on = machines.map((one) =>
      one === gateway ? { ...one, links, routes, live: true as const } : one,
    );
    const { atlas } = judgesOf(of, {}, { machines: on });
    const next = atlas!.onward(atlas!.machine("host/gateway")!, "172.31.0.9", true);
    expect(next).toMatchObject({ type: "next", via: "fe80::2", machines: [{ name: blind!.name }] });
  });

  it("chooses no source of a narrow scope, and takes it for the machine's own", () => {
    const eth1 = { name: "eth1", addresses: ["172.31.8.1/24", "172.31.8.2/32"], narrow: ["172.31.8.1/24"] };
    const asked = lookedAt({ links: [eth1], routes: [{ to: "172.31.8.0/24", link: "eth1" }] });
    expect(asked("host/gateway", "172.31.8.1:10250").route.at(-1)?.to).not.toBe("node/n1");
    expect(asked("node/n1", "172.31.8.1:10250").reachable).toBe(true);
    expect(asked("node/n1", "172.31.8.9:80").sourceSeen).toBe("172.31.8.2");
  });

  it("takes a way by an address of the machine's own for one to the network itself", () => {
    const asked = lookedAt({
      routes: [{ to: "192.168.18.4/32", via: "192.168.18.3", link: "eth0", metric: 5 }],
    });
    expect(asked("pod/web", "node/n2:10250").expected).toBe("answered");
    expect(asked("node/n1", "node/n2:10250")).toMatchObject({
      expected: "answered",
      sourceSeen: "192.168.18.3",
    });
  });

  it("knows that IPv6 refuses what is said to be on the loopback link", () => {
    const addresses = ["192.168.18.3", "fd00:18::3"].map(
      (address) => ({ type: "InternalIP", address }) as const,
    );
    const of = facts({ ...node("n1", "192.168.18.3"), status: { addresses } } as KubeObject);
    const asked = lookedAt({ routes: [{ to: "fd00:77::/64", link: "lo", metric: 256 }] });
    expect(asked("node/n1", "[fd00:77::9]:80", of).expected).toBe("unreachable");
    expect(asked("node/n1", "[fd00:18::9]:80", of).expected).toBe("filtered");
  });

  it("counts pods on their node's network among those that listen there", () => {
    const agent = pod("agent", "192.168.18.4", "n2", { hostNetwork: true, ports: [{ containerPort: 9100 }] });
    const of = facts(agent);
    expect(ask("pod/web", "node/n2:9100", of).expected).toBe("answered");
    expect(ask("pod/web", "pod/agent:10250", of).expected).toBe("answered");
    expect(ask("pod/web", "pod/agent:22", of).expected).toBe("refused");
    expect(ask("pod/web", "node/n1:9100", of).expected).toBe("refused");
  });

  it("goes by what is there, also where no object tells of it", () => {
    // The objects of the choosy host and of the node are gone, the machines are not.
    const of = cluster(untranslated);
    expect(ask("pod/web", "172.17.0.8:80", of)).toMatchObject({ expected: "answered" });
    expect(ask("node/n1", "172.17.0.8:80", of)).toMatchObject({
      expected: "refused",
      admission: { allowed: false, reason: "host/choosy admits only 10.1.0.0/16, and sees 192.168.18.3" },
    });
    const nodeless = { ...of, nodes: new Map([...of.nodes].filter(([name]) => name !== "n2")) };
    expect(ask("pod/web", "192.168.18.4:10250", nodeless).expected).toBe("answered");
  });

  it("does not pretend to know what another program leads elsewhere", () => {
    const mapped = { ports: [{ containerPort: 80, hostPort: 8080 }] };
    const of = facts(pod("mapped", "10.1.0.66", "n2", mapped));
    const told = (hostPorts: boolean, to: string) => {
      const judges = judgesOf(of, {}, { ...ground, hostPorts });
      const target = parseTarget(to);
      const ends = [findEnd(of, parseEnd("pod/web"), "default"), findEnd(of, target.end, "default")] as const;
      return explain(of, judges, ...ends, target.port).expected;
    };
    expect([told(true, "node/n2:8080"), told(true, "node/n2:8081"), told(true, "node/n1:8080")]).toEqual([
      null,
      "refused",
      "refused",
    ]);
    expect(told(false, "node/n2:8080")).toBe("refused");
  });

  it("knows that a hostPort on the sender's own node comes before what policies say of the node", () => {
    const mapped = pod("mapped", "10.1.0.66", "n2", { ports: [{ containerPort: 80, hostPort: 8080 }] });
    const shut = policy("shut", { podSelector: {}, policyTypes: ["Egress"] });
    const of = facts(mapped, shut);
    const judges = judgesOf(of, {}, { ...ground, hostPorts: true });
    const answer = (from: string) =>
      explain(
        of,
        judges,
        findEnd(of, parseEnd(from), "default"),
        findEnd(of, parseEnd("node/n2"), "default"),
        {
          protocol: "TCP",
          port: 8080,
        },
      );
    expect(answer("pod/api")).toMatchObject({ allowed: false, reachable: null, expected: null });
    expect(answer("pod/api").reasons[0]).toBe(
      "a hostPort of pod/default/mapped takes it, which no plan tells of, before policies look",
    );
    expect(answer("pod/web")).toMatchObject({ allowed: false, reachable: false, expected: "filtered" });
  });

  it("takes a port of a pod on its node's network for what it is, not for one that is led to it", () => {
    const ports = [{ containerPort: 9100, hostPort: 9100 }];
    const of = facts(pod("agent", "192.168.18.4", "n2", { hostNetwork: true, ports }));
    const judges = judgesOf(of, {}, { ...ground, hostPorts: true });
    const ends = ["pod/web", "node/n2"].map((name) => findEnd(of, parseEnd(name), "default"));
    expect(explain(of, judges, ends[0]!, ends[1]!, { protocol: "TCP", port: 9100 }).expected).toBe(
      "answered",
    );
  });

  it("says of denied flows that nobody answers, and by whom", () => {
    const of = facts(policy("shut", { podSelector: { matchLabels: { app: "api" } } }));
    expect(ask("pod/web", "pod/api:80", of)).toMatchObject({ allowed: false, expected: "filtered" });
    expect(ask("8.8.8.8", "pod/api:80", of)).toMatchObject({ allowed: false, reachable: false });
  });

  it("goes by the node that holds the source address, and back", () => {
    const of = facts(heldEgress("n2"));
    const answer = ask("pod/web", "host/out:80", of);
    expect(answer).toMatchObject({ reachable: true, sourceSeen: "192.168.18.200" });
    expect(answer.route.map(({ to }) => to)).toEqual(["node/n1", "node/n2", "host/gateway", "host/out"]);
    // What is for that node itself goes no further, so it is not translated.
    expect(ask("pod/web", "node/n2:10250", of).sourceSeen).toBe("10.1.0.1");
    expect(ask("pod/api", "node/n1:22", of).sourceSeen).toBe("192.168.18.200");
  });

  it("has a matrix that says the same, with a name for what stands in the way", () => {
    const of = facts();
    const judges = judgesOf(of, {}, ground);
    const ends = clusterEnds(of).filter(({ name }) => name !== "host/nowhere");
    const cells = [...matrixCells(of, judges, { ends, ports: parsePorts("80/tcp,53/udp"), view: "live" })];
    const end = (name: string) => ends.find((one) => one.name === name)!;
    for (const cell of cells) {
      const answer = explain(of, judges, end(cell.from), end(cell.to), parsePorts(cell.port)[0]);
      expect(cell.allowed, JSON.stringify(cell)).toBe(answer.reachable);
      if (!cell.allowed) expect(answer.reasons).toContain(cell.by?.reason);
    }
    expect(new Set(cells.map(({ by }) => by?.by))).toEqual(new Set([undefined, "port", "route", "host"]));
  });
});

it.each([
  ["pod/web", "node/n1:22", "allowed, but nothing listens on 22/tcp of node/n1: a probe is refused"],
  [
    "pod/web",
    "8.8.8.8:53",
    "allowed, but not reachable (host/gateway has no route to 8.8.8.8): a probe is told that it is unreachable",
  ],
  [
    "pod/web",
    "10.1.0.70:80",
    "allowed, but not reachable (no pod on n2 has 10.1.0.70): a probe gets no answer",
  ],
  [
    "8.8.8.8",
    "pod/web:80",
    "allowed; whether it is answered cannot be told (nobody here has 8.8.8.8, so nothing can be sent from there)",
  ],
  ["pod/web", "pod/api:80", "allowed"],
])("the first line about %s to %s does not mislead", (from, to, said) => {
  const [line = ""] = explanationText(ask(from, to)).split("\n");
  expect(line.slice(line.indexOf(": ") + 2)).toBe(said);
});
