import { describe, expect, it } from "vitest";
import type { Node } from "../api/kinds/core.ts";
import type { Subnet } from "../api/kinds/subnet.ts";
import { peer } from "../plan/routing/bird/facts.suite.ts";
import { block } from "../plan/snat/facts.suite.ts";
import { isIdleChange } from "./idle-change.ts";

const ready = { type: "Ready", status: "True", reason: "KubeletReady", message: "" } as const;
const node = (version: string, parts: { labels?: Record<string, string>; status?: object }): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: {
    name: "a",
    uid: "u",
    resourceVersion: version,
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels: parts.labels ?? {},
  },
  status: {
    addresses: [{ type: "InternalIP", address: "10.0.0.1" }],
    ...parts.status,
  } as Node["status"] & {},
});
const at = (time: string, more: object = {}) => ({
  conditions: [{ ...ready, lastHeartbeatTime: time }],
  ...more,
});
const modified = (previous: Node, object: Node) => ({ type: "modified", previous, object }) as const;

const subnet = (
  availableAddresses: number,
  exhausted: "True" | "False",
  message = "",
  cidr = "10.2.1.0/24",
): Subnet => ({
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "Subnet",
  metadata: { name: "vsw-1", uid: "u", resourceVersion: `${availableAddresses}`, creationTimestamp: "" },
  spec: { zone: "h", cidr },
  status: {
    totalAddresses: 252,
    availableAddresses,
    servedPods: 0,
    shortBy: 0,
    conditions: [{ type: "Exhausted", status: exhausted, reason: "Left", message }],
  },
});

describe("isIdleChange", () => {
  const before = node("1", { status: at("1") });

  it("is that the kubelet lives, and what images it has", () => {
    expect(isIdleChange("nodes", modified(before, node("2", { status: at("2") })))).toBe(true);
    expect(isIdleChange("nodes", modified(before, node("2", { status: at("2", { images: [{}] }) })))).toBe(
      true,
    );
  });

  it("is how a BGPPeer's sessions stand, and nothing that it asks for", () => {
    const [, asked] = peer("p", { peerIP: "10.0.0.9", asNumber: 1 });
    const told = { ...asked, status: { sessions: [{ node: "a" }] } };
    const [, other] = peer("p", { peerIP: "10.0.0.9", asNumber: 2 });
    expect(isIdleChange("bgppeers", { type: "modified", previous: asked, object: told })).toBe(true);
    expect(isIdleChange("bgppeers", { type: "modified", previous: told, object: other })).toBe(false);
  });

  it("is a version in which nothing differs of what is kept, of any kind", () => {
    const [older, newer] = [node("1", { status: at("1") }), node("2", { status: at("1") })];
    expect(isIdleChange("pods", modified(older, newer))).toBe(true);
  });

  it("is how full a block is, and not who has addresses of it", () => {
    const one = block("10.1.0.0/26");
    const fuller = { ...one, status: { used: 3, free: 61 } };
    const lent = { ...one, spec: { ...one.spec, loans: [{ address: "10.1.0.5", node: "b" }] } };
    expect(isIdleChange("addressblocks", { type: "modified", previous: one, object: fuller })).toBe(true);
    expect(isIdleChange("addressblocks", { type: "modified", previous: one, object: lent })).toBe(false);
  });

  it("is no change of labels, addresses or conditions, no new or gone node, and no other kind's", () => {
    const changed = [
      node("2", { labels: { x: "y" }, status: at("2") }),
      node("2", { status: at("2", { addresses: [{ type: "InternalIP", address: "10.0.0.2" }] }) }),
      node("2", { status: { conditions: [{ ...ready, status: "False" }] } }),
      node("2", { status: {} }),
    ];
    for (const object of changed) expect(isIdleChange("nodes", modified(before, object))).toBe(false);
    expect(isIdleChange("nodes", { type: "added", object: before })).toBe(false);
    expect(isIdleChange("nodes", { type: "deleted", object: before })).toBe(false);
    expect(isIdleChange("pods", modified(before, node("2", { status: at("2") })))).toBe(false);
  });

  it("is a Subnet's that has less left, and not one that has more, is exhausted or another one", () => {
    const before = subnet(9, "False");
    const change = (object: Subnet) =>
      isIdleChange("subnets", { type: "modified", previous: before, object });
    expect(change(subnet(8, "False", "8 are left"))).toBe(true);
    expect(change(subnet(10, "False"))).toBe(false);
    expect(change(subnet(0, "True"))).toBe(false);
    expect(change(subnet(8, "False", "", "10.2.0.0/16"))).toBe(false);
  });
});
