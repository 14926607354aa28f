// Services as far as objects tell: which endpoints may be chosen, what policies say of each, and which source it sees.
import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/object.ts";
import type { ServiceObjects } from "../../plan/services.ts";
import { cluster, host, pod, policy } from "../cluster.suite.ts";
import { findEnd } from "../ends.ts";
import { verdictOf } from "../explain.ts";
import { judgesOf } from "../judges/plans.ts";
import { parseEnd, parseTarget } from "../target.ts";
import { explainService } from "./explain-service.ts";
import { serviceText } from "./service-text.ts";
import { objectsOf, proxyConfig, service, slice } from "./services.suite.ts";
import { checkNobodys, serviceTarget } from "./target.ts";

const ports = [{ containerPort: 8080 }];
/** Two behind `web`: one on the sender's node, one on the other. */
const pods = [
  pod("cli", "10.1.0.10", "n1"),
  pod("w1", "10.1.0.11", "n1", { labels: { app: "w", one: "yes" }, ports }),
  pod("w2", "10.1.0.75", "n2", { labels: { app: "w" }, ports }),
];
const known = proxyConfig({ mode: "nftables", clusterCIDR: "10.1.0.0/16" });
const both = slice("web", { "10.1.0.11": { node: "n1" }, "10.1.0.75": { node: "n2" } });

function ask(objects: ServiceObjects, from: string, to: string, ...more: readonly KubeObject[]) {
  const facts = cluster(...pods, ...more);
  const sender = findEnd(facts, parseEnd(from), "default");
  const front = serviceTarget(facts, objects, sender, parseTarget(to), "default");
  if (!front) throw new Error(`${to} is no Service`);
  return explainService(facts, judgesOf(facts), objects, sender, front);
}

/** The answer, and for each endpoint its own with the source that it sees; `-`: not chosen. */
function said(...words: Parameters<typeof ask>) {
  const answer = ask(...words);
  return {
    answer: verdictOf(answer),
    ends: answer.endpoints.map(({ address, chosen, answer: own, sourceSeen }) =>
      chosen ? `${address} ${own} ${sourceSeen}` : `${address} -`,
    ),
  };
}

const isolated = (from: object[]) =>
  policy("guard", {
    podSelector: { matchLabels: { app: "w" } },
    policyTypes: ["Ingress"],
    ingress: [{ from }],
  });
const fromNobody = policy("shut", { podSelector: { matchLabels: { app: "w" } }, policyTypes: ["Ingress"] });
const fromCli = isolated([{ podSelector: { matchLabels: { app: "cli" } } }]);

