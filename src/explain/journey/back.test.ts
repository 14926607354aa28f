import { describe, expect, it } from "vitest";
import { sourceNatKind } from "../../api/kinds/source-nat.ts";
import type { KubeObject } from "../../api/object.ts";
import { cluster, heldEgress, host, pod, pool } from "../cluster.suite.ts";
import type { Ground, Machine } from "../ground/ground.ts";
import { ask, facts, iptables, masquerade, named, routed, rules } from "./journey.suite.ts";

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
    ["ESTABLISHED", "answered"],
    ["NEW", "filtered"],
    ["INVALID", "filtered"],
  ])(
    "may pass by a node that sees only what is asked, and takes what follows for %s: %s",
    (state, expected) => {
      const rule = `-A FORWARD -p tcp -m conntrack --ctstate ${state} -j DROP`;
      const n1 = rules(iptables("filter", rule));
      expect(ask("pod/api", "host/out:80", { on: around, n1 }).expected).toBe(expected);
    },
  );

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

  it("may pass by a machine that sees what is asked, and takes all but the first packet for nothing", () => {
    const on = routed("host/gateway", { to: "10.1.0.64/26", via: "192.168.18.3" });
    const drop = (state: string) =>
      rules(iptables("filter", `-A FORWARD -m conntrack --ctstate ${state} -j DROP`));
    expect(ask("host/out", "pod/api:80", { on }).verdict).toBe("yes");
    expect(ask("host/out", "pod/api:80", { on, n1: drop("ESTABLISHED") }).verdict).toBe("yes");
    const cut = ask("host/out", "pod/api:80", { on, n1: drop("INVALID") });
    expect(cut).toMatchObject({ reachable: false, expected: "filtered" });
    expect(cut.reasons[0]).toContain("node/n1 stops the connection once it is answered");
    expect(ask("host/out", "pod/api:81", { on, n1: drop("INVALID") }).expected).toBe("refused");
  });

  it("begins nothing where a machine has been told to know TCP by its first packet", () => {
    const of = cluster(
      pool("pods", "10.1.0.0/16", false),
      host("gateway", "192.168.18.1", { role: "router", ports: [] }),
      pod("api", "10.1.0.65", "n2", { ports: [{ containerPort: 80 }] }),
    );
    const fresh = rules(iptables("filter", "-A FORWARD -m conntrack --ctstate NEW -j DROP"));
    const strict: Ground = {
      machines: around.machines.map((one) => ({ ...one, strictTcp: true as const })),
    };
    expect(ask("host/out", "pod/api:80", { of, on: around, n1: fresh }).expected).toBe("filtered");
    expect(ask("host/out", "pod/api:80", { of, on: strict, n1: fresh }).expected).toBe("answered");
  });

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
