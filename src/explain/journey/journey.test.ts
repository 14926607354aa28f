import { describe, expect, it } from "vitest";
import { sourceNatKind } from "../../api/kinds/source-nat.ts";
import type { KubeObject } from "../../api/object.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { rulesetOf } from "../../plan/foreign/index.ts";
import { cluster, heldEgress, host, node, pod, policy, pool } from "../cluster.suite.ts";
import { findEnd } from "../ends.ts";
import { explain, verdictOf } from "../explain.ts";
import { explanationText } from "../explain-text.ts";
import { ground } from "../ground/ground.suite.ts";
import type { Ground, Machine } from "../ground/ground.ts";
import { judgesOf } from "../judges/plans.ts";
import { clusterEnds, matrixCells } from "../matrix/matrix.ts";
import { parseEnd, parseTarget } from "../target.ts";

/** Links as a machine that was looked at has them. */
const named: Ground = {
  ...ground,
  machines: ground.machines.map((machine) => ({
    ...machine,
    links: machine.links.map((link, at) => ({ ...link, name: `eth${at}` })),
  })),
};
const from = (app: string) => ({ from: [{ podSelector: { matchLabels: { app } } }] });
const isolated = (app: string, ...ingress: object[]) =>
  policy(`for-${app}`, { podSelector: { matchLabels: { app } }, policyTypes: ["Ingress"], ingress });
const facts = (...more: readonly KubeObject[]) =>
  cluster(
    pool("pods", "10.1.0.0/16", false),
    host("gateway", "192.168.18.1", { role: "router", ports: [] }),
    host("choosy", "172.17.0.8"),
    ...more,
  );
const iptables = (table: string, ...rules: string[]) => {
  const hooks = table === "nat" ? ["PREROUTING", "OUTPUT", "POSTROUTING"] : ["INPUT", "FORWARD", "OUTPUT"];
  const text = `*${table}\n${hooks.map((hook) => `:${hook} ACCEPT [0:0]\n`).join("")}${rules.join("\n")}\nCOMMIT\n`;
  return { store: "iptables-nft" as const, family: 4 as const, text };
};
const rules = (...texts: ReturnType<typeof iptables>[]) =>
  rulesetOf({ iptables: texts, nft: [], unreadable: [] });

interface Given {
  readonly of?: ClusterFacts;
  readonly n1?: ReturnType<typeof rules>;
  readonly n2?: ReturnType<typeof rules>;
  readonly gateway?: ReturnType<typeof rules>;
  readonly on?: Ground;
}

const nothing = rules();
const judgesFor = ({ of = facts(), n1 = nothing, n2 = nothing, gateway = nothing, on = named }: Given) =>
  judgesOf(
    of,
    {
      rules: new Map([
        ["node/n1", n1],
        ["node/n2", n2],
        ["host/gateway", gateway],
      ]),
    },
    on,
  );

function ask(sender: string, to: string, given: Given) {
  const { of = facts() } = given;
  const target = parseTarget(to);
  const ends = [findEnd(of, parseEnd(sender), "default"), findEnd(of, target.end, "default")] as const;
  const answer = explain(of, judgesFor({ ...given, of }), ...ends, target.port);
  return { ...answer, verdict: verdictOf(answer), text: explanationText(answer) };
}

const masquerade = iptables("nat", "-A POSTROUTING -s 10.1.0.0/16 -o eth0 -j MASQUERADE");

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

