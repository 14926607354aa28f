// Random small clusters and policies, with every field and its edge values, for differential tests. Test only.
import fc from "fast-check";
import { deepFreeze } from "../../api/equal.ts";
import type { LabelSelector, Namespace, Node, Pod } from "../../api/kinds/core.ts";
import type { NetworkPolicy } from "../../api/kinds/network-policy.ts";
import { type ClusterFacts, emptyFacts } from "../facts.ts";
import type { NaiveFlow } from "./naive.suite.ts";

const keys = ["app", "tier", "kubernetes.io/metadata.name"];
const values = ["a", "b", "x", ""];

const labels = fc.dictionary(fc.constantFrom("app", "tier"), fc.constantFrom(...values), { maxKeys: 2 });

const requirement = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      key: fc.constantFrom(...keys, "absent"),
      operator: fc.constantFrom("In" as const, "NotIn" as const),
      values: fc.uniqueArray(fc.constantFrom(...values, "y", "z"), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      key: fc.constantFrom(...keys, "absent"),
      operator: fc.constantFrom("Exists" as const, "DoesNotExist" as const),
    }),
  },
  // What validation would have refused.
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { key: "app", operator: "In" as const, values: [] },
      { key: "app", operator: "NotIn" as const },
      { key: "app", operator: "Gt" as "In", values: ["1"] },
    ),
  },
);

export const selectors: fc.Arbitrary<LabelSelector> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  {
    weight: 3,
    arbitrary: fc.record({
      matchLabels: fc.dictionary(fc.constantFrom(...keys), fc.constantFrom(...values), { maxKeys: 1 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record(
      {
        matchLabels: fc.dictionary(fc.constantFrom("app"), fc.constantFrom(...values), { maxKeys: 1 }),
        matchExpressions: fc.array(requirement, { maxLength: 2 }),
      },
      { requiredKeys: [] },
    ),
  },
);

const blocks = fc.constantFrom(
  { cidr: "0.0.0.0/0" },
  { cidr: "10.0.0.0/8", except: ["10.1.0.0/16", "10.1.0.0/24"] },
  { cidr: "10.0.0.0/24", except: ["10.0.0.0/30"] },
  { cidr: "10.0.0.2/32" },
  { cidr: "172.17.0.0/16", except: ["172.17.1.0/24"] },
  { cidr: "172.17.9.9/16" },
  { cidr: "fd00::/64", except: ["fd00::/126"] },
  { cidr: "::/0", except: ["fd00::2/128"] },
  // Never valid: these match nothing.
  { cidr: "10.0.0.0/33" },
  { cidr: "10.0.0.0" },
  { cidr: "10.0.0.0/8", except: ["11.0.0.0/8"] },
  { cidr: "10.0.0.0/8", except: ["10.0.0.0/8"] },
  { cidr: "0.0.0.0/0", except: ["fd00::/64"] },
  { cidr: "0.0.0.0/0", except: ["nonsense"] },
);

const peers = fc.oneof(
  { weight: 3, arbitrary: fc.record({ podSelector: selectors }) },
  { weight: 3, arbitrary: fc.record({ namespaceSelector: selectors }) },
  { weight: 3, arbitrary: fc.record({ podSelector: selectors, namespaceSelector: selectors }) },
  { weight: 3, arbitrary: fc.record({ ipBlock: blocks }) },
  { weight: 1, arbitrary: fc.constantFrom({}, { ipBlock: { cidr: "0.0.0.0/0" }, podSelector: {} }) },
);

const protocol = fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const);

const ports = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      { protocol, port: fc.constantFrom<number | string>(80, 81, 65_535, 1, "web", "dns") },
      { requiredKeys: ["port"] },
    ),
  },
  { weight: 2, arbitrary: fc.record({ protocol }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      { port: 80, endPort: 90 },
      { port: 1, endPort: 65_535 },
      { protocol: "UDP" as const, port: 81, endPort: 81 },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<{ port?: number | string; endPort?: number; protocol?: "TCP" }>(
      { port: 0 },
      { port: 70_000 },
      { port: 90, endPort: 80 },
      { port: "web", endPort: 90 },
      { endPort: 90 },
      { protocol: "ICMP" as "TCP", port: 80 },
    ),
  },
);

function rules(side: "from" | "to"): fc.Arbitrary<Record<string, unknown>[]> {
  return fc.array(
    fc.record(
      { [side]: fc.array(peers, { maxLength: 3 }), ports: fc.array(ports, { maxLength: 3 }) },
      { requiredKeys: [] },
    ),
    { maxLength: 3 },
  );
}

const namespaceNames = ["x", "y", "z"];

