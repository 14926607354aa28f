import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/object.ts";
import { rulesetOf } from "../../plan/foreign/index.ts";
import { node, pod, pool } from "../cluster.suite.ts";
import type { Ground, Machine } from "../ground/ground.ts";
import { ask, facts, iptables, named, routed, rules } from "./journey.suite.ts";

it("what goes round in circles is told of by whoever ends its life", () => {
  const to = "172.17.9.9/32";
  const on: Ground = {
    machines: routed("host/gateway", { to, via: "192.168.18.2" }).machines.map((machine) =>
      machine.name === "host/blind" ? { ...machine, routes: [{ to, via: "192.168.18.1" }] } : machine,
    ),
  };
  const answer = ask("node/n1", "172.17.9.9:80", { on });
  expect(answer).toMatchObject({ verdict: "no", expected: "unreachable" });
  expect(answer.reasons[0]).toBe("packets to 172.17.9.9 go round in circles");
  expect(answer.route).toHaveLength(16);
  expect(ask("node/n1", "172.17.9.9/icmp", { on })).toMatchObject({ verdict: "no", expected: "filtered" });
});

describe("a route of several next hops", () => {
  const to = "172.17.0.0/24";
  const by = (via: string, ...others: string[]) =>
    routed("node/n1", { to, via, others: others.map((one) => ({ via: one })) });

  it.each<[string, string, string[], "yes" | "no" | "unknown"]>([
    ["that all lead there", "192.168.18.1", ["192.168.18.1"], "yes"],
    ["of which one leads nowhere", "192.168.18.1", ["192.168.18.77"], "unknown"],
    ["of which the first leads nowhere", "192.168.18.77", ["192.168.18.1"], "unknown"],
    ["that all lead nowhere", "192.168.18.77", ["192.168.18.78"], "no"],
  ])("%s", (_what, first, others, verdict) => {
    const answer = ask("pod/web", "host/out:80", { on: by(first, ...others) });
    expect(answer.verdict, answer.text).toBe(verdict);
    if (verdict === "unknown")
      expect(answer.unknown).toEqual([
        `which next hop node/n1 takes to 172.17.0.9: ${[first, ...others].join(" or ")}`,
      ]);
    expect(ask("host/out", "pod/web:80", { on: by(first, ...others) }).verdict).toBe(verdict);
  });

  it("does not matter to those that another route leads", () => {
    const on = routed(
      "node/n1",
      { to, via: "192.168.18.1", others: [{ via: "192.168.18.77" }] },
      { to: "172.17.0.9/32", via: "192.168.18.1" },
    );
    expect(ask("pod/web", "host/out:80", { on }).verdict).toBe("yes");
    expect(ask("pod/web", "host/choosy:80", { on }).verdict).toBe("unknown");
  });
});

it("a route that says what is not followed makes the answer unknown, and is named", () => {
  const on = routed("node/n1", { to: "172.17.0.9/32", type: "blackhole", odd: "tos 0x10" });
  const answer = ask("pod/web", "host/out:80", { on });
  expect(answer.verdict).toBe("unknown");
  expect(answer.unknown?.[0]).toContain("tos 0x10");
  expect(ask("pod/web", "host/choosy:80", { on }).verdict).toBe("yes");
});

