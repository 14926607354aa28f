import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Pod } from "../../../api/kinds/core.ts";
import { NftTable } from "../../../kernel/nft/document.ts";
import { NftModel } from "../../../kernel/nft/model.suite.ts";
import { type ClusterFacts, emptyFacts, type LocalEndpoint } from "../../facts.ts";
import { traceFlow } from "../../trace/policy.suite.ts";
import { tableOf } from "../../trace/table.ts";
import { clusters, flows } from "../clusters.suite.ts";
import { compilePolicies, verdict } from "../index.ts";
import { PolicyWriter } from "../nft/writer.ts";
import { NodePolicy } from "./node-policy.ts";

const node = "n1";
const heading = "inet trunkline";

/** A node with its table, as the agent keeps it. */
class TestNode {
  readonly table = new NftTable("inet", "trunkline");
  readonly writer = new PolicyWriter(this.table);
  readonly policy: NodePolicy;

  constructor(idBits?: number) {
    this.policy = new NodePolicy(this.writer, false, idBits);
    this.writer.start();
  }

  flush(): void {
    this.policy.flush();
    this.writer.finish();
  }
}

function endpointOf(pod: Pod): LocalEndpoint | undefined {
  if (pod.spec.nodeName !== node || pod.spec.hostNetwork === true) return undefined;
  const { name, namespace, uid } = pod.metadata;
  return {
    pod: `${namespace}/${name}`,
    uid,
    interface: `tl${name}`,
    ips: pod.status?.podIPs?.map((one) => one.ip) ?? [],
  };
}

type Step = (target: NodePolicy) => void;

/** What tells a node everything, object by object, in the order given by `weights`. */
function stepsOf(facts: ClusterFacts, weights: readonly number[] = []): Step[] {
  const steps: Step[] = [];
  for (const [name, object] of facts.namespaces) steps.push((to) => to.setNamespace(name, object));
  for (const [key, policy] of facts.policies) steps.push((to) => to.setPolicy(key, policy));
  for (const [key, pod] of facts.pods) {
    steps.push((to) => to.setPod(key, pod));
    const endpoint = endpointOf(pod);
    if (endpoint !== undefined) steps.push((to) => to.setEndpoint(key, endpoint));
  }
  const keyed = steps.map((step, at) => ({ step, weight: weights[at] ?? 0 }));
  return keyed.toSorted((a, b) => a.weight - b.weight).map((one) => one.step);
}

/** Makes the node forget what is not in `facts`, as a relist does. */
function removalsFor(from: ClusterFacts, to: ClusterFacts): Step[] {
  const steps: Step[] = [];
  for (const name of from.namespaces.keys())
    if (!to.namespaces.has(name)) steps.push((target) => target.setNamespace(name, undefined));
  for (const key of from.policies.keys())
    if (!to.policies.has(key)) steps.push((target) => target.setPolicy(key, undefined));
  for (const [key, pod] of from.pods) {
    const after = to.pods.get(key);
    if (after === undefined) steps.push((target) => target.setPod(key, undefined));
    if (endpointOf(pod) !== undefined && (after === undefined || endpointOf(after) === undefined))
      steps.push((target) => target.setEndpoint(key, undefined));
  }
  return steps;
}

function renderOf(facts: ClusterFacts, idBits?: number): string {
  const fresh = new TestNode(idBits);
  for (const step of stepsOf(facts)) step(fresh.policy);
  fresh.flush();
  return fresh.table.render();
}

/** Chains of isolated pods and their maps of ranges are called by their history, too: here by what they hold. */
function plain(text: string): string {
  const parts = text.split(/^(?= {2}(?:set|map|chain) )/m);
  const own = /\bpolicy-(?:in|out)-(?:block[46]-)?([0-9a-f]{16})\b/g;
  const digests = new Set([...text.matchAll(own)].map(([, digest = ""]) => digest));
  let out = text;
  for (const digest of digests) {
    const mine = parts.filter((part) => part.split("\n")[0]?.includes(digest));
    const words = mine.map((part) => part.replaceAll(digest, "")).toSorted();
    out = out.replaceAll(digest, createHash("sha256").update(words.join("")).digest("hex").slice(0, 16));
  }
  return out
    .split(/^(?= {2}(?:set|map|chain) )/m)
    .toSorted()
    .join("");
}

