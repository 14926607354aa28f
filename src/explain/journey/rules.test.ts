import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/object.ts";
import { rulesetOf } from "../../plan/foreign/index.ts";
import { cluster, heldEgress, host, node, pod, pool } from "../cluster.suite.ts";
import { ask, facts, iptables, isolated, masquerade, rules } from "./journey.suite.ts";

describe("filters of others", () => {
  it.each<[string, string, string]>([
    ["-A FORWARD -d 10.1.0.65/32 -j DROP", "pod/api:80", "filtered"],
    ["-A FORWARD -d 10.1.0.65/32 -j REJECT", "pod/api:80", "refused"],
    ["-A FORWARD -d 10.1.0.65/32 -j REJECT --reject-with icmp-admin-prohibited", "pod/api:80", "unreachable"],
    ["-A FORWARD -s 10.1.0.65/32 -j DROP", "pod/api:80", "filtered"],
    ["-A FORWARD -p tcp -m conntrack --ctstate ESTABLISHED -i tl+ -j DROP", "pod/api:80", "filtered"],
    ["-A FORWARD -p tcp -m conntrack --ctstate ESTABLISHED -i tl+ -j DROP", "pod/api/icmp", "answered"],
    ["-A INPUT -p tcp -m tcp --dport 10250 -j DROP", "node/n1:10250", "filtered"],
    ["-A INPUT -p tcp -m tcp --dport 10250 -j DROP", "pod/api:80", "answered"],
  ])("%s: %s is %s", (rule, to, outcome) => {
    expect(ask("pod/web", to, { n1: rules(iptables("filter", rule)) }).expected).toBe(outcome);
  });

  it.each<[string, string, string]>([
    ["ESTABLISHED", "pod/dns:53/udp", "filtered"],
    ["RELATED", "pod/dns:53/udp", "answered"],
    // The refusal of a datagram is an error message, which belongs to a connection.
    ["ESTABLISHED", "pod/dns:54/udp", "refused"],
    ["RELATED", "pod/dns:54/udp", "filtered"],
    ["ESTABLISHED", "pod/dns:54/sctp", "refused"],
    ["ESTABLISHED", "pod/dns/icmp", "filtered"],
  ])("of what is %s: an answer from %s is %s", (state, to, outcome) => {
    const of = facts(pod("dns", "10.1.0.3", "n1", { ports: [{ containerPort: 53, protocol: "UDP" }] }));
    const n1 = rules(iptables("filter", `-A FORWARD -m conntrack --ctstate ${state} -j DROP`));
    expect(ask("pod/web", to, { of, n1 }).expected).toBe(outcome);
  });

  it("see what a pod says to itself by way of its node", () => {
    const nat = iptables(
      "nat",
      "-A PREROUTING -d 10.96.0.1/32 -j DNAT --to-destination 10.1.0.1",
      "-A POSTROUTING -d 10.1.0.1/32 -j MASQUERADE",
    );
    const filter = iptables("filter", "-A FORWARD -m conntrack --ctstate ESTABLISHED -j DROP");
    expect(ask("pod/web", "10.96.0.1:80", { n1: rules(nat) }).expected).toBe("answered");
    expect(ask("pod/web", "10.96.0.1:80", { n1: rules(nat, filter) }).expected).toBe("filtered");
    expect(ask("pod/web", "pod/web:80", { n1: rules(nat, filter) }).expected).toBe("answered");
  });

  it("on the sender's own machine fail at once, but for TCP, which hears what is said of it", () => {
    const n1 = rules(iptables("filter", "-A OUTPUT -d 172.17.0.0/24 -j REJECT"));
    const told = ["host/out:80", "host/out:53/udp", "host/out/icmp"].map(
      (to) => ask("node/n1", to, { n1 }).expected,
    );
    expect(told).toEqual(["refused", "filtered", "filtered"]);
  });

  it.each([
    ["raw", "-A PREROUTING -p tcp -m conntrack --ctstate ESTABLISHED -j DROP", "filtered"],
    ["raw", "-A OUTPUT -p tcp -m conntrack --ctstate ESTABLISHED -j DROP", "answered"],
    ["filter", "-A INPUT -p tcp -m conntrack --ctstate ESTABLISHED ! -i lo -j DROP", "answered"],
    ["filter", "-A INPUT -p tcp --sport 10250 -i lo -j DROP", "filtered"],
    ["mangle", "-A POSTROUTING -p tcp --sport 10250 -o lo -j DROP", "filtered"],
  ])(
    "see what a machine answers itself leave by its loopback link and come in by it: %s %s: %s",
    (table, rule, expected) => {
      const n1 = rules(iptables(table, rule));
      expect(ask("node/n1", "node/n1:10250", { n1 }).expected).toBe(expected);
    },
  );

  it("see the error by which a machine rejects what it says to itself, and a reset as a part of its connection", () => {
    const told = (state: string, how: string) => {
      const n1 = rules(
        iptables(
          "filter",
          `-A INPUT -p tcp --dport 80 -j REJECT --reject-with ${how}`,
          `-A OUTPUT -m conntrack --ctstate ${state} -j DROP`,
        ),
      );
      return ["node/n1", "pod/web"].map((from) => ask(from, "node/n1:80", { n1 }).expected);
    };
    const [heard, lost] = [
      ["refused", "refused"],
      ["filtered", "filtered"],
    ];
    expect(told("RELATED", "icmp-port-unreachable")).toEqual(lost);
    expect(told("RELATED", "tcp-reset")).toEqual(lost);
    expect(told("ESTABLISHED", "tcp-reset")).toEqual(heard);
    expect(told("INVALID", "icmp-port-unreachable")).toEqual(heard);
  });

  it("behind the translation of sources see what our own has made of it, for all packets", () => {
    const of = cluster(
      pool("pods", "10.1.0.0/16", true),
      host("gateway", "192.168.18.1", { role: "router" }),
    );
    const behind = (source: string, state: string) => {
      const chain = { family: "ip", table: "z", name: "p", type: "filter", hook: "postrouting", prio: 200 };
      const match = (left: object, right: string) => ({ match: { op: "==", left, right } });
      const expr = [
        match({ payload: { protocol: "ip", field: "saddr" } }, source),
        match({ ct: { key: "state" } }, state),
        { drop: null },
      ];
      const json = [
        { chain: { ...chain, policy: "accept", handle: 1 } },
        { rule: { family: "ip", table: "z", chain: "p", handle: 2, expr } },
      ];
      return rulesetOf({ iptables: [], nft: [{ table: "ip z", json, text: "" }], unreadable: [] });
    };
    for (const state of ["new", "established"]) {
      const told = (source: string) =>
        ask("pod/web", "host/out:80", { of, n1: behind(source, state) }).expected;
      expect([state, told("192.168.18.3"), told("10.1.0.1")]).toEqual([state, "filtered", "answered"]);
    }
  });

  it("on a port that no socket is given leave answers alone, but where a port may have been translated", () => {
    const n1 = (...more: readonly ReturnType<typeof iptables>[]) =>
      rules(iptables("filter", "-A FORWARD -p tcp --dport 10250 -j DROP"), ...more);
    expect(ask("pod/web", "host/out:80", { n1: n1() }).verdict).toBe("yes");
    const high = rules(iptables("filter", "-A FORWARD -p tcp --dport 40000 -j DROP"));
    expect(ask("pod/web", "host/out:80", { n1: high }).verdict).toBe("unknown");
    expect(ask("pod/web", "host/out:80", { n1: n1(masquerade) }).verdict).toBe("unknown");
  });

  it("come after our own, and before where there is no way", () => {
    const of = facts(isolated("db"));
    const reject = rules(iptables("filter", "-A FORWARD -j REJECT"));
    expect(ask("pod/api", "pod/db:3306", { of, n1: reject }).expected).toBe("filtered");
    expect(ask("pod/web", "8.8.8.8:53", { n2: reject }).expected).toBe("unreachable");
  });
});