it("a route to a node's own loopback goes round until its time is over", () => {
  const to = { to: "172.17.0.0/24", link: "lo" };
  const on: Ground = {
    machines: named.machines.map((machine) =>
      machine.name === "node/n1"
        ? {
            ...machine,
            links: [...machine.links, { name: "lo", addresses: [] }],
            routes: [to, ...machine.routes],
          }
        : machine,
    ),
  };
  expect(ask("pod/web", "host/out:80", { on })).toMatchObject({ verdict: "no", expected: "unreachable" });
  // An echo does not take that error for its own; what the node sends itself gets no error at all.
  expect(ask("pod/web", "host/out/icmp", { on })).toMatchObject({ verdict: "no", expected: "filtered" });
  expect(ask("node/n1", "host/out:80", { on })).toMatchObject({ verdict: "no", expected: "filtered" });
  // Filters are asked on its way out by that link, and when it has come in by it.
  for (const rule of ["-A FORWARD -o lo -j DROP", "-A FORWARD -i lo -j DROP"]) {
    const n1 = rules(iptables("filter", rule));
    expect(ask("pod/web", "host/out:80", { on, n1 })).toMatchObject({ verdict: "no", expected: "filtered" });
  }
  const n1 = rules(iptables("filter", "-A OUTPUT -p tcp --dport 80 -j REJECT --reject-with tcp-reset"));
  expect(ask("node/n1", "host/out:80", { on, n1 })).toMatchObject({ verdict: "no", expected: "refused" });
  // The reset leaves by the same hook: a rule that rejects all of TCP drops it there.
  const all = rules(iptables("filter", "-A OUTPUT -p tcp -j REJECT --reject-with tcp-reset"));
  expect(ask("node/n1", "host/out:80", { on, n1: all }).expected).toBe("filtered");
  // An error about what goes back into the machine itself would be in the name of an address that is not its own.
  for (const as of ["icmp-port-unreachable", "icmp-admin-prohibited"]) {
    const told = rules(iptables("filter", `-A OUTPUT -p tcp -j REJECT --reject-with ${as}`));
    expect(ask("node/n1", "host/out:80", { on, n1: told })).toMatchObject({
      verdict: "no",
      expected: "filtered",
    });
    expect(ask("node/n1", "host/choosy:80", { n1: told }).expected).not.toBe("filtered");
  }
  // It comes in again, where filters are asked; resets are answers as any.
  const reset = rules(
    iptables("filter", "-A INPUT -i lo -p tcp --dport 80 -j REJECT --reject-with tcp-reset"),
  );
  expect(ask("node/n1", "host/out:80", { on, n1: reset })).toMatchObject({
    verdict: "no",
    expected: "refused",
  });
  expect(ask("pod/web", "host/out:80", { on, n1: reset }).expected).toBe("unreachable");
  const hidden = rules(iptables("nat", "-A POSTROUTING -o lo -j SNAT --to-source 192.168.18.3"));
  expect(ask("pod/web", "host/out:80", { on, n1: hidden }).verdict).toBe("unknown");
});

it("of IPv6 a node's own packets to its loopback pass output filters before they are refused", () => {
  const addresses = ["192.168.18.3", "fd00:18::3"].map(
    (address) => ({ type: "InternalIP", address }) as const,
  );
  const of = facts({ ...node("n1", "192.168.18.3"), status: { addresses } } as KubeObject);
  const on: Ground = {
    machines: named.machines.map((machine): Machine => {
      if (machine.name !== "node/n1") return machine;
      const eth0 = { name: "eth0", network: "nodes", addresses: ["192.168.18.3/24", "fd00:18::3/64"] };
      const routes = [{ to: "fd00:77::/64", link: "lo" }, ...machine.routes];
      return { ...machine, live: true, links: [{ name: "lo", addresses: [] }, eth0], routes };
    }),
  };
  const rejecting = rulesetOf({
    iptables: [{ ...iptables("filter", "-A OUTPUT -p tcp --dport 80 -j REJECT"), family: 6 }],
    nft: [],
    unreadable: [],
  });
  expect(ask("node/n1", "[fd00:77::9]:80", { of, on, n1: rejecting }).expected).toBe("refused");
  expect(ask("node/n1", "[fd00:77::9]:81", { of, on, n1: rejecting }).expected).toBe("unreachable");
});