describe("the way back", () => {
  it("of a translated source leads through the machine that translated, and no other", () => {
    const snat = (address: string) =>
      rules(iptables("nat", `-A POSTROUTING -s 10.1.0.0/16 -d 172.17.0.0/24 -j SNAT --to-source ${address}`));
    expect(ask("pod/web", "host/out:80", { n1: snat("192.168.18.3") }).verdict).toBe("yes");
    const answer = ask("pod/web", "host/out:80", { n1: snat("192.168.18.4") });
    expect(answer).toMatchObject({ allowed: true, reachable: false, expected: "filtered" });
    expect(answer.reasons[0]).toBe("the answer to 192.168.18.4 does not come back: it goes to node/n2");
    // To that node itself it is its own address, from outside.
    const own = rules(iptables("nat", "-A POSTROUTING -s 10.1.0.0/16 -j SNAT --to-source 192.168.18.4"));
    expect(ask("pod/web", "node/n2:10250", { n1: own }).expected).toBe("filtered");
  });

  it("must come from the address that was asked", () => {
    const dnat = iptables("nat", "-A PREROUTING -d 10.96.0.1/32 -j DNAT --to-destination 10.1.0.2");
    const of = facts(pod("more", "10.1.0.3", "n1", { ports: [{ containerPort: 80 }] }));
    expect(ask("pod/more", "10.96.0.1:3306", { of, n1: rules(dnat) }).verdict).toBe("yes");
    expect(ask("pod/db", "10.96.0.1:3306", { of, n1: rules(dnat) })).toMatchObject({
      reachable: false,
      expected: "filtered",
    });
  });

  // n2 sends what is for host/out to n1, which never sees what host/out sends.
  const around: Ground = {
    machines: named.machines.map((machine) =>
      machine.name === "node/n2"
        ? { ...machine, routes: [{ to: "172.17.0.9/32", via: "192.168.18.3" }, ...machine.routes] }
        : machine,
    ),
  };

  it.each([
    ["pod/api:80", "filtered"],
    ["pod/api:80/udp", "filtered"],
    ["pod/api:81", "refused"],
    ["pod/api/icmp", "answered"],
  ])(
    "may lead over a node that sees nothing else: ours leave it alone, others' do not: %s",
    (to, expected) => {
      const of = cluster(
        pool("pods", "10.1.0.0/16", true),
        host("gateway", "192.168.18.1", { role: "router", ports: [] }),
        pod("api", "10.1.0.65", "n2", {
          ports: [{ containerPort: 80 }, { containerPort: 80, protocol: "UDP" as const }],
        }),
      );
      const ours = ask("host/out", to, { of, on: around });
      expect(ours.expected).toBe(to.includes("81") ? "refused" : "answered");
      const theirs = ask("host/out", to, { of, on: around, n1: rules(masquerade) });
      expect(theirs.expected).toBe(expected);
      if (expected === "filtered")
        expect(theirs.reasons[0]).toContain(
          "node/n1, which sees only the answers, takes them for something new",
        );
    },
  );

  it("to an egress address that its holder does not have any more is not known", () => {
    const held = heldEgress("n2");
    const of = facts(held);
    const lookedAt = (has: boolean): Ground => ({
      machines: named.machines.map((machine): Machine => {
        if (machine.name !== "node/n2") return machine;
        const [link] = machine.links;
        const addresses = [...link!.addresses, ...(has ? ["192.168.18.200/32"] : [])];
        const routes = [{ to: "192.168.18.0/24", link: "eth0", source: "192.168.18.4" }, ...machine.routes];
        return { ...machine, live: true, routes, links: [{ ...link!, addresses }] };
      }),
    });
    expect(ask("pod/web", "host/out:80", { of, on: lookedAt(true) }).verdict).toBe("yes");
    const stuck = ask("pod/web", "host/out:80", { of, on: lookedAt(false) });
    expect(stuck).toMatchObject({
      verdict: "unknown",
      allowed: true,
      reachable: null,
      sourceSeen: "192.168.18.200",
    });
  });
});

describe("an egress address", () => {
  const egress = (node?: string) =>
    ({
      apiVersion: sourceNatKind.apiVersion,
      kind: "SourceNAT",
      metadata: { name: "s", uid: "s", resourceVersion: "1", creationTimestamp: "" },
      spec: {
        rules: [
          {
            podSelector: { matchLabels: { app: "web" } },
            action: { type: "Address", addresses: ["192.168.18.200"], egressNodes: { matchLabels: {} } },
          },
        ],
      },
      status: { holders: node === undefined ? [] : [{ address: "192.168.18.200", node }] },
    }) as unknown as KubeObject;

  it("does not lead away what a hostPort of the pod's own node makes a pod its destination", () => {
    const hostPort = iptables(
      "nat",
      "-A PREROUTING -p tcp -m tcp --dport 22 -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.1.0.2:3306",
    );
    const of = facts(egress("n2"));
    expect(ask("pod/web", "node/n1:22", { of, n1: rules(hostPort) })).toMatchObject({
      verdict: "yes",
      sourceSeen: "10.1.0.1",
    });
  });

  it("that nobody holds drops only what no filter has rejected before, and no reset of those", () => {
    const reject = iptables(
      "filter",
      "-A FORWARD -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset",
    );
    const of = facts(egress());
    const given = { of, n1: rules(reject) };
    expect(ask("pod/web", "host/out:22", given)).toMatchObject({ allowed: false, expected: "refused" });
    expect(ask("pod/web", "host/out:80", given)).toMatchObject({ allowed: false, expected: "filtered" });
    expect(ask("host/out", "pod/web:22", given)).toMatchObject({ allowed: true, expected: "refused" });
  });
});

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

/** The network with other routes of a machine. */
const routed = (name: string, ...routes: Machine["routes"]): Ground => ({
  machines: named.machines.map((machine) =>
    machine.name === name ? { ...machine, routes: [...routes, ...machine.routes] } : machine,
  ),
});

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
  const n1 = rules(iptables("filter", "-A OUTPUT -p tcp -j REJECT --reject-with tcp-reset"));
  expect(ask("node/n1", "host/out:80", { on, n1 })).toMatchObject({ verdict: "no", expected: "refused" });
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
  const reset = rules(iptables("filter", "-A INPUT -i lo -p tcp -j REJECT --reject-with tcp-reset"));
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

