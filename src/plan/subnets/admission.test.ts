import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import type { PodNetworking } from "../../api/kinds/pod-networking.ts";
import { type Admission, type AdmissionFacts, admissionOf, admitted } from "./admission.ts";

const labels = { foo: "bar" };
const namespace = { metadata: { name: "example", labels } } as unknown as AdmissionFacts["namespace"];
function network(
  name: string,
  change: Partial<PodNetworking["spec"]> = {},
  status: "Ready" | "Fail" = "Ready",
) {
  const created = change.vSwitchOptions?.includes("old") ? "2026-01-01T00:00:00Z" : "2026-02-01T00:00:00Z";
  return {
    metadata: { name, creationTimestamp: created },
    spec: { selector: { podSelector: { matchLabels: labels } }, ...change },
    status: {
      status,
      message: status === "Fail" ? "no vSwitch" : "",
      vSwitches: [
        { id: "v", zone: "z1" },
        { id: "w", zone: "z0" },
      ],
    },
  } as unknown as PodNetworking;
}
function pod(owner?: string, spec: Partial<Pod["spec"]> = {}): Pod {
  const ownerReferences = owner === undefined ? [] : [{ kind: owner, name: "o", controller: true }];
  return {
    metadata: { name: "p", namespace: "example", labels, ownerReferences },
    spec: { containers: [], ...spec },
  } as unknown as Pod;
}
const held = (zone: string, type = "Fixed") =>
  ({
    metadata: { annotations: { "k8s.aliyun.com/pod-networking": "first" } },
    spec: { zone, allocations: [{ allocationType: { type }, eni: { id: "e" } }] },
  }) as unknown as PodENI;
const look = (
  one: Pod,
  networks: readonly PodNetworking[],
  change: Partial<AdmissionFacts> = {},
): Admission => admissionOf(one, { networks, namespace, podEni: undefined, furtherKinds: [], ...change });
const expressionsOf = (one: Pod) =>
  one.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms.map(
    ({ matchExpressions }) =>
      (matchExpressions ?? []).map(({ key, values }) => [key.split("/").at(-1), ...(values ?? [])]),
  );

describe("admission of pods", () => {
  it("notes the network and holds the pod in its zones", () => {
    const one = admitted(pod(), look(pod(), [network("first")]));
    expect(one.metadata.annotations).toEqual({
      "k8s.aliyun.com/pod-networking": "first",
      "k8s.aliyun.com/pod-eni": "true",
    });
    expect(expressionsOf(one)).toEqual([[["zone", "z0", "z1"]]]);
  });

  it("adds the zones to every term, and nothing twice", () => {
    const terms = [{ matchExpressions: [{ key: "a", operator: "Exists" }] }, { matchFields: [] }];
    const spec = {
      affinity: {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
      },
    };
    const admission = look(pod(), [network("first")]);
    const once = admitted(pod(undefined, spec as never), admission);
    expect(expressionsOf(once)).toEqual([[["a"], ["zone", "z0", "z1"]], [["zone", "z0", "z1"]]]);
    expect(admitted(once, admission)).toEqual(once);
  });

  it("takes the oldest Ready network, then the first by name, in whatever order they are given", () => {
    const all = [network("b"), network("a"), network("c", { vSwitchOptions: ["old"] })];
    for (const given of [all, all.toReversed()]) expect(look(pod(), given)).toMatchObject({ network: "c" });
    const failing = [network("c", { vSwitchOptions: ["old"] }, "Fail"), network("b"), network("a")];
    expect(look(pod(), failing)).toMatchObject({ verdict: "admit", network: "a" });
  });

  it("lets a pod wait whose networks are not Ready, and says why", () => {
    expect(look(pod(), [network("first", {}, "Fail")])).toMatchObject({
      verdict: "wait",
      networks: ["first"],
      message: expect.stringMatching(/first is not Ready: no vSwitch/) as unknown,
    });
  });

  it("has fixed addresses for names that come back only, and says whom that leaves out", () => {
    const fixed = network("first", { allocationType: { type: "Fixed", releaseStrategy: "Never" } });
    expect(look(pod("ReplicaSet"), [fixed])).toEqual({
      verdict: "leave",
      notApplicable: [{ network: "first", owner: "ReplicaSet o" }],
    });
    for (const owner of [undefined, "StatefulSet"])
      expect(look(pod(owner), [fixed])).toMatchObject({ verdict: "admit", notApplicable: [] });
    expect(look(pod("CloneSet"), [fixed], { furtherKinds: ["CloneSet"] })).toMatchObject({
      verdict: "admit",
    });
    expect(look(pod("ReplicaSet"), [fixed, network("other")])).toMatchObject({ network: "other" });
  });

  it("keeps a name where its address is held, also when the network has moved or is gone", () => {
    const zonesWith = (podEni: PodENI, networks: readonly PodNetworking[]) => {
      const found = look(pod("StatefulSet"), networks, { podEni });
      return found.verdict === "admit" ? found.zones : found.verdict;
    };
    expect(zonesWith(held("z1"), [network("first")])).toEqual([["z0", "z1"], ["z1"]]);
    expect(zonesWith(held("z9"), [network("first")])).toEqual([["z9"]]);
    expect(zonesWith(held("z1"), [])).toEqual([["z1"]]);
    expect(zonesWith(held("z9", "Elastic"), [network("first")])).toEqual([["z0", "z1"]]);
    // Another kind of pod of that name has no claim to it.
    expect(look(pod("ReplicaSet"), [], { podEni: held("z1") }).verdict).toBe("leave");
  });

  it("leaves alone who is in the node's network or asks for it, and does not bind daemons to zones", () => {
    expect(look(pod(undefined, { hostNetwork: true }), [network("first")]).verdict).toBe("leave");
    const ignored = pod();
    const marked = {
      ...ignored,
      metadata: { ...ignored.metadata, labels: { ...labels, "k8s.aliyun.com/ignore-by-terway": "true" } },
    };
    expect(look(marked, [network("first")]).verdict).toBe("leave");
    const daemon = pod("DaemonSet");
    expect(admitted(daemon, look(daemon, [network("first")])).spec.affinity).toBeUndefined();
  });
});
