import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import { capabilitiesOf, portsOf } from "./pod-spec.ts";

function pod(annotations: Record<string, string>, ...ports: object[]): Pod {
  const metadata = {
    name: "a",
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
    annotations,
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: { containers: [{ name: "c", ports: ports as never }] },
  };
}

describe("what the lab makes of a pod", () => {
  it("listens on each port and protocol once, by default TCP", () => {
    const spec = pod(
      {},
      { containerPort: 80 },
      { containerPort: 80, protocol: "TCP" },
      { containerPort: 80, protocol: "UDP" },
    ).spec;
    expect(portsOf(spec)).toEqual([
      { port: 80, protocol: "TCP" },
      { port: 80, protocol: "UDP" },
    ]);
  });

  it("counts a sidecar among the containers, and no other init container", () => {
    const own = pod({}, { containerPort: 80 });
    const initContainers = [
      { name: "s", restartPolicy: "Always", ports: [{ containerPort: 15_090, hostPort: 90 }] },
      { name: "i", ports: [{ containerPort: 9 }] },
    ];
    const both = { ...own, spec: { ...own.spec, initContainers } };
    expect(portsOf(both.spec).map(({ port }) => port)).toEqual([80, 15_090]);
    expect(capabilitiesOf(both)).toEqual({
      portMappings: [{ hostPort: 90, containerPort: 15_090, protocol: "tcp" }],
    });
  });

  it("tells plugins the one address that a host port is bound to", () => {
    const bound = pod({}, { containerPort: 80, hostPort: 8080, hostIP: "192.168.18.11" });
    expect(capabilitiesOf(bound)).toEqual({
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp", hostIP: "192.168.18.11" }],
    });
  });

  it("asks plugins for host ports, and for nothing where there is none", () => {
    expect(capabilitiesOf(pod({}, { containerPort: 80 }))).toEqual({});
    expect(capabilitiesOf(pod({}, { containerPort: 80, hostPort: 8080, protocol: "UDP" }))).toEqual({
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "udp" }],
    });
    expect(capabilitiesOf(pod({ "kubernetes.io/egress-bandwidth": "10M" }))).toEqual({});
  });
});