describe("a machine's loopback addresses", () => {
  const routed = (more: Partial<Machine>): Ground => ({
    machines: named.machines.map((one): Machine => {
      if (one.name !== "node/n1") return one;
      const routes = [...one.routes, { to: "192.168.18.0/24", link: "eth0" }];
      return { ...one, live: true, routes, ...more };
    }),
  });
  const led = rules(
    iptables(
      "nat",
      "-A PREROUTING -p tcp -m tcp --dport 22 -j DNAT --to-destination 127.0.0.1:10250",
      "-A OUTPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.18.4:10250",
      "-A OUTPUT -d 127.0.0.1/32 -p udp -m udp --dport 80 -j DNAT --to-destination 192.168.18.4:10250",
      "-A POSTROUTING -s 127.0.0.0/8 -j MASQUERADE",
    ),
  );

  it("are nobody else's, whatever rules lead there, and do not leave", () => {
    const on = routed({});
    expect(ask("host/gateway", "node/n1:22", { n1: led, on })).toMatchObject({
      verdict: "no",
      expected: "filtered",
    });
    expect(ask("node/n1", "127.0.0.1:80", { n1: led, on })).toMatchObject({
      verdict: "no",
      expected: "filtered",
    });
    expect(ask("node/n1", "127.0.0.1:80/udp", { n1: led, on }).expected).toBe("unreachable");
  });

  it("are others', too, by links that are set so", () => {
    const on = routed({ localnet: ["eth0"] });
    expect(ask("host/gateway", "node/n1:22", { n1: led, on }).text).not.toContain(
      "keeps 127.0.0.1 to itself",
    );
    expect(ask("node/n1", "127.0.0.1:80", { n1: led, on })).toMatchObject({
      verdict: "yes",
      sourceSeen: "192.168.18.3",
    });
    expect(ask("pod/web", "node/n1:22", { n1: led, on }).expected).toBe("filtered");
  });

  it("are spoken to from the first of them", () => {
    expect(ask("node/n1", "127.0.0.2:10250", {})).toMatchObject({ verdict: "yes", sourceSeen: "127.0.0.1" });
  });
});

describe("a neighbour of IPv6", () => {
  const withSix: Ground = {
    machines: named.machines.map((machine): Machine => {
      const last = /node\/n(.)/.exec(machine.name)?.[1];
      if (last === undefined) return machine;
      const links = machine.links.map((link) => ({
        ...link,
        addresses: [...link.addresses, `fd00:18::${last}/64`],
      }));
      return { ...machine, links };
    }),
  };
  const six = (name: string, four: string, address: string) => {
    const one = node(name, four);
    const addresses = [...(one.status?.addresses ?? []), { type: "InternalIP" as const, address }];
    return { ...one, status: { ...one.status, addresses } } as KubeObject;
  };
  const of = facts(six("n1", "192.168.18.3", "fd00:18::1"), six("n2", "192.168.18.4", "fd00:18::2"));
  const input = (policy: string, ...list: string[]) =>
    rulesetOf({
      iptables: [
        {
          store: "iptables-nft",
          family: 6,
          text: `*filter\n:INPUT ${policy} [0:0]\n:OUTPUT ACCEPT [0:0]\n${list.join("\n")}\nCOMMIT\n`,
        },
      ],
      nft: [],
      unreadable: [],
    });
  const asked = (n2: ReturnType<typeof input>) =>
    ask("node/n1", "[fd00:18::2]:10250", { of, on: withSix, n2 });
  const service = "-A INPUT -p tcp -m tcp --dport 10250 -j ACCEPT";

  it("may not be found where rules let through nothing but what is asked for", () => {
    expect(asked(input("ACCEPT")).verdict).toBe("yes");
    const shut = asked(input("DROP", service));
    expect(shut.verdict).toBe("unknown");
    expect(shut.unknown?.[0]).toContain("whether node/n1 finds its neighbour fd00:18::2, by ICMPv6");
    const types = [135, 136].map((type) => `-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type ${type} -j ACCEPT`);
    expect(asked(input("DROP", service, ...types)).verdict).toBe("yes");
    expect(asked(input("DROP", service, "-A INPUT -m conntrack --ctstate INVALID -j ACCEPT")).verdict).toBe(
      "unknown",
    );
  });

  it("makes no difference to what is refused anyway", () => {
    expect(ask("node/n1", "[fd00:18::2]:22", { of, on: withSix, n2: input("DROP", service) }).verdict).toBe(
      "no",
    );
  });
});

it("a pod sends nothing to an address of a link without its name, whatever rules would say of it", () => {
  const of = facts(pool("six", "fd00:1::/64"), pod("six", "fd00:1::7", "n1"));
  const n1 = rulesetOf({
    iptables: [{ ...iptables("raw", "-A PREROUTING -j DROP"), family: 6 }],
    nft: [],
    unreadable: [],
  });
  const said = ask("pod/six", "[fe80::1]:80", { of, n1 });
  expect(said).toMatchObject({ verdict: "no", expected: "unreachable" });
});