describe("a ClusterIP", () => {
  const web = objectsOf(service("web", "10.96.0.10"), both);

  it("leads to every endpoint, which sees the pod's own address", () => {
    const ends = ["10.1.0.11 yes 10.1.0.10", "10.1.0.75 yes 10.1.0.10"];
    expect(said(web, "pod/cli", "svc/web:80", known)).toEqual({ answer: "yes", ends });
    expect(said(web, "pod/cli", "svc/default/web:http", known, fromCli)).toEqual({ answer: "yes", ends });
    expect(said(web, "pod/cli", "10.96.0.10:80", known)).toEqual({ answer: "yes", ends });
  });

  it("is no where policies refuse all, and cannot be told where they refuse some", () => {
    expect(said(web, "pod/cli", "svc/web", known, fromNobody).answer).toBe("no");
    const one = policy("one", { podSelector: { matchLabels: { one: "yes" } }, policyTypes: ["Ingress"] });
    const answer = ask(web, "pod/cli", "svc/web", known, one);
    expect(verdictOf(answer)).toBe("unknown");
    expect(answer.unknown).toEqual([
      "which endpoint is chosen (pod/default/w1:8080 no, pod/default/w2:8080 yes)",
    ]);
    expect(answer.endpoints.map(({ allowed, sourceSeen }) => [allowed, sourceSeen])).toEqual([
      [false, "10.1.0.10"],
      [true, "10.1.0.10"],
    ]);
    expect(serviceText(answer)).toContain(
      "cannot tell: whether it is allowed hangs on which endpoint is chosen",
    );
  });

  it("asks the sender's egress policies about the endpoint, not about itself", () => {
    const out = (cidr: string) =>
      policy("out", {
        podSelector: { matchLabels: { app: "cli" } },
        policyTypes: ["Egress"],
        egress: [{ to: [{ ipBlock: { cidr } }], ports: [{ port: 8080 }] }],
      });
    expect(said(web, "pod/cli", "svc/web", known, out("10.1.0.0/16")).answer).toBe("yes");
    expect(said(web, "pod/cli", "svc/web", known, out("10.96.0.0/16")).answer).toBe("no");
  });

  it("sends a pod to itself as its node", () => {
    expect(said(web, "pod/w1", "svc/web", known).ends).toEqual([
      "10.1.0.11 yes 192.168.18.3",
      "10.1.0.75 yes 10.1.0.11",
    ]);
  });

  it("masquerades whom kube-proxy does not take for one of the cluster's own: another node's policies see the node", () => {
    const other = proxyConfig({ mode: "nftables", clusterCIDR: "10.9.0.0/16" });
    expect(said(web, "pod/cli", "svc/web", other).ends).toEqual([
      "10.1.0.11 yes 192.168.18.3",
      "10.1.0.75 yes 192.168.18.3",
    ]);
    expect(said(web, "pod/cli", "svc/web", other, fromCli)).toEqual({
      answer: "unknown",
      ends: ["10.1.0.11 yes 192.168.18.3", "10.1.0.75 no 192.168.18.3"],
    });
    const all = proxyConfig({ clusterCIDR: "10.1.0.0/16", iptables: { masqueradeAll: true } });
    expect(said(web, "pod/cli", "svc/web", all).ends[1]).toBe("10.1.0.75 yes 192.168.18.3");
    const none = proxyConfig({ mode: "iptables", clusterCIDR: "" });
    expect(said(web, "pod/cli", "svc/web", none).ends[1]).toBe("10.1.0.75 yes 10.1.0.10");
  });

  it("names what is not known of kube-proxy, where that decides", () => {
    // Both sources are let in: the answer is one, the source that is seen is not.
    expect(said(web, "pod/cli", "svc/web")).toEqual({
      answer: "yes",
      ends: ["10.1.0.11 yes null", "10.1.0.75 yes null"],
    });
    const answer = ask(web, "pod/cli", "svc/web", fromCli);
    expect(verdictOf(answer)).toBe("unknown");
    expect(answer.unknown?.join()).toMatch(
      /clusterCIDR, masqueradeAll.*no ConfigMap kube-system\/kube-proxy/,
    );
    expect(said(web, "pod/cli", "svc/web", fromNobody).answer).toBe("no");
    expect(said(web, "pod/cli", "svc/web", proxyConfig({ mode: "ipvs" })).answer).toBe("unknown");
    const out = policy("out", {
      podSelector: { matchLabels: { app: "cli" } },
      policyTypes: ["Egress"],
      egress: [{ ports: [{ port: 8080 }] }],
    });
    expect(ask(web, "pod/cli", "svc/web", out).unknown?.join()).toContain("which mode kube-proxy is in");
    expect(said(web, "pod/cli", "svc/web", known, out).answer).toBe("yes");
  });

  it("leads from outside nowhere that is known", () => {
    expect(said(web, "host/out", "svc/web", known).answer).toBe("unknown");
  });

  it("without the port that is asked is refused by nftables only", () => {
    expect(ask(web, "pod/cli", "svc/web:99", known)).toMatchObject({ reachable: false, expected: "refused" });
    const iptables = proxyConfig({ mode: "iptables", clusterCIDR: "10.1.0.0/16" });
    expect(said(web, "pod/cli", "10.96.0.10:99", iptables).answer).toBe("unknown");
  });
});

