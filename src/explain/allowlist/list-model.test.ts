import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AddressList } from "../../api/kinds/address-list.ts";
import type { Pod } from "../../api/kinds/core.ts";
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import type { KubeObject } from "../../api/object.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { cluster, host, node, pod, pool } from "../cluster.suite.ts";
import { sourceJudgeOf } from "../judges/plans.ts";
import { askerOf } from "./asker.ts";
import { ListModel } from "./list-model.ts";

const db = host("db", "172.17.0.9");
const pods = pool("pods", "10.1.0.0/16", false);
const now = Date.parse("2026-01-01T00:00:00Z");

function list(spec: Partial<AddressList["spec"]> = {}, status?: AddressList["status"]): AddressList {
  const whole = { for: [{ podSelector: { matchLabels: { app: "listed" } } }], to: "host/db:5432", ...spec };
  return {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "AddressList",
    metadata: { name: "l", uid: "l", resourceVersion: "1", creationTimestamp: "" },
    spec: whole,
    ...(status && { status }),
  };
}

const web = (name: string, address: string | undefined, node = "n1") =>
  pod(name, address, node, { labels: { app: "listed" } });
const other = (name: string, address: string) => pod(name, address, "n1", { labels: { app: "other" } });

function askersIn(facts: ClusterFacts, of: AddressList) {
  return (pods: ReadonlyMap<string, Pod>) => {
    const given = { ...facts, pods: new Map([...facts.pods, ...pods]) };
    return askerOf(given, () => sourceJudgeOf(given), of);
  };
}

function next(of: AddressList, objects: readonly KubeObject[], at = now) {
  const facts = cluster(db, pods, ...objects);
  return new ListModel().next({ list: of, facts, askerFor: askersIn(facts, of), now: at });
}

