import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import { NamedAddresses } from "./named-addresses.ts";

const addresses = ["10.1.0.1", "10.1.0.2", "fd00::1"];

function podWith(ips: readonly string[], phase: "Running" | "Succeeded"): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", namespace: "default", uid: "u", resourceVersion: "1", creationTimestamp: "" },
    spec: { containers: [] },
    status: { phase, podIPs: ips.map((ip) => ({ ip })) },
  };
}

const step = fc.record({
  key: fc.constantFrom("a", "b", "c"),
  pod: fc.option(fc.record({ ips: fc.uniqueArray(fc.constantFrom(...addresses)), ended: fc.boolean() }), {
    nil: undefined,
  }),
  relist: fc.boolean(),
});

describe("the addresses that pods name", () => {
  it("are those of all pods that have not ended, whatever came before", () => {
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const pods = new Map<string, Pod>();
        const named = new NamedAddresses(pods);
        for (const { key, pod, relist } of steps) {
          if (pod) pods.set(key, podWith(pod.ips, pod.ended ? "Succeeded" : "Running"));
          else pods.delete(key);
          named.follow(relist ? "all" : new Set([key]));
        }
        const wanted = new Set([...pods.values()].flatMap((pod) => (isTerminal(pod) ? [] : podIps(pod))));
        for (const address of addresses) expect(named.has(address)).toBe(wanted.has(address));
      }),
    );
  });

  it("are not kept of pods that came and went, however many did", () => {
    const pods = new Map([["stays", podWith(["10.1.0.1"], "Running")]]);
    const named = new NamedAddresses(pods);
    named.follow("all");
    for (let n = 2; n < 5000; n++) {
      const address = `10.1.${n >> 8}.${n & 255}`;
      pods.set("guest", podWith([address], "Running"));
      named.follow(new Set(["guest"]));
      expect(named.has(address)).toBe(true);
      pods.delete("guest");
      named.follow(new Set(["guest"]));
      expect(named.size).toBeLessThan(100);
    }
    expect(named.has("10.1.0.1")).toBe(true);
    expect(named.has("10.1.0.2")).toBe(false);
  });
});