describe("endpoints", () => {
  const web = service("web", "10.96.0.10");
  const of = (first: object, second: object) =>
    objectsOf(
      web,
      slice("web", { "10.1.0.11": { node: "n1", ...first }, "10.1.0.75": { node: "n2", ...second } }),
    );

  it("that are not ready are left out, unless none is and some still serve while they end", () => {
    const ending = { ready: false, serving: true, terminating: true };
    expect(said(of({ ready: false }, {}), "pod/cli", "svc/web", known).ends).toEqual([
      "10.1.0.11 -",
      "10.1.0.75 yes 10.1.0.10",
    ]);
    expect(said(of(ending, {}), "pod/cli", "svc/web", known).ends[0]).toBe("10.1.0.11 -");
    expect(said(of(ending, { ready: false }), "pod/cli", "svc/web", known).ends).toEqual([
      "10.1.0.11 yes 10.1.0.10",
      "10.1.0.75 -",
    ]);
  });

  it.each([
    ["before", false],
    ["behind", true],
  ])("that run count %s one that is ending and had their address", (_, isLast) => {
    const running = slice("web", { "10.1.0.11": { node: "n1" } });
    const ending = slice("web", {
      "10.1.0.11": { node: "n1", ready: false, serving: true, terminating: true },
    });
    const objects = objectsOf(web, ...(isLast ? [ending, running] : [running, ending]));
    expect(said(objects, "pod/cli", "svc/web", known)).toEqual({
      answer: "yes",
      ends: ["10.1.0.11 yes 10.1.0.10"],
    });
    expect(ask(objects, "pod/cli", "svc/web", known).endpoints).toMatchObject([
      { ready: true, terminating: false },
    ]);
  });

  it("that are none are refused, if the sender's egress lets it come so far", () => {
    const refused = ask(objectsOf(web), "pod/cli", "svc/web", known);
    expect(refused).toMatchObject({ allowed: true, reachable: false, expected: "refused", endpoints: [] });
    expect(refused.service.notes.join()).toContain("no EndpointSlice");
    const shut = policy("shut", { podSelector: { matchLabels: { app: "cli" } }, policyTypes: ["Egress"] });
    expect(ask(objectsOf(web), "pod/cli", "svc/web", known, shut).expected).toBe("filtered");
  });

  it("are those of the node where internalTrafficPolicy is Local", () => {
    const near = service("web", "10.96.0.10", { internalTrafficPolicy: "Local" });
    expect(said(objectsOf(near, both), "pod/cli", "svc/web", known).ends).toEqual([
      "10.1.0.11 yes 10.1.0.10",
      "10.1.0.75 -",
    ]);
    const far = objectsOf(near, slice("web", { "10.1.0.75": { node: "n2" } }));
    expect(ask(far, "pod/cli", "svc/web", known)).toMatchObject({ reachable: false, expected: "filtered" });
  });

  it("are named with their hints, and what no container says may listen all the same", () => {
    const hinted = objectsOf(
      web,
      slice("web", { "10.1.0.11": { node: "n1", hints: { forZones: [{ name: "z1" }] } } }, 9999),
    );
    const answer = ask(hinted, "pod/cli", "svc/web", known);
    expect(answer.service.notes.join()).toContain("hinted for z1");
    expect(answer.endpoints[0]).toMatchObject({ zoneHints: ["z1"], answer: "yes", expected: null });
  });

  it("of a headless Service are asked themselves, for the port that was typed", () => {
    const headless = service("web", "None");
    expect(said(objectsOf(headless, both), "pod/cli", "svc/web:http")).toEqual({
      answer: "yes",
      ends: ["10.1.0.11 yes 10.1.0.10", "10.1.0.75 yes 10.1.0.10"],
    });
    // Nobody translates, and no container says that it listens on 80: that keeps none from it.
    expect(ask(objectsOf(headless, both), "pod/cli", "svc/web:80").endpoints).toMatchObject([
      { answer: "yes", expected: null },
      { answer: "yes", expected: null },
    ]);
    expect(said(objectsOf(headless, both), "pod/cli", "svc/web:8080").answer).toBe("yes");
    expect(verdictOf(ask(objectsOf(headless), "pod/cli", "svc/web:80"))).toBe("no");
    const late = slice("web", { "10.1.0.11": { node: "n1", ready: false } });
    expect(said(objectsOf(headless, late), "pod/cli", "svc/web:http").ends).toEqual(["10.1.0.11 -"]);
    const early = service("web", "None", { publishNotReadyAddresses: true });
    expect(said(objectsOf(early, late), "pod/cli", "svc/web:http").answer).toBe("yes");
  });
});

