import { describe, expect, it } from "vitest";
import type { Pod } from "../../../api/kinds/core.ts";
import type { NodeConfig } from "../../../api/kinds/node-config.ts";
import type { Subnet } from "../../../api/kinds/subnet.ts";
import { turnOf, Yielding } from "./pool-turns.ts";

const meta = (name: string, second: number) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: `2026-01-01T00:00:0${second}Z`,
});
const pod = (name: string, node: string, second: number, waits = true): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { ...meta(name, second), namespace: "x" },
  spec: { nodeName: node, containers: [{ name: "c" }] },
  status: {
    phase: "Pending",
    conditions: waits
      ? [{ type: "trunkline.dev/NetworkReady", status: "False", reason: "VSwitchExhausted" }]
      : [],
  },
});
const config = (name: string, id: string): NodeConfig => ({
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "NodeConfig",
  metadata: meta(name, 0),
  status: { vSwitchIDs: [id] },
});
function turn(pods: readonly Pod[], free: number): number | undefined {
  const subnet: Subnet = {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "Subnet",
    metadata: meta("vsw-1", 0),
    spec: { zone: "h", cidr: "10.2.1.0/24" },
    status: { availableAddresses: free },
  };
  const facts = {
    pods: new Map(pods.map((one) => [`x/${one.metadata.name}`, one])),
    nodeConfigs: new Map([
      ["a", config("a", "vsw-1")],
      ["b", config("b", "vsw-1")],
      ["c", config("c", "vsw-2")],
    ]),
    subnets: new Map([["vsw-1", subnet]]),
  };
  return turnOf(facts, "a", ["vsw-1"]);
}

describe("whose turn it is at an exhausted vSwitch", () => {
  it("is nobody's where only pods of this node wait for it", () => {
    const elsewhere = [pod("2", "b", 0, false), pod("3", "c", 0)];
    expect(turn([pod("1", "a", 1), ...elsewhere], 1)).toBeUndefined();
  });

  it("is the oldest's, as many as there are addresses left", () => {
    const pods = [pod("1", "a", 1), pod("2", "b", 2), pod("3", "a", 3), pod("4", "b", 4), pod("5", "a", 5)];
    expect([0, 1, 2, 3, 4, 5].map((free) => turn(pods, free))).toEqual([1, 1, 1, 2, 2, 3]);
    expect(turn([pod("1", "a", 2), pod("2", "b", 1)], 1)).toBe(0);
  });

  it("goes by names where pods are of the same second, so that two nodes see it alike", () => {
    expect(turn([pod("1", "a", 1), pod("2", "b", 1)], 1)).toBe(1);
    expect(turn([pod("2", "a", 1), pod("1", "b", 1)], 1)).toBe(0);
  });

  it("passes where those who are first do not take it", () => {
    let now = 0;
    const yielding = new Yielding(() => now);
    expect(yielding.share(5, undefined)).toBe(5);
    expect(yielding.share(5, 2)).toBe(2);
    expect(yielding.share(5, 0)).toBe(0);
    now = 1999;
    expect(yielding.share(5, 0)).toBe(0);
    now = 2000;
    expect(yielding.share(5, 0)).toBe(5);
    expect(yielding.share(5, 0)).toBe(0);
  });
});
