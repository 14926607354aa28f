// What helps is tried: with the change made, the policies allow the flow.
import { describe, expect, it } from "vitest";
import type { Namespace, Pod } from "../../api/kinds/core.ts";
import type { NetworkPolicy } from "../../api/kinds/network-policy.ts";
import { compilePolicies, compilePolicy, verdict } from "../../plan/policy/index.ts";
import { helpfulChange } from "./helping.ts";

const meta = { resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };

function namespace(name: string, labels: Record<string, string>): Namespace {
  return { apiVersion: "v1", kind: "Namespace", metadata: { ...meta, name, uid: name, labels } };
}

function pod(key: string, ip: string, labels: Record<string, string>, port?: number): Pod {
  const [space = "", name = ""] = key.split("/");
  const ports = port === undefined ? [] : [{ name: "web", containerPort: port }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...meta, namespace: space, name, uid: key, labels },
    spec: { nodeName: "n1", containers: [{ name: "c", ports }] },
    status: { phase: "Running", podIPs: [{ ip }] },
  };
}

function policy(name: string, spec: NetworkPolicy["spec"]): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { ...meta, namespace: "a", name, uid: name },
    spec,
  };
}

const web = pod("a/web", "10.0.0.1", { app: "web" }, 80);

/** What would help `peer`, or an address, to reach web on a port. */
function helps(
  policies: readonly NetworkPolicy[],
  peer: Pod | string,
  port = 80,
  labels = { team: "b" },
): string {
  const known = typeof peer === "string" ? undefined : peer;
  const space = known?.metadata.namespace ?? "";
  return helpfulChange({
    direction: "ingress",
    self: { key: "a/web", pod: web },
    peer: {
      ip: typeof peer === "string" ? peer : "10.0.0.2",
      ...(known && {
        pod: {
          key: `${space}/${known.metadata.name}`,
          pod: known,
          namespaceLabels: space === "a" ? {} : labels,
        },
      }),
    },
    protocol: "TCP",
    port,
    policies: policies.map(compilePolicy),
  });
}

/** Whether the policies let `peer` in. */
function allowed(policies: readonly NetworkPolicy[], peer: Pod, port = 80): boolean {
  const program = compilePolicies({
    pods: new Map([
      ["a/web", web],
      [`${peer.metadata.namespace}/${peer.metadata.name}`, peer],
    ]),
    policies: new Map(policies.map((one) => [`a/${one.metadata.name}`, one])),
    namespaces: new Map([
      ["a", namespace("a", {})],
      ["b", namespace("b", { team: "b" })],
    ]),
    nodes: new Map(),
  });
  const from = { pod: `${peer.metadata.namespace}/${peer.metadata.name}` };
  return verdict(program, { from, to: { pod: "a/web" }, protocol: "TCP", port }).allowed;
}

describe("what would let a refused packet in", () => {
  const clients = policy("clients", {
    podSelector: { matchLabels: { app: "web" } },
    ingress: [
      {
        from: [
          { podSelector: { matchLabels: { role: "client", tier: "front" } } },
          { podSelector: { matchLabels: { role: "client" } } },
        ],
        ports: [{ port: "web" as never }],
      },
    ],
  });

  it("is the label that the nearest peer of a rule asks for, and with it the flow passes", () => {
    const other = pod("a/other", "10.0.0.2", { app: "other" });
    expect(allowed([clients], other)).toBe(false);
    expect(helps([clients], other)).toBe(
      "label role=client on pod a/other (a/clients, spec.ingress[0].from[1])",
    );
    expect(allowed([clients], pod("a/other", "10.0.0.2", { app: "other", role: "client" }))).toBe(true);
  });

  it("names the peer by its place in the object, also behind very many ranges and one that cannot be read", () => {
    const ranges = Array.from({ length: 70 }, (_, at) => ({ ipBlock: { cidr: `192.0.2.${at}/32` } }));
    const wrong = { podSelector: { matchLabels: "role" } } as never;
    const clients = (before: object[]) =>
      policy("clients", {
        podSelector: {},
        ingress: [{ from: [...before, { podSelector: { matchLabels: { role: "client" } } }] }],
      });
    const other = pod("a/other", "10.0.0.2", {});
    const place = (before: object[]) => /\(.*\)/.exec(helps([clients(before)], other))?.[0];
    expect(place(ranges)).toBe("(a/clients, spec.ingress[0].from[70])");
    expect(place([wrong])).toBe("(a/clients, spec.ingress[0].from[1])");
  });

  it("is a port where the peer is let in on others", () => {
    const client = pod("a/other", "10.0.0.2", { role: "client" });
    expect(helps([clients], client, 81)).toBe("port 81/TCP in a/clients, spec.ingress[0].ports");
  });

  it("is a new rule where none comes near: another namespace, an address, no rule at all", () => {
    const far = pod("b/other", "10.0.0.2", { role: "none" });
    expect(helps([clients], far)).toBe(
      "a rule in a/clients, spec.ingress, that allows pod b/other on 80/TCP",
    );
    expect(helps([clients], "192.0.2.1")).toBe(
      "a rule in a/clients, spec.ingress, that allows an ipBlock with 192.0.2.1/32 on 80/TCP",
    );
    const none = policy("none", { podSelector: {} });
    expect(helps([none], pod("a/x", "10.0.0.2", {}))).toBe(
      "a rule in a/none, spec.ingress, that allows pod a/x on 80/TCP",
    );
  });

  it("is a label of the namespace, but never its name", () => {
    const teams = (matchLabels: Record<string, string>) =>
      policy("teams", { podSelector: {}, ingress: [{ from: [{ namespaceSelector: { matchLabels } }] }] });
    const far = pod("b/other", "10.0.0.2", {});
    expect(helps([teams({ team: "c" })], far)).toBe(
      "label team=c on namespace b (a/teams, spec.ingress[0].from[0])",
    );
    expect(helps([teams({ "kubernetes.io/metadata.name": "c" })], far)).toContain("a rule in a/teams");
  });

  it("is the absence of a label where that is what a rule asks for", () => {
    const not = policy("not", {
      podSelector: {},
      ingress: [
        { from: [{ podSelector: { matchExpressions: [{ key: "role", operator: "DoesNotExist" }] } }] },
      ],
    });
    expect(helps([not], pod("a/x", "10.0.0.2", { role: "x" }))).toBe(
      "no label role=x on pod a/x (a/not, spec.ingress[0].from[0])",
    );
  });
});