describe("from outside of the ClusterIP", () => {
  const external = (externalTrafficPolicy: "Cluster" | "Local") =>
    objectsOf(
      service(
        "web",
        "10.96.0.10",
        {
          type: "LoadBalancer",
          externalTrafficPolicy,
          externalIPs: ["203.0.113.7"],
          ports: [{ name: "http", port: 80, targetPort: 8080, nodePort: 30080 }],
        },
        { loadBalancer: { ingress: [{ ip: "198.51.100.1" }, { ip: "198.51.100.2", ipMode: "Proxy" }] } },
      ),
      both,
    );

  it("node ports make every sender the node, unless the policy is Local", () => {
    expect(said(external("Cluster"), "host/out", "192.168.18.3:30080", known).ends).toEqual([
      "10.1.0.11 yes 192.168.18.3",
      "10.1.0.75 yes 192.168.18.3",
    ]);
    expect(said(external("Local"), "host/out", "node/n1:30080", known).ends).toEqual([
      "10.1.0.11 yes 172.17.0.9",
      "10.1.0.75 -",
    ]);
    const far = objectsOf(
      ...external("Local").services.values(),
      slice("web", { "10.1.0.75": { node: "n2" } }),
    );
    expect(ask(far, "host/out", "192.168.18.3:30080", known)).toMatchObject({ expected: "filtered" });
    // A pod is sent on as if it had come by way of the balancer.
    expect(said(far, "pod/cli", "192.168.18.3:30080", known).ends).toEqual(["10.1.0.75 yes 10.1.0.10"]);
    expect(said(far, "node/n1", "192.168.18.3:30080", known).ends).toEqual(["10.1.0.75 yes 192.168.18.3"]);
  });

  it("a pod's packet to another node's port leaves as it leaves for that node, and its policies see the port", () => {
    expect(said(external("Local"), "pod/cli", "192.168.18.4:30080", known).ends).toEqual([
      "10.1.0.11 -",
      "10.1.0.75 yes 192.168.18.3",
    ]);
    const out = policy("out", {
      podSelector: { matchLabels: { app: "cli" } },
      policyTypes: ["Egress"],
      egress: [{ ports: [{ port: 8080 }] }],
    });
    expect(said(external("Local"), "pod/cli", "192.168.18.4:30080", known, out).answer).toBe("no");
  });

  it("external and balancers' addresses are taken on the sender's node; those that a balancer translates are nobody's", () => {
    for (const address of ["203.0.113.7", "198.51.100.1"])
      expect(said(external("Cluster"), "pod/cli", `${address}:80`, known).ends).toEqual([
        "10.1.0.11 yes 192.168.18.3",
        "10.1.0.75 yes 192.168.18.3",
      ]);
    expect(() => ask(external("Cluster"), "pod/cli", "198.51.100.2:80", known)).toThrow("is no Service");
  });

  it("who comes from elsewhere may come to any node first", () => {
    const answer = ask(external("Cluster"), "host/out", "203.0.113.7:80", known);
    expect(verdictOf(answer)).toBe("yes");
    expect(answer.endpoints.map(({ sourceSeen }) => sourceSeen)).toEqual([null, null]);
    expect(said(external("Local"), "host/out", "198.51.100.1:80", known).answer).toBe("unknown");
  });

  it("an external IP that a node has leads to that node", () => {
    const near = service("web", "10.96.0.10", {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      externalIPs: ["192.168.18.4"],
    });
    expect(said(objectsOf(near, both), "host/out", "192.168.18.4:80", known)).toEqual({
      answer: "yes",
      ends: ["10.1.0.11 -", "10.1.0.75 yes 172.17.0.9"],
    });
  });

  it("loadBalancerSourceRanges shut the balancer's address to others", () => {
    const web = service(
      "web",
      "10.96.0.10",
      { type: "LoadBalancer", loadBalancerSourceRanges: ["172.17.0.0/24"] },
      { loadBalancer: { ingress: [{ ip: "198.51.100.1" }] } },
    );
    expect(said(objectsOf(web, both), "host/out", "198.51.100.1:80", known).answer).toBe("yes");
    expect(
      said(objectsOf(web, both), "host/far", "198.51.100.1:80", known, host("far", "172.18.0.9")).answer,
    ).toBe("no");
    const sixth = service(
      "web",
      "10.96.0.10",
      { type: "LoadBalancer", loadBalancerSourceRanges: ["fd00::/64"] },
      web.status,
    );
    expect(said(objectsOf(sixth, both), "host/out", "198.51.100.1:80", known).answer).toBe("yes");
    const far = host("far", "172.18.0.9");
    const empty = (mode: string) =>
      ask(
        objectsOf(web),
        "host/far",
        "198.51.100.1:80",
        proxyConfig({ mode, clusterCIDR: "10.1.0.0/16" }),
        far,
      );
    expect(empty("nftables").expected).toBe("filtered");
    expect(empty("iptables").expected).toBe("refused");
  });
});