it.each([
  ["tcp-reset", "ESTABLISHED", "filtered"],
  ["tcp-reset", "RELATED", "refused"],
  ["icmp-port-unreachable", "ESTABLISHED", "refused"],
  ["icmp-port-unreachable", "RELATED", "filtered"],
])(
  "what a REJECT with %s answers is dropped on its way by a rule on %s, or not: %s",
  (kind, state, expected) => {
    const n1 = rules(iptables("filter", `-A FORWARD -m conntrack --ctstate ${state} -d 10.1.0.1 -j DROP`));
    const n2 = rules(iptables("filter", `-A INPUT -p tcp -j REJECT --reject-with ${kind}`));
    expect(ask("pod/web", "node/n2:10250", { n1, n2 })).toMatchObject({ verdict: "no", expected });
  },
);

it("an address that nobody has is asked for behind the filters: a packet that they refuse is refused", () => {
  const nobody = "192.168.18.77:80";
  expect(ask("pod/web", nobody, {})).toMatchObject({ verdict: "no", expected: "filtered" });
  const refusing = rules(
    iptables("filter", "-A FORWARD -d 192.168.18.0/24 -p tcp -j REJECT --reject-with tcp-reset"),
  );
  expect(ask("pod/web", nobody, { n1: refusing })).toMatchObject({ verdict: "no", expected: "refused" });
});