describe("an AddressList", () => {
  it("holds the addresses of the pods that it is for, and says whose they are", () => {
    const { status, again } = next(list(), [
      web("a", "10.1.0.4"),
      web("b", "10.1.0.5", "n2"),
      other("c", "10.1.0.6"),
      web("waits", undefined),
    ]);
    expect(status).toMatchObject({ revision: 1, ranges: ["10.1.0.4/31"], unknown: [], strangers: [] });
    expect(status.entries).toEqual([
      { range: "10.1.0.4/32", revision: 1, pods: 1, neededBy: ["default/a"] },
      { range: "10.1.0.5/32", revision: 1, pods: 1, neededBy: ["default/b"] },
    ]);
    expect(again).toBeUndefined();
  });

  it("has what pods are about to have, until their objects say it", () => {
    const asked = [
      { pod: "default/a", uid: "a", node: "n1", addresses: ["10.1.0.4"], at: "2026-01-01T00:00:00Z" },
    ];
    const waiting = next(list({}, { asked }), [web("a", undefined)]).status;
    expect(waiting).toMatchObject({ ranges: ["10.1.0.4/32"], asked });
    expect(next(list({}, waiting), [web("a", "10.1.0.4")]).status).toMatchObject({
      ranges: ["10.1.0.4/32"],
      asked: [],
    });
    // Only the pod's own node says so, and only of addresses that are pods'.
    for (const lie of [{ node: "n2" }, { addresses: ["192.0.2.1"] }])
      expect(
        next(list({}, { asked: [{ ...asked[0]!, ...lie }] }), [web("a", undefined)]).status.ranges,
      ).toEqual([]);
    // Another pod of the name is not the one that asked.
    const stranger = { ...asked[0]!, uid: "b" };
    expect(next(list({}, { asked: [stranger] }), [web("a", undefined)]).status).toMatchObject({
      ranges: [],
      asked: [],
    });
  });

  it("has of a pod that is about to start what its own rule of translation makes of its address", () => {
    const action = { type: "Masquerade" };
    const podSelector = { matchLabels: { app: "listed" } };
    const nat: KubeObject & { spec: object } = {
      apiVersion: "trunkline.dev/v1alpha1",
      kind: "SourceNAT",
      metadata: { name: "nat", uid: "nat", resourceVersion: "1", creationTimestamp: "" },
      spec: { rules: [{ podSelector, destinations: ["172.17.0.0/28"], action }] },
    };
    const asked = [
      { pod: "default/a", uid: "a", node: "n1", addresses: ["10.1.0.4"], at: "2026-01-01T00:00:00Z" },
    ];
    expect(next(list({}, { asked }), [nat, web("a", undefined)]).status.ranges).toEqual(["192.168.18.3/32"]);
  });

  it("keeps an address for a while that no pod needs any more, and says since when", () => {
    const first = next(list(), [web("a", "10.1.0.4"), web("b", "10.1.0.9")]).status;
    const second = next(list({}, first), [web("a", "10.1.0.4")], now + 1000);
    expect(second.status).toMatchObject({ revision: 1, ranges: first.ranges! });
    expect(second.status.entries?.[1]).toEqual({
      range: "10.1.0.9/32",
      revision: 1,
      pods: 0,
      neededBy: [],
      unusedSince: "2026-01-01T00:00:01Z",
    });
    expect(second.again).toBe(20_000);
    const third = next(list({}, second.status), [web("a", "10.1.0.4")], now + 21_000).status;
    expect(third).toMatchObject({ revision: 2, ranges: ["10.1.0.4/32"] });
  });

  it("lets an address go at once that somebody else has", () => {
    const first = next(list(), [web("a", "10.1.0.4")]).status;
    expect(next(list({}, first), [other("c", "10.1.0.4")], now + 1).status).toMatchObject({
      ranges: [],
      entries: [],
    });
  });

  it("counts for each address since which revision it is in", () => {
    const first = next(list(), [web("a", "10.1.0.4")]).status;
    const second = next(list({}, first), [web("a", "10.1.0.4"), web("b", "10.1.0.5")]).status;
    expect(second).toMatchObject({ revision: 2, ranges: ["10.1.0.4/31"] });
    expect(second.entries?.map(({ revision }) => revision)).toEqual([1, 2]);
  });

  it("says who else gets in where there may be only so many ranges", () => {
    const objects = [
      web("a", "10.1.0.4"),
      web("b", "10.1.0.7"),
      web("d", "10.1.0.64"),
      other("c", "10.1.0.5"),
    ];
    expect(next(list({ maxEntries: 2 }), objects).status).toMatchObject({
      ranges: ["10.1.0.4/30", "10.1.0.64/32"],
      strangers: [{ range: "10.1.0.4/30", addresses: 2, known: 1, names: ["pod/default/c"] }],
    });
  });

  it("holds whole blocks where it is asked to, and says who else gets in", () => {
    const objects = [web("a", "10.1.0.4"), web("b", "10.1.0.7"), other("c", "10.1.0.5")];
    const { status } = next(list({ entries: "Ranges" }), objects);
    expect(status.ranges).toHaveLength(1);
    expect(status.strangers).toMatchObject([
      { known: 3, names: ["pod/default/web", "pod/default/db", "pod/default/c"] },
    ]);
  });

  it("holds nodes' addresses where sources are translated to them", () => {
    const nat: KubeObject & { spec: object } = {
      apiVersion: "trunkline.dev/v1alpha1",
      kind: "SourceNAT",
      metadata: { name: "nat", uid: "nat", resourceVersion: "1", creationTimestamp: "" },
      spec: { rules: [{ destinations: ["172.17.0.0/28"], action: { type: "Masquerade" } }] },
    };
    const objects = [nat, web("a", "10.1.0.4"), web("b", "10.1.0.5"), web("c", "10.1.64.5", "n2")];
    const translated = next(list(), objects).status;
    expect(translated.entries?.map(({ range, pods: count }) => [range, count])).toEqual([
      ["192.168.18.3/32", 2],
      ["192.168.18.4/32", 1],
    ]);
    // Of a range every part counts that is seen differently.
    expect(next(list({ to: "172.17.0.0/27" }), objects).status.entries?.map(({ range }) => range)).toEqual([
      "10.1.0.4/32",
      "10.1.0.5/32",
      "10.1.64.5/32",
      "192.168.18.3/32",
      "192.168.18.4/32",
    ]);
  });

  it("holds all addresses of a node by which it may be seen, as no object says by which link it leaves", () => {
    const of = list({ to: "host/far" });
    const objects = [
      host("far", "203.0.113.9"),
      pool("pods", "10.1.0.0/16"),
      node("n1", "192.168.18.3", "192.168.19.3", "fd00:18::3"),
      web("a", "10.1.0.4"),
    ];
    const { status } = next(of, objects);
    expect(status.unknown).toEqual([]);
    expect(status.ranges).toEqual(["192.168.18.3/32", "192.168.19.3/32"]);
  });

  it("holds what each address of its destination sees: rules may tell them apart", () => {
    const objects = [
      host("far", "172.17.0.9", { addresses: ["172.17.0.9", "203.0.113.9"] }),
      {
        apiVersion: "trunkline.dev/v1alpha1",
        kind: "SourceNAT",
        metadata: { name: "s", uid: "s", resourceVersion: "1", creationTimestamp: "" },
        spec: { rules: [{ destinations: ["203.0.113.0/24"], action: { type: "Masquerade" } }] },
      } as KubeObject,
      web("a", "10.1.0.4"),
    ];
    expect(next(list({ to: "host/far" }), objects).status.ranges).toEqual(["10.1.0.4/32", "192.168.18.3/32"]);
  });

  it("speaks of pods by namespace, workload and labels together", () => {
    const inShop = pod("s", "10.1.0.8", "n1", { namespace: "shop", labels: { app: "listed" } });
    const objects = [inShop, web("a", "10.1.0.4")];
    const held = (one: AddressList["spec"]["for"][number]) =>
      next(list({ for: [one] }), objects).status.ranges;
    expect(held({ namespaces: ["shop"] })).toEqual(["10.1.0.8/32"]);
    expect(held({ workload: "pod/a" })).toEqual(["10.1.0.4/32"]);
    expect(held({ workload: "pod/a", namespaces: ["shop"] })).toEqual([]);
    expect(held({ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "shop" } } })).toEqual([
      "10.1.0.8/32",
    ]);
    expect(held({})).toEqual(["10.1.0.1/32", "10.1.0.2/32", "10.1.0.4/32", "10.1.0.8/32", "10.1.0.65/32"]);
  });

  it("says that its destination is nobody", () => {
    expect(() => next(list({ to: "host/none" }), [web("a", "10.1.0.4")])).toThrow("none");
  });
});