describe("names", () => {
  const facts = cluster(...pods);
  const cli = findEnd(facts, parseEnd("pod/cli"), "default");
  const of = (objects: ServiceObjects, to: string) =>
    serviceTarget(facts, objects, cli, parseTarget(to), "default");

  it("that are wrong are told apart", () => {
    const web = objectsOf(
      service("web", "10.96.0.10"),
      service("away", "", { type: "ExternalName", externalName: "db.example.com" }),
      service("late", ""),
    );
    expect(() => of(web, "svc/wep:80")).toThrow(
      "there is no service/default/wep. Did you mean service/default/web?",
    );
    expect(() => of(web, "svc/web:https")).toThrow("has no port named https; it has 80/tcp (http)");
    expect(() => of(web, "svc/away:80")).toThrow("db.example.com");
    expect(() => of(web, "svc/late:80")).toThrow("no ClusterIP");
    expect(() => of({ ...web, unread: "forbidden" }, "svc/web:80")).toThrow("could not be read (forbidden)");
    expect(of(web, "10.96.0.10")).toMatchObject({ key: "default/web", asked: { port: 80, protocol: "TCP" } });
    expect(of(web, "10.96.0.10/icmp")).toBeUndefined();
    expect(of(web, "10.96.0.11:80")).toBeUndefined();
    expect(of(web, "pod/w1:80")).toBeUndefined();
  });

  it("addresses in the range of Services that none has are nobody's to tell of", () => {
    const range = {
      apiVersion: "networking.k8s.io/v1",
      kind: "ServiceCIDR",
      metadata: { name: "kubernetes" },
    };
    const ranged = cluster({ ...range, spec: { cidrs: ["10.96.0.0/16"] } } as never);
    const check = (to: string, objects: ServiceObjects) => () =>
      checkNobodys(ranged, objects, parseTarget(to));
    expect(check("10.96.0.9:80", objectsOf())).toThrow("in the Services' range 10.96.0.0/16");
    expect(check("10.96.0.9:80", { ...objectsOf(), unread: "forbidden" })).toThrow("forbidden");
    expect(check("10.97.0.9:80", objectsOf())).not.toThrow();
    expect(check("pod/web:80", objectsOf())).not.toThrow();
  });

  it("survive objects of whatever form", () => {
    const odd = objectsOf(
      {
        ...service("web", "10.96.0.10"),
        spec: { clusterIP: "10.96.0.10", ports: [null, { port: "x" }, { port: 80 }] },
      } as never,
      {
        ...both,
        ports: [{ port: 8080 }],
        endpoints: [null, { addresses: ["nonsense"] }, { addresses: ["10.1.0.11"] }],
      } as never,
      { ...both, endpoints: "none" } as never,
    );
    expect(said(odd, "pod/cli", "svc/web", known).ends).toEqual(["10.1.0.11 yes 10.1.0.10"]);
  });
});
