import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { NodeConfig } from "../../api/kinds/node-config.ts";
import { subnetFigures } from "./capacity.ts";
import { subnet } from "./facts.suite.ts";

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });
const pod = (name: string, podIP?: string, more: Partial<Pod["metadata"]> = {}): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { ...meta(name), namespace: "a", ...more },
  spec: { nodeName: "n1", containers: [{ name: "c" }] },
  status: { phase: podIP === undefined ? "Pending" : "Running", ...(podIP !== undefined && { podIP }) },
});
const config: NodeConfig = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "NodeConfig",
  metadata: meta("n1"),
  status: { vSwitchIDs: ["vsw-1", "vsw-2"] },
};
const figures = (pods: readonly Pod[], foreign: readonly string[] = []) =>
  subnetFigures(
    {
      pods: new Map(pods.map((one) => [one.metadata.name, one])),
      nodeConfigs: new Map([["n1", config]]),
      podEnis: new Map(),
    },
    subnet("vsw-1", "h", "10.2.1.0/28"),
    foreign,
  );

describe("a subnet's figures", () => {
  it("count what pods have and what others have, once", () => {
    expect(
      figures([pod("a", "10.2.1.1"), pod("b", "10.2.1.2"), pod("c", "10.9.0.1")], ["10.2.1.3", "10.2.1.1"]),
    ).toEqual({
      totalAddresses: 12,
      availableAddresses: 9,
      servedPods: 2,
      shortBy: 0,
    });
  });

  it("count who waits, but for who is being deleted or has a network of its own", () => {
    const leaving = pod("d", undefined, { deletionTimestamp: "2026-11-29T00:00:00Z" });
    const own = pod("e", undefined, { annotations: { "k8s.aliyun.com/pod-eni": "true" } });
    expect(figures([pod("a", "10.2.1.1"), pod("b"), leaving, own])).toMatchObject({
      servedPods: 2,
      shortBy: 0,
    });
  });

  it("say by how much there is less than twice what is served", () => {
    const many = Array.from({ length: 5 }, (_, n) => pod(`p${n}`, `10.2.1.${n + 1}`));
    expect(figures(many)).toMatchObject({ availableAddresses: 7, servedPods: 5, shortBy: 3 });
    expect(figures(many.slice(0, 4))).toMatchObject({ availableAddresses: 8, servedPods: 4, shortBy: 0 });
  });
});
