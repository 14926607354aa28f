import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/object.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { cluster, namespace, pod, policy } from "../cluster.suite.ts";
import { judgesOf } from "../judges/plans.ts";
import { clusterEnds } from "../matrix/matrix.ts";
import { parsePorts } from "../ports.ts";
import { changesText, diffReach } from "./diff.ts";
import { overlay } from "./overlay.ts";

const side = (facts: ClusterFacts) => ({
  facts,
  judges: judgesOf(facts),
  ends: clusterEnds(facts),
});
const difference = (before: ClusterFacts, after: ClusterFacts, ports = "80/tcp") =>
  diffReach(side(before), side(after), parsePorts(ports));
const diff = (before: ClusterFacts, after: ClusterFacts) => {
  const { changes, unclear } = difference(before, after);
  expect(unclear).toEqual([]);
  return changes;
};
const apply = (facts: ClusterFacts, ...objects: KubeObject[]) => diff(facts, overlay(facts, objects));
const lines = (changes: ReturnType<typeof diff>) =>
  changes.map(({ from, to, change }) => `${change} ${from} → ${to}`);

const onlyFromApi = policy("to-web", {
  podSelector: { matchLabels: { app: "web" } },
  ingress: [{ from: [{ podSelector: { matchLabels: { app: "api" } } }] }],
});

function deployment(name: string, labels: Readonly<Record<string, string>>): KubeObject {
  const spec = { selector: {}, template: { metadata: { labels }, spec: { containers: [{ name: "c" }] } } };
  const metadata = { name, namespace: "default", uid: "", resourceVersion: "", creationTimestamp: "" };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata, spec } as KubeObject;
}

function owned(name: string, address: string): KubeObject {
  const plain = pod(name, address, "n1", { labels: { app: "shop", "pod-template-hash": "77f" } });
  const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "shop-77f", uid: "rs" };
  return { ...plain, metadata: { ...plain.metadata, ownerReferences: [owner] } };
}

describe("what would change", () => {
  it("is what a new policy refuses, with the policy", () => {
    const changes = apply(cluster(), onlyFromApi);
    expect(lines(changes)).toEqual([
      "disappears host/out → pod/default/web",
      "disappears pod/default/db → pod/default/web",
    ]);
    expect(changes[0]?.by).toMatchObject({ by: "ingress", policy: "default/to-web" });
  });

  it("is the other way round when it is taken away", () => {
    const changes = diff(cluster(onlyFromApi), cluster());
    expect(changes.map((one) => one.change)).toEqual(["appears", "appears"]);
    expect(changesText({ changes, unclear: [] })).toContain("until now denied");
  });

  it("is nothing where a policy is applied again, or says the same as another", () => {
    expect(apply(cluster(onlyFromApi), onlyFromApi)).toEqual([]);
    const twin = { ...onlyFromApi, metadata: { ...onlyFromApi.metadata, name: "twin" } };
    const same = difference(cluster(onlyFromApi), overlay(cluster(onlyFromApi), [twin]));
    expect(changesText(same)).toBe("no reach appears or disappears\n");
  });

  it("follows labels of namespaces and pods", () => {
    const fromTeam = policy("team", {
      podSelector: { matchLabels: { app: "web" } },
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "b" } } }] }],
    });
    const facts = cluster(
      fromTeam,
      namespace("other", {}),
      pod("x", "10.1.0.7", "n1", { namespace: "other" }),
    );
    expect(lines(apply(facts, namespace("other", { team: "b" })))).toEqual([
      "appears pod/other/x → pod/default/web",
    ]);
    const moved = pod("web", "10.1.0.1", "n1", { labels: { app: "free" } });
    expect(apply(facts, moved).every((one) => one.change === "appears")).toBe(true);
  });

  it("knows a workload's running pods, and names a new workload as new", () => {
    const facts = cluster(
      policy("shop", { podSelector: { matchLabels: { tier: "closed" } } }),
      owned("shop-77f-a", "10.1.0.8"),
    );
    expect(lines(apply(facts, deployment("shop", { tier: "closed" })))).toContain(
      "disappears pod/default/web → pod/default/shop-77f-a",
    );
    const fresh = apply(facts, deployment("new", {}));
    expect(fresh.every((one) => one.only === "deployment/default/new" && one.change === "appears")).toBe(
      true,
    );
  });

  it("does not depend on the order of ends and ports on either side", () => {
    const [before, after] = [cluster(), overlay(cluster(), [onlyFromApi, pod("extra", "10.1.0.77", "n1")])];
    const ports = parsePorts("80/tcp,9/udp");
    const turned = { ...side(after), ends: clusterEnds(after).toReversed() };
    const found = diffReach(side(before), side(after), ports);
    expect(found.changes.filter(({ only }) => only === "pod/default/extra").length).toBeGreaterThan(2);
    expect(diffReach(side(before), turned, ports.toReversed())).toEqual(found);
  });

  it("hangs on addresses that new pods have not got yet", () => {
    const toSome = (...cidrs: string[]) =>
      policy("out", {
        podSelector: { matchLabels: { app: "shop" } },
        policyTypes: ["Egress"],
        egress: cidrs.map((cidr) => ({ to: [{ ipBlock: { cidr } }] })),
      });
    const facts = overlay(cluster(), [
      deployment("new", { app: "free" }),
      deployment("shop", { app: "shop" }),
    ]);
    const [wide, narrow] = [overlay(facts, [toSome("0.0.0.0/0")]), overlay(facts, [toSome("10.1.0.0/26")])];
    const about = (before: ClusterFacts, after: ClusterFacts) => {
      const { changes, unclear } = difference(before, after);
      const both = (one: { from: string; to: string }) =>
        one.from === "deployment/default/shop" && one.to === "deployment/default/new";
      return [changes.filter(both), unclear.filter(both)];
    };
    // The pool is wider than the range: the new pod may get an address in it or beside it.
    expect(about(facts, wide)).toEqual([[], []]);
    expect(about(facts, narrow)).toMatchObject([
      [],
      [{ before: true, after: null, by: { by: "egress", policy: "default/out" } }],
    ]);
    expect(about(narrow, narrow)).toEqual([[], []]);
    // The same addresses in other words, and others.
    const halves = overlay(facts, [toSome("10.1.0.0/27", "10.1.0.32/27")]);
    expect(about(narrow, halves)).toEqual([[], []]);
    const moved = overlay(facts, [toSome("10.1.1.0/26")]);
    expect(about(narrow, moved)).toMatchObject([[], [{ before: null, after: null }]]);
    expect(changesText(difference(facts, narrow))).toContain(
      "? deployment/default/shop → deployment/default/new 80/tcp (cannot tell: policy default/out, spec.egress[0],",
    );
  });
});