it("what a machine says to itself is not translated when it comes in", () => {
  const rule =
    "-A PREROUTING -p tcp -m tcp --dport 10250 -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.1.0.1:81";
  const n1 = rules(iptables("nat", rule));
  expect(ask("node/n1", "192.168.18.3:10250", { n1 }).expected).toBe("answered");
  expect(ask("node/n1", "127.0.0.1:10250", { n1 }).expected).toBe("answered");
  expect(ask("node/n2", "192.168.18.3:10250", { n1 }).expected).toBe("refused");
});

it("what a pod sends is dropped where a rule redirects it: the link to it has no address to redirect to", () => {
  const redirect = rules(
    iptables("nat", "-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 10250"),
  );
  expect(ask("pod/web", "host/out:22", { n1: redirect })).toMatchObject({
    verdict: "no",
    expected: "filtered",
  });
  expect(ask("node/n2", "node/n1:22", { n1: redirect }).expected).toBe("answered");
});

it("nobody takes a packet from outside that says it is from a loopback address", () => {
  const addresses = ["192.168.18.3", "fd00:18::3"].map(
    (address) => ({ type: "InternalIP", address }) as const,
  );
  const of = facts(
    { ...node("n1", "192.168.18.3"), status: { addresses } } as KubeObject,
    pool("six", "fd00:1::/64", false),
    pod("six", "fd00:1::5", "n1", { ports: [{ containerPort: 80 }] }),
  );
  // What portmap writes for a hostPort.
  const dnat = "-A OUTPUT -d ::1/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:1::5]:80";
  const nat = (...more: string[]) =>
    rulesetOf({ iptables: [{ ...iptables("nat", dnat, ...more), family: 6 }], nft: [], unreadable: [] });
  expect(ask("node/n1", "[::1]:80", { of, n1: nat() })).toMatchObject({
    verdict: "no",
    expected: "filtered",
  });
  const snat = "-A POSTROUTING -s ::1/128 -j SNAT --to-source fd00:18::3";
  expect(ask("node/n1", "[::1]:80", { of, n1: nat(snat) }).reasons[0]).not.toContain("from outside");
});

it.each([
  ["8.8.8.8", "unreachable"],
  ["192.168.18.1", "filtered"],
])(
  "an error is from the router that tells of it: with packets from %s dropped it is %s",
  (source, outcome) => {
    const n1 = rules(iptables("filter", `-A FORWARD -s ${source}/32 -j DROP`));
    expect(ask("pod/web", "8.8.8.8:53", { n1 }).expected).toBe(outcome);
  },
);

describe("a reset in the name of who was asked", () => {
  const reject = rules(
    iptables("filter", "-A FORWARD -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset"),
  );
  const noAnswers = rules(
    iptables("filter", "-A FORWARD -d 10.1.0.0/16 -m conntrack --ctstate ESTABLISHED -j DROP"),
  );
  it("goes back from where it was rejected, not from where the packet would have got to", () => {
    const asked = (given: { n1: typeof reject; n2: typeof reject }) =>
      ask("pod/web", "host/out:22", { of: facts(heldEgress("n2")), ...given });
    expect(asked({ n1: reject, n2: noAnswers })).toMatchObject({ reachable: false, expected: "refused" });
    expect(asked({ n1: noAnswers, n2: reject })).toMatchObject({ reachable: false, expected: "filtered" });
  });
});

