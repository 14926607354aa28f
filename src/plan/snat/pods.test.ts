import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import type { SourceNAT } from "../../api/kinds/source-nat.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import type { ClusterFacts, NodeFacts } from "../facts.ts";
import { ClusterParts } from "./cluster-part.ts";
import {
  clusterFacts,
  clusterNode,
  namespace,
  nodeFacts,
  pod,
  pool,
  sourceNat,
  subnet,
} from "./facts.suite.ts";
import { planSnat } from "./plan-snat.ts";
import { WishBook } from "./pods.ts";

const held = "192.168.18.250";
const egress = (app: string, holder?: string): SourceNAT =>
  sourceNat(
    "egress",
    [
      {
        podSelector: { matchLabels: { app } },
        action: { type: "Address", addresses: [held], egressNodes: { matchLabels: { egress: "yes" } } },
      },
    ],
    holder === undefined ? {} : { holders: { [held]: holder } },
  );

/** Facts whose maps change as an agent's do. */
interface World {
  readonly facts: ClusterFacts;
  readonly pods: Map<string, Pod>;
  readonly sourceNats: Map<string, SourceNAT>;
  readonly pools: Map<string, IPPool>;
  readonly subnets: Map<string, Subnet>;
  node: NodeFacts;
}

function world(pods: readonly Pod[]): World {
  const facts = clusterFacts({
    pools: [pool("pods", "172.16.0.0/16")],
    namespaces: [namespace("shop"), namespace("quiet", "none"), namespace("odd", "sometimes")],
    nodes: [
      clusterNode("node1", "192.168.18.11", { egress: "yes" }),
      clusterNode("node2", "192.168.18.12", { egress: "yes" }),
    ],
    pods,
  });
  return {
    facts,
    pods: facts.pods as Map<string, Pod>,
    sourceNats: facts.sourceNats as Map<string, SourceNAT>,
    pools: facts.pools as Map<string, IPPool>,
    subnets: facts.subnets as Map<string, Subnet>,
    node: nodeFacts(),
  };
}

const somePod = fc
  .record({
    name: fc.constantFrom("a", "b", "c", "d"),
    namespace: fc.constantFrom("shop", "quiet", "odd"),
    node: fc.constantFrom("node1", "node2"),
    app: fc.constantFrom("web", "db"),
    snat: fc.constantFrom(undefined, "none", "masquerade", "wrong"),
    last: fc.integer({ min: 1, max: 4 }),
    state: fc.constantFrom("Running", "Succeeded", "gone"),
  })
  .map(({ name, last, app, snat, state, ...where }) => {
    const options = { ...where, labels: { app }, ...(snat === undefined ? {} : { snat }) };
    const one = pod(name, `172.16.1.${last}`, options);
    const ended: Pod = { ...one, status: { ...one.status, phase: "Succeeded" } };
    return {
      key: `${where.namespace}/${name}`,
      pod: state === "gone" ? undefined : state === "Running" ? one : ended,
    };
  });

type Step = (world: World) => readonly string[];
const someStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: somePod.map(
      ({ key, pod: one }): Step =>
        ({ pods }) => {
          if (one) pods.set(key, one);
          else pods.delete(key);
          return [key];
        },
    ),
  },
  fc.constantFrom("web", "db", undefined).chain((app) =>
    fc.constantFrom("node1", "node2", undefined).map(
      (holder): Step =>
        ({ sourceNats }) => {
          if (app === undefined) sourceNats.delete("egress");
          else sourceNats.set("egress", egress(app, holder));
          return [];
        },
    ),
  ),
  fc
    .tuple(fc.constantFrom("shop/a", "quiet/b"), fc.constantFrom("172.16.1.9", "172.16.1.1", "10.99.0.1"))
    .map(
      ([key, ip]): Step =>
        (all) => {
          const endpoint = { pod: key, uid: "u", interface: "tl1", ips: [ip] };
          all.node = {
            ...all.node,
            endpoints: new Map(all.node.endpoints.size > 0 ? [] : [["c/eth0", endpoint]]),
          };
          return [];
        },
    ),
  fc.constantFrom("172.16.0.0/16", "172.16.1.0/30", "10.99.0.0/24").map(
    (cidr): Step =>
      ({ pools }) => {
        pools.set("pods", pool("pods", cidr));
        return [];
      },
  ),
  fc.constantFrom(undefined, "172.16.1.0/24", "10.99.0.0/28").map(
    (cidr): Step =>
      ({ subnets }) => {
        if (cidr === undefined) subnets.delete("a");
        else subnets.set("a", subnet("a", cidr));
        return [];
      },
  ),
);

