import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatProblem } from "../../base/problem.ts";
import { type Pod, podKind } from "../kinds/core.ts";
import { allKinds, kindNamed } from "../kinds/index.ts";
import { ipPoolKind } from "../kinds/ip-pool.ts";
import { type NetworkPolicy, networkPolicyKind } from "../kinds/network-policy.ts";
import { sourceNatKind } from "../kinds/source-nat.ts";
import type { Draft } from "../object.ts";
import { validate } from "./validate.ts";

const policy = (spec: object) => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "p", namespace: "a" },
  spec,
});
const pool = (spec: object) => ({
  apiVersion: "crd.projectcalico.org/v1",
  kind: "IPPool",
  metadata: { name: "p" },
  spec,
});
const texts = (
  kind: typeof podKind | typeof networkPolicyKind | typeof ipPoolKind | typeof sourceNatKind,
  object: unknown,
) => validate(kind, object).errors.map(formatProblem);
const port = (one: object) => texts(networkPolicyKind, policy({ ingress: [{ ports: [one] }] })).join("; ");
const peer = (one: object) => texts(networkPolicyKind, policy({ egress: [{ to: [one] }] })).join("; ");

describe("NetworkPolicy, as the API checks it", () => {
  it.each([
    [{ port: 0 }, /must be between 1 and 65535, inclusive/],
    [{ port: 65_536 }, /must be between 1 and 65535, inclusive/],
    [{ port: 80, endPort: 79 }, /`endPort` must be greater than or equal to `port`/],
    [{ port: "web", endPort: 90 }, /`endPort` may not be specified when `port` is non-numeric/],
    [{ endPort: 90 }, /`endPort` may not be specified when `port` is not specified/],
    [{ port: "a-name-that-is-long" }, /1 to 15 characters/],
    [{ port: "8080" }, /at least one letter; a number is written without quotes/],
    [{ port: "a--b" }, /must not contain '--'/],
    [{ port: "-a" }, /must not begin or end with '-'/],
    [{ port: "Web" }, /lower-case/],
    [{ protocol: "ICMP" }, /must be one of TCP, UDP, SCTP/],
    [{ port: 80, endPort: 80 }, /^$/],
    [{ port: "web" }, /^$/],
    [{}, /^$/],
  ])("port %j", (one, expected) => {
    expect(port(one)).toMatch(expected);
  });

  it.each([
    [{}, /must specify a peer/],
    [{ ipBlock: { cidr: "10.0.0.0/8" }, podSelector: {} }, /may not specify both ipBlock and another peer/],
    [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.0.0.0/8"] } }, /must be a strict subset of `cidr`/],
    [{ ipBlock: { cidr: "10.0.0.0/8", except: ["11.0.0.0/16"] } }, /must be a strict subset of `cidr`/],
    [{ ipBlock: { cidr: "10.0.0.0/8", except: ["::/16"] } }, /must be a strict subset of `cidr`/],
    [{ ipBlock: { cidr: "10.0.0.1/8" } }, /bits behind the prefix must be zero/],
    [{ ipBlock: { cidr: "10.0.0.0" } }, /the prefix length is missing/],
    [{ ipBlock: {} }, /`cidr` is missing/],
    [{ podSelector: { matchExpressions: [{ key: "a", operator: "In" }] } }, /must have a value for In/],
    [
      { podSelector: { matchExpressions: [{ key: "a", operator: "Exists", values: ["x"] }] } },
      /must be empty for Exists/,
    ],
    [{ podSelector: { matchLabels: { "-a": "b" } } }, /the key '-a' must have/],
    [{ podSelector: { matchLabels: { a: "b c" } } }, /the value 'b c' must consist/],
    [{ namespaceSelector: {}, podSelector: {} }, /^$/],
    [{ ipBlock: { cidr: "2001:db8::/32", except: ["2001:db8:1::/48"] } }, /^$/],
  ])("peer %j", (one, expected) => {
    expect(peer(one)).toMatch(expected);
  });

  it("more than two types", () => {
    const policyTypes = ["Ingress", "Egress", "Ingress"];
    expect(texts(networkPolicyKind, policy({ policyTypes }))[0]).toMatch(
      /may not specify more than two policyTypes/,
    );
  });
});

describe("IPPool by itself", () => {
  it.each([
    [{ cidr: "10.0.0.0/16" }, /^$/],
    [{ cidr: "10.0.0.0/16", blockSize: 19 }, /from 20 to 32/],
    [{ cidr: "10.0.0.0/16", blockSize: 33 }, /from 20 to 32/],
    [{ cidr: "10.0.0.0/28" }, /a block of \/26 is larger than the whole pool/],
    [{ cidr: "fd00::/64", blockSize: 26 }, /from 116 to 128 for an IPv6 pool/],
    [{ cidr: "fd00::/64", ipipMode: "Always" }, /IPv4 only/],
    [{ cidr: "10.0.0.0/16", ipipMode: "Always", vxlanMode: "CrossSubnet" }, /only one of/],
    [{ cidr: "10.0.0.0/16", ipipMode: "Always", vxlanMode: "Never" }, /^$/],
    [{ cidr: "10.0.0.0/16", nodeSelector: "zone = 'a'" }, /is not a selector/],
    [{ cidr: "10.0.0.0/16", natOutgoing: "yes" }, /must be true or false; it is the text 'yes'/],
    [{}, /`cidr` is missing/],
  ])("%j", (spec, expected) => {
    expect(texts(ipPoolKind, pool(spec)).join("; ")).toMatch(expected);
  });
});

it("source NAT: an action that does not exist", () => {
  const object = {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "SourceNAT",
    metadata: { name: "s" },
    spec: {
      rules: [{ action: { type: "Masquerad" } }, { action: { type: "Address", addresses: ["10.0.0.300"] } }],
    },
  };
  const [first, second] = texts(sourceNatKind, object);
  expect(first).toMatch(/action/);
  expect(second).toMatch(/'10.0.0.300' is not an address/);
});

describe("what schemas and types both know", () => {
  it("a pod with every field that its type has draws no warning", () => {
    const requirement = { key: "a", operator: "In", values: ["b"] } as const;
    const field = { key: "metadata.name", operator: "In", values: ["b"] } as const;
    const term = { matchExpressions: [requirement], matchFields: [field] };
    const everything: Required<Draft<Pod>> = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "p",
        namespace: "a",
        labels: { a: "b" },
        annotations: { a: "b" },
        finalizers: ["a/b"],
      },
      spec: {
        containers: [
          { name: "c", image: "i", ports: [{ name: "w", containerPort: 1, protocol: "SCTP", hostPort: 1 }] },
        ],
        initContainers: [{ name: "d" }],
        nodeName: "n",
        nodeSelector: { a: "b" },
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] },
            preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: term }],
          },
        },
        tolerations: [{ key: "a", operator: "Equal", value: "b", effect: "NoExecute" }],
        hostNetwork: true,
        serviceAccountName: "s",
      },
      status: {
        phase: "Running",
        podIP: "10.0.0.1",
        podIPs: [{ ip: "10.0.0.1" }],
        hostIP: "10.0.0.2",
        conditions: [
          {
            type: "Ready",
            status: "True",
            reason: "r",
            message: "m",
            lastTransitionTime: "2026-01-31T12:00:00Z",
          },
        ],
        startTime: "2026-01-31T12:00:00.5+01:00",
        reason: "r",
        message: "m",
      },
    };
    expect(validate(podKind, everything)).toEqual({ errors: [], warnings: [] });
  });

  it("a policy with every field that its type has draws no warning", () => {
    const selector = {
      matchLabels: { a: "b" },
      matchExpressions: [{ key: "a", operator: "Exists" as const }],
    };
    const rule = { ports: [{ protocol: "TCP" as const, port: 1, endPort: 2 }] };
    const peers = [
      { podSelector: selector, namespaceSelector: selector },
      { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } },
    ];
    const spec: Required<NetworkPolicy["spec"]> = {
      podSelector: selector,
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ ...rule, from: peers }],
      egress: [{ ...rule, to: peers }],
    };
    expect(validate(networkPolicyKind, policy(spec))).toEqual({ errors: [], warnings: [] });
  });
});

it("answers for whatever stands where an object should", () => {
  const kind = fc.constantFrom(...allKinds);
  fc.assert(
    fc.property(kind, fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 3 }), (one, spec, metadata) => {
      const { errors } = validate(one, { apiVersion: one.apiVersion, kind: one.kind, metadata, spec });
      for (const problem of errors) expect(problem.message).not.toBe("");
    }),
  );
});

it("knows kinds by the words that users type", () => {
  expect(["pods", "po", "Pod", "netpol", "ippools", "sts"].map((word) => kindNamed(word)?.kind)).toEqual([
    "Pod",
    "Pod",
    "Pod",
    "NetworkPolicy",
    "IPPool",
    "StatefulSet",
  ]);
  const words = allKinds.flatMap((kind) => [kind.plural, kind.kind.toLowerCase(), ...kind.shortNames]);
  expect(words.length - new Set(words).size).toBe(0);
});
