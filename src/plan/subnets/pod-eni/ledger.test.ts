import { describe, expect, it } from "vitest";
import type { Pod } from "../../../api/kinds/core.ts";
import type { PodENI } from "../../../api/kinds/pod-eni.ts";
import { hasPod, heldAddresses, holderOf, untilText } from "./ledger.ts";

function podEni(name: string, type: string, releaseStrategy: string, ipv4: string): [string, PodENI] {
  const allocationType = { type, releaseStrategy, releaseAfter: "1h" };
  return [
    `a/${name}`,
    {
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "PodENI",
      metadata: {
        name,
        namespace: "a",
        uid: name,
        resourceVersion: "1",
        creationTimestamp: "2026-01-01T00:00:00Z",
        labels: { "k8s.aliyun.com/node": "n1" },
        annotations: { "k8s.aliyun.com/pod-networking": "net" },
      },
      spec: { zone: "z", allocations: [{ allocationType, eni: { id: "e", vSwitchID: "v" }, ipv4 }] },
      status: { phase: "Unbind", podLastSeen: "2026-01-01T02:00:00Z" },
    },
  ];
}
const podEnis = new Map([
  podEni("q", "Fixed", "Never", "10.0.0.2"),
  podEni("p", "Fixed", "TTL", "10.0.0.1"),
  podEni("e", "Elastic", "TTL", "10.0.0.3"),
  podEni("s", "Sticky", "Sometimes", "10.0.0.4"),
]);
const running = (phase: string) => new Map([["a/p", { status: { phase } } as Pod]]);

describe("the ledger of held addresses", () => {
  it("says who holds which, and until when where that is known", () => {
    const held = heldAddresses({ podEnis, pods: new Map() });
    expect(held.map(({ pod, until, strategy }) => [pod, strategy, until])).toEqual([
      ["p", "TTL", "2026-01-01T03:00:00Z"],
      ["q", "Never", null],
      ["s", "Sometimes", null],
    ]);
    expect(held[0]).toEqual({
      namespace: "a",
      pod: "p",
      addresses: ["10.0.0.1"],
      network: "net",
      vSwitchID: "v",
      zone: "z",
      strategy: "TTL",
      releaseAfter: "1h",
      phase: "Unbind",
      podRunning: false,
      node: "n1",
      since: "2026-01-01T00:00:00Z",
      podLastSeen: "2026-01-01T02:00:00Z",
      until: "2026-01-01T03:00:00Z",
      isEndKnown: true,
    });
    expect(held.map(untilText)).toEqual(["2026-01-01T03:00:00Z", "by hand", "by hand"]);
  });

  it("does not say until when while the controller has not seen the pod go", () => {
    const [key, one] = podEni("p", "Fixed", "TTL", "10.0.0.1");
    const bound = { ...one, status: { ...one.status, phase: "Bind" } } as PodENI;
    const ledger = (pods: ReadonlyMap<string, Pod>) =>
      heldAddresses({ podEnis: new Map([[key, bound]]), pods });
    const [held] = ledger(new Map());
    expect(held).toMatchObject({ until: null, isEndKnown: false, podLastSeen: "2026-01-01T02:00:00Z" });
    expect(untilText(held!)).toContain("unknown");
    expect(untilText(ledger(running("Running"))[0]!)).toBe("with its pod");
  });

  it("counts no time while a pod is there", () => {
    expect(heldAddresses({ podEnis, pods: running("Running") })[0]).toMatchObject({
      podRunning: true,
      until: null,
    });
    expect(heldAddresses({ podEnis, pods: running("Succeeded") })[0]).toMatchObject({ podRunning: false });
  });

  it("finds who has an address, held or not", () => {
    const found = holderOf({ podEnis }, "10.0.0.3");
    expect(found?.metadata.name).toBe("e");
    expect(hasPod(found!, new Map())).toBe(false);
    expect(holderOf({ podEnis }, "10.0.0.9")).toBeUndefined();
  });
});