describe("an AddressList that is kept from pod to pod", () => {
  const steps = fc.array(
    fc.record({
      pod: fc.integer({ min: 0, max: 9 }),
      address: fc.option(fc.integer({ min: 0, max: 20 })),
      app: fc.constantFrom("listed", "listed", "other"),
      later: fc.constantFrom(0, 500, 15_000),
      isLost: fc.boolean(),
    }),
    { minLength: 1, maxLength: 25 },
  );
  it.each([{}, { maxEntries: 3 }, { entries: "Ranges" as const }])(
    "says the same as one that is told of all pods anew (%j)",
    (spec) => {
      fc.assert(
        fc.property(steps, (all) => {
          const kept = new ListModel();
          const present = new Map<number, Pod>();
          let of = list(spec);
          let at = now;
          for (const { pod: n, address, app, later, isLost } of all) {
            at += later;
            if (address === null && present.has(n)) present.delete(n);
            else
              present.set(
                n,
                pod(`p${n}`, address === null ? undefined : `10.1.0.${address}`, "n1", { labels: { app } }),
              );
            const facts = cluster(db, pods, ...present.values());
            const question = { list: of, facts, askerFor: askersIn(facts, of), now: at };
            const changed = new Set([`default/p${n}`]);
            const next = kept.next({
              ...question,
              changed: of.status || present.size > 1 ? changed : undefined,
            });
            expect(next).toEqual(new ListModel().next(question));
            // A write that failed, or that somebody else has written over.
            if (!isLost) of = { ...of, status: structuredClone(next.status) };
          }
        }),
      );
    },
  );
});

describe("a fixed address", () => {
  const held = (name: string, ipv4: string): PodENI => ({
    apiVersion: "network.alibabacloud.com/v1beta1",
    kind: "PodENI",
    metadata: { name, namespace: "default", uid: name, resourceVersion: "1", creationTimestamp: "" },
    spec: {
      allocations: [
        { eni: { id: `eni-${name}` }, allocationType: { type: "Fixed", releaseStrategy: "Never" }, ipv4 },
      ],
    },
  });
  const ofSet = { for: [{ workload: "statefulset/db" }] };

  it("of a pod that is away is in the list of its workload, as that pod's", () => {
    const { status } = next(list(ofSet), [held("db-0", "10.2.0.7"), held("other-0", "10.2.0.8")]);
    expect(status.entries).toEqual([
      { range: "10.2.0.7/32", revision: 1, pods: 0, neededBy: ["default/db-0"] },
    ]);
    expect(next(list({ for: [{ namespaces: ["shop"] }] }), [held("db-0", "10.2.0.7")]).status.ranges).toEqual(
      [],
    );
    expect(
      next(list({ for: [{ workload: "deployment/db" }] }), [held("db-0", "10.2.0.7")]).status.ranges,
    ).toEqual([]);
  });

  it("stays in a list that goes by labels when its pod goes, and does not come into it without the pod", () => {
    const kept = held("web-0", "10.2.0.7");
    expect(next(list(), [kept]).status.ranges).toEqual([]);
    const first = next(list(), [web("web-0", "10.2.0.7"), kept]).status;
    const hour = now + 3_600_000;
    expect(next(list({}, first), [kept], hour).status).toMatchObject({
      revision: 1,
      ranges: ["10.2.0.7/32"],
    });
    const freed = next(list({}, first), [], hour);
    expect(next(list({}, freed.status), [], hour + 21_000).status.ranges).toEqual([]);
  });

  it("keeps an address that is held for a pod that is away, as long as it is held and nobody else has it", () => {
    const held: PodENI = {
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "PodENI",
      metadata: { name: "a", namespace: "default", uid: "e", resourceVersion: "1", creationTimestamp: "" },
      spec: {
        allocations: [
          {
            eni: { id: "eni-1" },
            ipv4: "10.1.0.4",
            allocationType: { type: "Fixed", releaseStrategy: "Never" },
          },
        ],
      },
    };
    const first = next(list(), [web("a", "10.1.0.4"), held]).status;
    const day = 86_400_000;
    const away = next(list({}, first), [held], now + day);
    expect(away.status).toMatchObject({
      revision: 1,
      ranges: ["10.1.0.4/32"],
      entries: [{ range: "10.1.0.4/32", pods: 0, neededBy: ["default/a"] }],
    });
    expect(away.again).toBeUndefined();
    expect(next(list({}, away.status), [held, other("c", "10.1.0.4")], now + 2 * day).status.ranges).toEqual(
      [],
    );
    const released = next(list({}, away.status), [], now + 2 * day);
    expect(released.status.entries?.[0]?.unusedSince).toBe("2026-01-03T00:00:00Z");
    expect(next(list({}, released.status), [], now + 3 * day).status.ranges).toEqual([]);
  });
});