describe("what is known of a packet on one machine", () => {
  const forward = (...list: string[]) => iptables("filter", ...list);
  const mangle = (...list: string[]) => {
    const hooks = ["PREROUTING", "FORWARD", "OUTPUT"].map((hook) => `:${hook} ACCEPT [0:0]\n`).join("");
    return {
      store: "iptables-nft" as const,
      family: 4 as const,
      text: `*mangle\n${hooks}${list.join("\n")}\nCOMMIT\n`,
    };
  };

  it("is that it was translated, where that was done, and nowhere else", () => {
    const service = iptables(
      "nat",
      "-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.1.0.65:80",
    );
    const drop = forward("-A FORWARD -m conntrack --ctstate DNAT -j DROP");
    expect(ask("pod/web", "10.96.0.1:80", { n1: rules(service), n2: rules(drop) }).verdict).toBe("yes");
    expect(ask("pod/web", "10.96.0.1:80", { n1: rules(service, drop) }).expected).toBe("filtered");
    const spared = forward("-A FORWARD -m conntrack --ctstate SNAT -j DROP");
    expect(ask("pod/web", "pod/api:80", { n1: rules(masquerade), n2: rules(spared) }).verdict).toBe("yes");
  });

  it("of an answer is the mark that the hooks before gave it", () => {
    const marked = rules(
      mangle("-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff"),
      forward("-A FORWARD -m mark ! --mark 0x1 -j DROP"),
    );
    expect(ask("pod/web", "pod/api:80", { n2: marked }).verdict).toBe("yes");
    expect(ask("pod/web", "pod/api", { n2: marked }).verdict).toBe("yes");
  });

  it("of the packets after the first is the mark that these get, not that of the first", () => {
    const first = rules(
      mangle("-A PREROUTING -m conntrack --ctstate NEW -j MARK --set-xmark 0x1/0xffffffff"),
      forward("-A FORWARD -d 10.1.0.64/26 -m mark ! --mark 0x1 -j DROP"),
    );
    const answer = ask("pod/web", "pod/api:80", { n2: first });
    expect(answer).toMatchObject({ verdict: "no", expected: "filtered" });
    expect(answer.text).toContain("node/n2 stops the connection once it is answered");
  });

  it("of an error message is that it is one, whatever it is about", () => {
    const refuses = (rule: string) =>
      ask("pod/web", "pod/api:9/udp", { n2: rules(forward(`-A FORWARD ${rule} -j DROP`)) }).expected;
    expect(refuses("-s 10.9.0.0/24")).toBe("refused");
    expect(refuses("-p icmp")).toBe("filtered");
    expect(refuses("-p icmp -m icmp --icmp-type 3")).toBe("filtered");
    expect(refuses("-p icmp -m icmp --icmp-type 0")).toBe("refused");
    expect(refuses("-p udp -m conntrack --ctstate RELATED")).toBe("refused");
  });

  it("that leads to an egress node, and was marked by others, cannot be told", () => {
    const of = facts(heldEgress("n2"));
    const after = (mark: string, priority: number) => {
      const base = { family: "ip", table: "z", name: "p", handle: 1, type: "filter", hook: "prerouting" };
      const expr = [{ mangle: { key: { meta: { key: "mark" } }, value: Number(mark) } }];
      const json = [
        { chain: { ...base, prio: priority, policy: "accept" } },
        { rule: { family: "ip", table: "z", chain: "p", handle: 2, expr } },
      ];
      return rulesetOf({ iptables: [], nft: [{ table: "ip z", json, text: "" }], unreadable: [] });
    };
    const asked = (mark: string, priority: number) =>
      ask("pod/web", "host/out:80", { of, n1: after(mark, priority) });
    expect(asked("0x1", -150).sourceSeen).toBe("192.168.18.200");
    expect(asked("0x1", 0)).toMatchObject({ verdict: "unknown", sourceSeen: null });
  });
});

it("a host's list of whom it admits is not asked of what is led to a pod instead", () => {
  const of = facts(host("closed", "172.17.0.7", { admit: ["10.9.0.0/16"] }));
  const led = iptables(
    "nat",
    "-A OUTPUT -d 172.17.0.7 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.1.0.1:80",
  );
  expect(ask("node/n1", "host/closed:80", { of }).verdict).toBe("no");
  expect(ask("node/n1", "host/closed:80", { of, n1: rules(led) })).toMatchObject({
    verdict: "yes",
    expected: "answered",
  });
});