export const policies: fc.Arbitrary<NetworkPolicy> = fc
  .record({
    name: fc.nat(5),
    namespace: fc.constantFrom(...namespaceNames),
    spec: fc.record(
      {
        podSelector: selectors,
        policyTypes: fc.constantFrom(
          ["Ingress"],
          ["Egress"],
          ["Ingress", "Egress"],
          [],
          // What validation would have refused.
          ["Egress", "ingress"],
        ),
        ingress: rules("from"),
        egress: rules("to"),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ name, namespace, spec }) => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy" as const,
    metadata: meta(`p${name}`, namespace),
    spec: spec as NetworkPolicy["spec"],
  }));

export function meta(name: string, namespace?: string, labelled: Readonly<Record<string, string>> = {}) {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    uid: `uid-${namespace ?? ""}-${name}`,
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels: labelled,
  };
}

const containerPorts = fc.array(
  fc.record(
    { name: fc.constantFrom("web", "dns"), containerPort: fc.constantFrom(80, 81, 8080), protocol },
    { requiredKeys: ["containerPort"] },
  ),
  { maxLength: 3 },
);

/** `index` gives the addresses: no two pods of a cluster share one. */
export function pods(index: number): fc.Arbitrary<Pod> {
  return fc
    .record({
      namespace: fc.constantFrom(...namespaceNames),
      labelled: labels,
      node: fc.constantFrom("n1", "n2"),
      ports: containerPorts,
      phase: fc.constantFrom(
        "Running" as const,
        "Running" as const,
        "Running" as const,
        "Pending" as const,
        "Succeeded" as const,
        "Failed" as const,
      ),
      hostNetwork: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      dual: fc.boolean(),
    })
    .map(({ namespace, labelled, node, ports: declared, phase, hostNetwork, dual }) => {
      const ip = hostNetwork ? nodeIp(node) : `10.0.0.${index}`;
      return {
        apiVersion: "v1",
        kind: "Pod" as const,
        metadata: meta(`pod${index}`, namespace, labelled),
        spec: {
          nodeName: node,
          containers: [{ name: "c", ports: declared }],
          ...(hostNetwork ? { hostNetwork } : {}),
        },
        status: {
          phase,
          podIP: ip,
          podIPs: [{ ip }, ...(dual && !hostNetwork ? [{ ip: `fd00::${index.toString(16)}` }] : [])],
          hostIP: nodeIp(node),
        },
      };
    });
}

function nodeIp(name: string): string {
  return `192.168.18.${name === "n1" ? 1 : 2}`;
}

export function nodeObject(name: string): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: meta(name),
    status: { addresses: [{ type: "InternalIP", address: nodeIp(name) }] },
  };
}

const namespaces: fc.Arbitrary<Namespace[]> = fc
  // "z" may be missing: its pods can then be in no namespace that labels select.
  .tuple(labels, labels, fc.option(labels))
  .map((sets) =>
    sets.flatMap((set, at) => {
      const name = namespaceNames[at] ?? "";
      return set === null
        ? []
        : [{ apiVersion: "v1", kind: "Namespace" as const, metadata: meta(name, undefined, set) }];
    }),
  );

/** Policies, of which some say in another namespace what one of them says: by one object, as objects of a store do. */
const manyPolicies = fc
  .tuple(
    fc.array(policies, { maxLength: 5 }),
    fc.array(fc.tuple(fc.nat(4), fc.constantFrom(...namespaceNames)), { maxLength: 2 }),
  )
  .map(([written, copies]) => [
    ...written.map((one) => ({ ...one, spec: deepFreeze(one.spec) })),
    ...copies.flatMap(([at, namespace], number) => {
      const original = written[at];
      return original === undefined
        ? []
        : [{ ...original, metadata: meta(`copy${number}`, namespace), spec: deepFreeze(original.spec) }];
    }),
  ]);

export const clusters: fc.Arbitrary<ClusterFacts> = fc
  .record({
    namespaces,
    pods: fc
      .integer({ min: 2, max: 8 })
      .chain((count) => fc.tuple(...Array.from({ length: count }, (_, at) => pods(at + 1)))),
    policies: manyPolicies,
  })
  .map((parts) => ({
    ...emptyFacts(),
    nodes: new Map(["n1", "n2"].map((name) => [name, nodeObject(name)])),
    namespaces: new Map(parts.namespaces.map((one) => [one.metadata.name, one])),
    pods: new Map(parts.pods.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one])),
    policies: new Map(parts.policies.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one])),
  }));

const ips = [
  ...Array.from({ length: 8 }, (_, at) => `10.0.0.${at + 1}`),
  ...Array.from({ length: 8 }, (_, at) => `fd00::${(at + 1).toString(16)}`),
  "192.168.18.1",
  "192.168.18.2",
  "172.17.0.9",
  "172.17.1.9",
  "10.1.0.9",
  "fd00::5000",
];

export const flows: fc.Arbitrary<NaiveFlow> = fc.record({
  fromIp: fc.constantFrom(...ips),
  toIp: fc.constantFrom(...ips),
  protocol: fc.constantFrom("TCP", "UDP", "SCTP", "ICMP"),
  port: fc.constantFrom(1, 80, 81, 85, 8080, 65_535),
});