describe("where nodes' tunnels end", () => {
  const standing = (name: string, address: string, inner: string) => {
    const one = node(name, address);
    const annotations = { "projectcalico.org/IPv4VXLANTunnelAddr": inner };
    return { ...one, metadata: { ...one.metadata, annotations } };
  };
  const tunnelled = { ...pool("pods", "10.1.0.0/16", false) };
  const of = facts(
    { ...tunnelled, spec: { ...tunnelled.spec, vxlanMode: "Always" } } as KubeObject,
    standing("n1", "192.168.18.3", "10.1.0.3"),
    standing("n2", "192.168.18.4", "10.1.0.67"),
  );
  const said = (sender: string, to: string, more: Given = {}) => {
    const { verdict, expected, text } = ask(sender, to, { of, ...more });
    return [verdict, expected, /\((.*)\): a probe/.exec(text)?.[1]];
  };

  it("pods send nothing, whichever node's it is", () => {
    const why = "pods send none to where nodes' tunnels end (4789/udp)";
    expect(said("pod/web", "node/n2:4789/udp")).toEqual(["no", "filtered", `node/n1 drops it: ${why}`]);
    const only = "only the cluster's other nodes send to where its tunnels end (4789/udp)";
    expect(said("pod/web", "node/n1:4789/udp")).toEqual(["no", "filtered", `node/n1 drops it: ${only}`]);
  });

  it("strangers are not heard, and nodes get no answer", () => {
    const only = "only the cluster's other nodes send to where its tunnels end (4789/udp)";
    expect(said("host/gateway", "node/n2:4789/udp")).toEqual(["no", "filtered", `node/n2 drops it: ${only}`]);
    const taken = "the node's tunnel vxlan.tl takes 4789/udp, and answers nobody";
    expect(said("node/n1", "node/n2:4789/udp")).toEqual(["no", "filtered", taken]);
  });

  it("a target that others translate to it is seen as what it has become", () => {
    const led = iptables(
      "nat",
      "-A PREROUTING -d 10.96.0.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 192.168.18.4:4789",
    );
    expect(said("pod/web", "10.96.0.1:53/udp", { n1: rules(led) }).slice(0, 2)).toEqual(["no", "filtered"]);
    const home = iptables("nat", "-A PREROUTING -p udp -m udp --dport 53 -j REDIRECT --to-ports 4789");
    expect(said("host/gateway", "node/n2:53/udp", { n2: rules(home) })[1]).toBe("filtered");
  });

  it("others' rules meet the packets that what goes through a tunnel is packed in", () => {
    const filter = (rule: string) => rules(iptables("filter", rule));
    const asked = (more: Given) => said("pod/web", "pod/api:80", more);
    expect(asked({})[0]).toBe("yes");
    const drop = filter("-A INPUT -p udp -m udp --dport 4789 -j DROP");
    const why = "node/n2 stops the packets of the tunnel: iptables-nft -t filter -A INPUT";
    expect(asked({ n2: drop })[2]).toContain(why);
    expect(asked({ n1: drop })[2]).toContain("the answer to 10.1.0.1 does not come back: node/n1 stops");
    expect(asked({ n1: filter("-A OUTPUT -d 192.168.18.4/32 -p udp -j DROP") })[1]).toBe("filtered");
    expect(asked({ n2: filter("-A INPUT -s 192.168.18.4/32 -j DROP") })[0]).toBe("yes");
    expect(asked({ n2: filter("-A INPUT -p udp -m conntrack --ctstate ESTABLISHED -j DROP") })[0]).toBe(
      "yes",
    );
    // Nodes do not track them, and so translate none of them.
    for (const [state, verdict] of [
      ["NEW", "yes"],
      ["INVALID", "yes"],
      ["UNTRACKED", "no"],
    ] as const)
      expect(asked({ n2: filter(`-A INPUT -p udp -m conntrack --ctstate ${state} -j DROP`) })[0]).toBe(verdict);
    const elsewhere = "-A POSTROUTING -p udp -m udp --dport 4789 -j SNAT --to-source 192.168.18.99";
    const nat = rules(iptables("nat", elsewhere));
    expect(asked({ n1: nat })[0]).toBe("yes");
  });

  it("any other port, and any without tunnels, is as ever", () => {
    expect(ask("pod/web", "node/n2:4790/udp", { of }).expected).toBe("refused");
    expect(ask("pod/web", "node/n2:4789", { of }).expected).toBe("refused");
    expect(ask("pod/web", "node/n2:4789/udp", {}).expected).toBe("refused");
  });

  it("objects alone tell the same", () => {
    const target = parseTarget("node/n2:4789/udp");
    const to = findEnd(of, target.end, "default");
    const told = (sender: string) =>
      explain(of, judgesOf(of), findEnd(of, parseEnd(sender), "default"), to, target.port).expected;
    expect(["pod/web", "host/out", "node/n1"].map(told)).toEqual(["filtered", "filtered", "filtered"]);
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