describe("NodePolicy and its nftables text", () => {
  const histories = fc.array(
    fc.record({
      facts: clusters,
      weights: fc.array(fc.nat(1000), { minLength: 40, maxLength: 40 }),
      pause: fc.nat(5),
    }),
    { minLength: 1, maxLength: 4 },
  );

  it.each([32, 5])(
    "ends in the same text after any order, split, repeat or relist (%i bit numbers)",
    (idBits) => {
      fc.assert(
        fc.property(histories, (history) => {
          const walked = new TestNode(idBits);
          const model = new NftModel();
          let before: ClusterFacts | undefined;
          for (const { facts, weights, pause } of history) {
            const removals = before === undefined ? [] : removalsFor(before, facts);
            for (const [at, step] of [...removals, ...stepsOf(facts, weights)].entries()) {
              step(walked.policy);
              if (at % (pause + 1) !== 0) continue;
              walked.flush();
              for (const text of walked.table.pending()) model.run(text);
              walked.table.committed();
            }
            before = facts;
          }
          walked.flush();
          for (const text of walked.table.pending()) model.run(text);
          walked.table.committed();
          const last = history.at(-1)?.facts;
          if (last === undefined) return;
          expect(plain(walked.table.render())).toBe(plain(renderOf(last, idBits)));
          const whole = new NftModel();
          whole.run(walked.table.replaceAll());
          expect(model.dump(heading)).toBe(whole.dump(heading));
        }),
        { numRuns: idBits === 32 ? 150 : 60 },
      );
    },
  );

  it("judges connections of its pods as the evaluator does", () => {
    fc.assert(
      fc.property(clusters, fc.array(flows, { minLength: 30, maxLength: 30 }), (facts, list) => {
        const here = new TestNode();
        for (const step of stepsOf(facts)) step(here.policy);
        here.flush();
        const program = compilePolicies(facts);
        const localIps = new Set([...facts.pods.values()].flatMap((pod) => endpointOf(pod)?.ips ?? []));
        for (const { fromIp, toIp, protocol, port } of list) {
          if (fromIp === "192.168.18.1" || toIp === "192.168.18.1") continue;
          const expected = verdict(program, { from: { ip: fromIp }, to: { ip: toIp }, protocol, port });
          const ended = (ip: string): boolean => hasEnded(facts, ip);
          if (localIps.has(fromIp) && !ended(fromIp))
            expect(here.policy.allows("egress", fromIp, toIp, protocol, port)).toBe(expected.egress.allowed);
          if (localIps.has(toIp) && !ended(toIp))
            expect(here.policy.allows("ingress", toIp, fromIp, protocol, port)).toBe(
              expected.ingress.allowed,
            );
        }
      }),
      { numRuns: 150 },
    );
  });

  it("lets packets through its rendered rules as the evaluator says", () => {
    const seen = { accept: 0, drop: 0, reject: 0 };
    fc.assert(
      fc.property(clusters, fc.array(flows, { minLength: 40, maxLength: 40 }), (facts, list) => {
        const here = new TestNode();
        for (const step of stepsOf(facts)) step(here.policy);
        here.flush();
        const table = tableOf(here.table);
        const program = compilePolicies(facts);
        const endpoints = [...facts.pods.values()].flatMap((pod) => endpointOf(pod) ?? []);
        const links = new Map(endpoints.flatMap((one) => one.ips.map((ip) => [ip, one.interface])));
        const localIps = new Set(links.keys());
        const ended = (ip: string): boolean => localIps.has(ip) && hasEnded(facts, ip);
        for (const flow of list) {
          const { fromIp, toIp, protocol, port } = flow;
          // What is for the node itself, or the pod itself, is not forwarded.
          if (fromIp === toIp || [fromIp, toIp].includes("192.168.18.1")) continue;
          if (fromIp.includes(":") !== toIp.includes(":")) continue;
          const { egress, ingress } = verdict(program, {
            from: { ip: fromIp },
            to: { ip: toIp },
            protocol,
            port,
          });
          const expected =
            !ended(fromIp) &&
            !ended(toIp) &&
            (!localIps.has(fromIp) || egress.allowed) &&
            (!localIps.has(toIp) || ingress.allowed);
          const found = traceFlow(table, flow, { podLink: (ip) => links.get(ip) });
          seen[found.verdict]++;
          if ((found.verdict === "accept") !== expected)
            throw new TypeError(`${JSON.stringify(flow)}: ${JSON.stringify(found)}, not ${expected}`);
        }
      }),
      { numRuns: 150 },
    );
    expect(Math.min(seen.accept, seen.drop)).toBeGreaterThan(100);
  });

  it("names an end of every connection that a change forbids, and of those of pods that are gone", () => {
    const changes = fc.record({ from: clusters, to: clusters, pause: fc.nat(5) });
    fc.assert(
      fc.property(changes, fc.array(flows, { minLength: 40, maxLength: 40 }), ({ from, to, pause }, list) => {
        const { policy } = new TestNode();
        for (const step of stepsOf(from)) step(policy);
        policy.flush();
        const passes = ({ fromIp, toIp, protocol, port }: (typeof list)[number]): boolean =>
          policy.allows("egress", fromIp, toIp, protocol, port) &&
          policy.allows("ingress", toIp, fromIp, protocol, port);
        const open = list.filter(passes);
        const localBefore = [...policy.localIps()];
        const named = new Set<string>();
        const flush = (): void => {
          const { locals, peers } = policy.flush();
          for (const ip of [...locals, ...peers]) named.add(ip);
        };
        for (const [at, step] of [...removalsFor(from, to), ...stepsOf(to)].entries()) {
          step(policy);
          if (at % (pause + 1) === 0) flush();
        }
        flush();
        // A pod that is new here has no connections.
        const isNew = (ip: string): boolean => policy.isLocal(ip) && !localBefore.includes(ip);
        for (const flow of open.filter(({ fromIp, toIp }) => !isNew(fromIp) && !isNew(toIp)))
          if (!passes(flow)) expect([flow.fromIp, flow.toIp].some((ip) => named.has(ip))).toBe(true);
        const told = new Set(
          [...from.pods.values()].filter(isThere).flatMap((pod) => endpointOf(pod)?.ips ?? []),
        );
        for (const ip of localBefore)
          if (told.has(ip) && !policy.isLocal(ip)) expect(named.has(ip)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("names nobody where an object changes in a way that no policy asks about", () => {
    const meta = { namespace: "x", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };
    const web = (labels: Record<string, string>): Pod => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...meta, name: "web", uid: "web", labels },
      spec: { nodeName: node, containers: [{ name: "c" }] },
      status: { phase: "Running", podIPs: [{ ip: "10.0.0.1" }] },
    });
    const { policy } = new TestNode();
    policy.setPolicy("x/p", {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { ...meta, name: "p", uid: "p" },
      spec: { podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Ingress"] },
    });
    policy.setPod("x/web", web({ app: "web" }));
    policy.setEndpoint("c/eth0", { pod: "x/web", uid: "web", interface: "tl1", ips: ["10.0.0.1"] });
    policy.flush();
    policy.setPod("x/web", web({ app: "web", release: "2" }));
    expect(policy.flush()).toEqual({ locals: new Set(), peers: new Set() });
    policy.setPod("x/web", web({ app: "other" }));
    expect(policy.flush().locals).toEqual(new Set(["10.0.0.1"]));
  });

  it("lets a port's name mean pods of namespaces that are not known yet, where a rule names no peers", () => {
    const meta = { namespace: "late", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };
    const pod = (name: string, ip: string): Pod => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...meta, name, uid: name },
      spec: { nodeName: node, containers: [{ name: "c", ports: [{ name: "web", containerPort: 80 }] }] },
      status: { phase: "Running", podIPs: [{ ip }] },
    });
    const facts: ClusterFacts = {
      ...emptyFacts(),
      pods: new Map([
        ["late/a", pod("a", "10.0.0.1")],
        ["late/b", pod("b", "10.0.0.2")],
      ]),
      policies: new Map([
        [
          "late/p",
          {
            apiVersion: "networking.k8s.io/v1",
            kind: "NetworkPolicy",
            metadata: { ...meta, name: "p", uid: "p" },
            spec: { policyTypes: ["Egress"], egress: [{ ports: [{ port: "web" }] }] },
          },
        ],
      ]),
    };
    const here = new TestNode();
    for (const step of stepsOf(facts)) step(here.policy);
    here.flush();
    const flow = { from: { ip: "10.0.0.1" }, to: { ip: "10.0.0.2" }, protocol: "TCP", port: 80 };
    expect(verdict(compilePolicies(facts), flow).allowed).toBe(true);
    expect(here.policy.allows("egress", "10.0.0.1", "10.0.0.2", "TCP", 80)).toBe(true);
    expect(here.policy.allows("egress", "10.0.0.1", "10.0.0.2", "TCP", 81)).toBe(false);
  });

  it("lets a pod be reached again that its policies did not name for a while", () => {
    const podOf = (name: string, ip: string, labels: Record<string, string>): Pod => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name,
        namespace: "a",
        uid: name,
        resourceVersion: "1",
        creationTimestamp: "2026-01-01T00:00:00Z",
        labels,
      },
      spec: { nodeName: node, containers: [{ name: "c" }] },
      status: { phase: "Running", podIP: ip, podIPs: [{ ip }] },
    });
    const [web, client] = [
      podOf("web", "10.0.0.1", { app: "web" }),
      podOf("client", "10.0.0.2", { app: "client" }),
    ];
    const { policy: here } = new TestNode();
    here.setPolicy("a/web", {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { ...web.metadata, name: "web" },
      spec: {
        podSelector: { matchLabels: { app: "web" } },
        policyTypes: ["Ingress"],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }] }],
      },
    });
    for (const pod of [web, client]) {
      here.setPod(`a/${pod.metadata.name}`, pod);
      here.setEndpoint(`a/${pod.metadata.name}`, endpointOf(pod));
    }
    for (const app of ["web", "other", "web"]) {
      here.setPod("a/web", podOf("web", "10.0.0.1", { app }));
      here.flush();
    }
    expect(here.allows("ingress", "10.0.0.1", "10.0.0.2", "TCP", 80)).toBe(true);
    expect(here.allows("ingress", "10.0.0.1", "10.0.0.3", "TCP", 80)).toBe(false);
  });

  it("puts back the same text when it is switched off and on", () => {
    fc.assert(
      fc.property(clusters, (facts) => {
        const here = new TestNode();
        for (const step of stepsOf(facts)) step(here.policy);
        here.flush();
        const before = here.table.render();
        here.writer.stop();
        expect(here.table.render()).not.toContain("policy-");
        here.writer.start();
        here.policy.replay(here.writer);
        here.writer.finish();
        expect(here.table.render()).toBe(before);
      }),
      { numRuns: 50 },
    );
  });
});

function isThere(pod: Pod): boolean {
  return pod.status?.phase !== "Succeeded" && pod.status?.phase !== "Failed";
}

/** A pod that has ended speaks for nobody: the kernel lets nothing through, the evaluator knows no such pod. */
function hasEnded(facts: ClusterFacts, ip: string): boolean {
  return [...facts.pods.values()].some(
    (pod) =>
      (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") &&
      pod.status.podIPs?.some((one) => one.ip === ip) === true,
  );
}
