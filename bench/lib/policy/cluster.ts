// Clusters for the policy bench: namespaces with pods and policies that know their neighbours, as people write them.

import type { Namespace, Pod } from "../../../src/api/kinds/core.ts";
import type { NetworkPolicy } from "../../../src/api/kinds/network-policy.ts";
import type { KubeObject } from "../../../src/api/object.ts";
import { type ClusterFacts, emptyFacts, type LocalEndpoint } from "../../../src/plan/facts.ts";

export interface BenchCluster {
  readonly facts: ClusterFacts;
  readonly endpoints: Map<string, LocalEndpoint>;
}

function meta(name: string, namespace?: string, labels: Readonly<Record<string, string>> = {}) {
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    uid: `${namespace ?? ""}/${name}`,
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels,
  };
}

export function namespaceObject(name: string, labels: Readonly<Record<string, string>> = {}): Namespace {
  return { apiVersion: "v1", kind: "Namespace", metadata: meta(name, undefined, labels) };
}

export function podObject(
  namespace: string,
  name: string,
  ip: string,
  labels: Readonly<Record<string, string>>,
  node: string,
): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta(name, namespace, labels),
    spec: { nodeName: node, containers: [{ name: "c", ports: [{ name: "http", containerPort: 80 }] }] },
    status: { phase: "Running", podIP: ip, podIPs: [{ ip }] },
  };
}

export function policyObject(namespace: string, name: string, spec: NetworkPolicy["spec"]): NetworkPolicy {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: meta(name, namespace), spec };
}

/** Pod number n of the cluster, 10.64.0.0/10. */
export function ipOf(n: number): string {
  return `10.${64 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;
}

/** The same, where pods have IPv6. */
export function ip6Of(n: number): string {
  return `fd00:1::${(n + 1).toString(16)}`;
}

export function linkOf(n: number): string {
  return `tl${n.toString(16).padStart(13, "0")}`;
}

function emptyCluster() {
  const facts = {
    ...emptyFacts(),
    namespaces: new Map<string, Namespace>(),
    pods: new Map<string, Pod>(),
    policies: new Map<string, NetworkPolicy>(),
  };
  return { facts, endpoints: new Map<string, LocalEndpoint>() };
}

/**
 * A cluster of namespaces with `podsEach` pods and `policiesEach` policies; the first pods of the first `localPods`
 * namespaces are on node n1. Each policy lets one app of its namespace speak to another one; every seventh also a team.
 * `kept`: what is kept of each object.
 */
export function makeCluster(
  namespaces: number,
  podsEach: number,
  policiesEach: number,
  localPods: number,
  kept: <T extends KubeObject>(object: T) => T = (object) => object,
): BenchCluster {
  const { facts, endpoints } = emptyCluster();
  for (let at = 0; at < namespaces; at++) {
    const namespace = `ns-${at}`;
    facts.namespaces.set(namespace, kept(namespaceObject(namespace, { team: `team-${at % 500}` })));
    for (let i = 0; i < podsEach; i++) {
      const number = at * podsEach + i;
      const ip = ipOf(number);
      const local = i === 0 && at < localPods;
      const pod = podObject(
        namespace,
        `pod-${i}`,
        ip,
        { app: `app-${i % 4}`, pod: `${i}` },
        local ? "n1" : "n2",
      );
      const key = `${namespace}/${pod.metadata.name}`;
      facts.pods.set(key, kept(pod));
      if (local)
        endpoints.set(key, { pod: key, uid: pod.metadata.uid, interface: linkOf(number), ips: [ip] });
    }
    for (let i = 0; i < policiesEach; i++) {
      const policy = policyObject(namespace, `policy-${i}`, neighbourSpec(i, at));
      facts.policies.set(`${namespace}/policy-${i}`, kept(policy));
    }
  }
  return { facts, endpoints };
}

function neighbourSpec(i: number, namespace: number): NetworkPolicy["spec"] {
  const team = { namespaceSelector: { matchLabels: { team: `team-${namespace % 500}` } } };
  const neighbour = { podSelector: { matchLabels: { app: `app-${(i + 1) % 4}` } } };
  return {
    podSelector: { matchLabels: { app: `app-${i % 4}` } },
    policyTypes: i % 3 === 2 ? ["Ingress", "Egress"] : ["Ingress"],
    ingress: [
      { from: [neighbour], ports: [{ port: 80 }, { port: 8000 + i }] },
      ...(i % 7 === 6 ? [{ from: [team], ports: [{ port: 9090 }] }] : []),
    ],
    ...(i % 3 === 2 && { egress: [{ to: [{ podSelector: {} }] }] }),
  };
}

/**
 * 250 pods on one node, two a namespace: an even one that serves, the next one its client. `count` policies select the
 * servers in turn; or, with `onOne`, all of them the first server, each with another peer and other ports, and the last
 * one lets its client in.
 */
export function makePathCluster(
  count: number,
  onOne: boolean,
  addressOf: (n: number) => string = ipOf,
): BenchCluster {
  const { facts, endpoints } = emptyCluster();
  for (let number = 0; number < 250; number++) {
    const namespace = `ns-${number >> 1}`;
    facts.namespaces.set(namespace, namespaceObject(namespace));
    const app = number % 2 === 0 ? "server" : "client";
    const pod = podObject(namespace, app, addressOf(number), { app }, "n1");
    facts.pods.set(`${namespace}/${app}`, pod);
    const key = `${namespace}/${app}`;
    endpoints.set(key, {
      pod: key,
      uid: pod.metadata.uid,
      interface: linkOf(number),
      ips: [addressOf(number)],
    });
  }
  for (let i = 0; i < count; i++) {
    const namespace = onOne ? "ns-0" : `ns-${i % 125}`;
    const last = i === count - 1;
    const peer = onOne && !last ? { peer: `${i}` } : { app: "client" };
    if (onOne && !last)
      facts.pods.set(`ns-0/peer-${i}`, podObject("ns-0", `peer-${i}`, addressOf(1000 + i), peer, "n2"));
    const ports =
      onOne && !last
        ? [{ port: 8000 + i }]
        : [{ port: 80 }, { protocol: "UDP" as const, port: 81 }, { port: 8000 + i }];
    const policy = policyObject(namespace, `policy-${i}`, {
      podSelector: { matchLabels: { app: "server" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: peer } }], ports }],
    });
    facts.policies.set(`${namespace}/${policy.metadata.name}`, policy);
  }
  return { facts, endpoints };
}