describe("a book of wishes", () => {
  it("says after any changes what a new one says", () => {
    fc.assert(
      fc.property(fc.array(fc.array(someStep, { maxLength: 3 }), { maxLength: 12 }), (rounds) => {
        const all = world([pod("a", "172.16.1.1"), pod("b", "172.16.1.2", { node: "node2" })]);
        const book = new WishBook();
        let changed: ReadonlySet<string> | "all" = "all";
        let unconcerned: unknown;
        for (const round of rounds) {
          if (unconcerned !== undefined) expect(planSnat(all.facts, all.node)).toEqual(unconcerned);
          expect(planSnat(all.facts, all.node, { book, changed })).toEqual(planSnat(all.facts, all.node));
          // Who knows which pods are the node's own, and the part about the cluster, gets the same plan.
          const local = [...all.facts.pods].flatMap(([key, { spec }]) =>
            spec.nodeName === all.node.node ? [key] : [],
          );
          const cluster = new ClusterParts().read(all.facts, undefined);
          expect(planSnat(all.facts, all.node, { local, cluster })).toEqual(planSnat(all.facts, all.node));
          const before = planSnat(all.facts, all.node);
          const keys = round.map((step) => step(all));
          changed = new Set(keys.flat());
          // Steps that change a pod say which.
          const onlyPods = keys.every(({ length }) => length > 0);
          const concerns = book.mayConcern(changed, all.facts, all.node.node);
          unconcerned = onlyPods && !concerns ? before : undefined;
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is not concerned by pods of other nodes, unless the node may hold their addresses", () => {
    const all = world([pod("a", "172.16.1.1"), pod("b", "172.16.1.2", { node: "node2" })]);
    const book = new WishBook();
    const concerned = (key: string) => book.mayConcern([key], all.facts, all.node.node);
    // Nothing was read yet.
    expect(concerned("shop/b")).toBe(true);
    planSnat(all.facts, all.node, { book });
    expect(["shop/a", "shop/b", "shop/none"].map(concerned)).toEqual([true, false, false]);
    all.pods.delete("shop/a");
    expect(concerned("shop/a")).toBe(true);
    all.sourceNats.set("egress", egress("web"));
    planSnat(all.facts, all.node, { book });
    expect(concerned("shop/b")).toBe(true);
  });

  it("sees that this node came to hold an address, which no object says yet", () => {
    const all = world([pod("a", "172.16.1.1", { node: "node2", labels: { app: "web" } })]);
    all.sourceNats.set("egress", egress("web"));
    const book = new WishBook();
    const none: ReadonlySet<string> = new Set();
    const actionOf = (memory: object) =>
      planSnat(all.facts, all.node, { book, changed: none, ...memory }).pods.get("172.16.1.1")?.clauses[0]
        ?.action.type;
    expect(actionOf({ held: new Set() })).toBe("drop");
    expect(actionOf({ held: new Set([held]) })).toBe("address");
  });

  it("gives the very same parts while nobody asks for anything else", () => {
    const all = world([pod("a", "172.16.1.1"), pod("b", "172.16.1.2", { snat: "none" })]);
    const book = new WishBook();
    const before = planSnat(all.facts, all.node, { book });
    all.pods.set("shop/c", pod("c", "172.16.1.3"));
    all.pods.delete("shop/a");
    const endpoint = { pod: "shop/c", uid: "u", interface: "tl1", ips: ["172.16.1.3"] };
    all.node = { ...all.node, endpoints: new Map([["c/eth0", endpoint]]) };
    const after = planSnat(all.facts, all.node, { book, changed: new Set(["shop/a", "shop/c"]) });
    for (const part of ["inside", "ranges", "pods", "config"] as const)
      expect(after[part]).toBe(before[part]);
    all.pods.set("shop/c", pod("c", "172.16.1.3", { snat: "masquerade" }));
    const asking = planSnat(all.facts, all.node, { book, changed: new Set(["shop/c"]) });
    expect([...asking.pods.keys()]).toEqual(["172.16.1.2", "172.16.1.3"]);
  });

  it("gives the very same parts when pods of a subnet come, whatever the subnet's figures say", () => {
    const all = world([]);
    all.subnets.set("a", subnet("a", "10.99.0.0/24"));
    const book = new WishBook();
    const before = planSnat(all.facts, all.node, { book });
    all.pods.set("shop/a", pod("a", "10.99.0.1"));
    all.subnets.set("a", { ...subnet("a", "10.99.0.0/24"), status: { servedPods: 1 } });
    const endpoint = { pod: "shop/a", uid: "u", interface: "tl1", ips: ["10.99.0.1"] };
    all.node = { ...all.node, endpoints: new Map([["c/eth0", endpoint]]) };
    const after = planSnat(all.facts, all.node, { book, changed: new Set(["shop/a"]) });
    for (const part of ["inside", "ranges", "subnets", "pods", "config"] as const)
      expect(after[part]).toBe(before[part]);
    expect(after.pods).toEqual(new Map());
  });

  it("looks at no other pod than the one that changed", () => {
    const all = world([pod("a", "172.16.1.1"), pod("b", "172.16.1.2", { node: "node2" })]);
    const book = new WishBook();
    planSnat(all.facts, all.node, { book });
    const asked: string[] = [];
    class Watched extends Map<string, Pod> {
      override get(key: string): Pod | undefined {
        asked.push(key);
        return super.get(key);
      }
      override [Symbol.iterator](): MapIterator<[string, Pod]> {
        asked.push("all");
        return super[Symbol.iterator]();
      }
      override keys(): MapIterator<string> {
        asked.push("all");
        return super.keys();
      }
    }
    const facts = { ...all.facts, pods: new Watched(all.pods) };
    asked.length = 0;
    const changed = new Set(["shop/b"]);
    expect(planSnat(facts, all.node, { book, changed })).toEqual(planSnat(all.facts, all.node));
    expect(asked).toEqual(["shop/b"]);
  });
});
