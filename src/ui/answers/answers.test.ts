import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/object.ts";
import { block, cluster, pod, policy } from "../../explain/cluster.suite.ts";
import type { AddressesAnswer, EndsAnswer, ExplainAnswer, MapAnswer, MatrixAnswer } from "../api.ts";
import { fakeSources } from "../sources.suite.ts";
import { answers } from "./index.ts";
import { rangeFinder } from "./map.ts";

async function ask<T>(name: string, query = "", ...objects: readonly KubeObject[]): Promise<T> {
  const sources = fakeSources(cluster(...objects));
  return (await answers[name]!(sources, new URLSearchParams(query), [])) as T;
}

const closed = policy("closed", { podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Ingress"] });

describe("explain", () => {
  const decidersOf = ({ steps }: ExplainAnswer) => steps.filter(({ decides }) => decides);

  it("marks the step that refuses, with its object", async () => {
    const answer = await ask<ExplainAnswer>("explain", "from=pod/db&to=pod/web:80", closed);
    expect(answer.verdict).toBe("no");
    expect(decidersOf(answer)).toMatchObject([
      { stage: "ingress", verdict: "no", objects: ["NetworkPolicy default/closed"] },
    ]);
  });

  it("has the steps in the order in which a packet meets them", async () => {
    const { steps } = await ask<ExplainAnswer>("explain", "from=pod/web&to=host/out:80");
    expect(steps.map(({ stage }) => stage)).toEqual(
      expect.arrayContaining(["address", "egress", "source", "way", "ingress", "port"]),
    );
    expect(steps[0]?.objects).toContain("IPPool pods");
  });
});

describe("map", () => {
  it("names nodes, hosts, ranges and pods, each pod in its block", async () => {
    const map = await ask<MapAnswer>("map");
    const [web] = map.pods.filter(([name]) => name === "web");
    expect(map.nodes.map(({ name }) => name)).toEqual(["n1", "n2"]);
    expect(map.outside.map(({ name }) => name)).toContain("out");
    expect(web).toBeDefined();
    const [, workload, node, range, address] = web!;
    expect(map.workloads[workload]).toEqual({ kind: "Pod", namespace: "default", name: "web" });
    expect(map.nodes[node]?.name).toBe("n1");
    expect(map.ranges[range]).toMatchObject({ kind: "block", cidr: "10.1.0.0/26", node: "n1" });
    expect(address).toBe("10.1.0.1");
  });

  it("finds the narrowest range that holds an address", () => {
    const find = rangeFinder([
      { cidr: "10.0.0.0/8" },
      { cidr: "10.1.0.0/26" },
      { cidr: "fd00::/64" },
      { cidr: "x" },
    ]);
    expect(["10.1.0.63", "10.1.0.64", "11.0.0.1", "fd00::7", "fd01::7", "?"].map(find)).toEqual([
      1, 0, -1, 2, -1, -1,
    ]);
  });
});

describe("ends", () => {
  it("offers what holds the word, what begins with it first", async () => {
    const { ends } = await ask<EndsAnswer>("ends", "q=w", pod("a-w", "10.1.0.60", "n1"));
    expect(ends[0]).toBe("pod/default/web");
    expect(ends).toContain("pod/default/a-w");
  });

  it("gives no more than asked for", async () => {
    expect((await ask<EndsAnswer>("ends", "q=&limit=2")).ends).toHaveLength(2);
    await expect(ask("ends", "limit=9999")).rejects.toMatchObject({ code: "ui.value" });
  });
});

describe("matrix", () => {
  it("has a sign for each cell, none for what is not asked", async () => {
    const { rows, ports, grids } = await ask<MatrixAnswer>("matrix", "port=80&hosts=no", closed);
    const at = (name: string) => rows.findIndex((row) => row.name === `pod/default/${name}`);
    expect(ports).toEqual(["80/tcp"]);
    const grid = grids["80/tcp"] ?? [];
    expect(grid[at("db")]?.[at("web")]).toBe(".");
    expect(grid[at("web")]?.[at("web")]).toBe(" ");
    expect(grid.every((line) => line.length === rows.length)).toBe(true);
  });

  it("folds pods of a workload, and asks for the namespaces and labels that are meant", async () => {
    const owned = (name: string, address: string) => {
      const made = pod(name, address, "n1", { namespace: "shop", labels: { "pod-template-hash": "h" } });
      const ownerReferences = [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "cart-h", uid: "u" }];
      return { ...made, metadata: { ...made.metadata, ownerReferences } };
    };
    const pods = [owned("cart-1", "10.1.0.20"), owned("cart-2", "10.1.0.21")];
    const folded = await ask<MatrixAnswer>("matrix", "fold=yes&namespace=shop&hosts=no", ...pods);
    expect(folded.rows).toEqual([
      { name: "deployment/shop/cart", label: "deployment/shop/cart", namespace: "shop", pods: 2 },
    ]);
    const flat = await ask<MatrixAnswer>(
      "matrix",
      "namespace=shop&hosts=no&selector=pod-template-hash",
      ...pods,
    );
    expect(flat.rows.map(({ label }) => label)).toEqual(["shop/cart-1", "shop/cart-2"]);
    await expect(ask("matrix", "selector==")).rejects.toMatchObject({ code: "api.selector" });
  });
});

describe("addresses", () => {
  it("says who has what, of a range and a word alone where asked for", async () => {
    const all = await ask<AddressesAnswer>("addresses");
    expect(all.holders).toContainEqual({
      address: "10.1.0.1",
      name: "pod/default/web",
      node: "n1",
      range: "10.1.0.0/26",
      since: null,
    });
    expect(all.pools.map(({ pool }) => pool)).toEqual(["pods"]);
    const some = await ask<AddressesAnswer>("addresses", "range=10.1.0.0/26&q=WEB&limit=1");
    expect([some.total, some.holders.length]).toEqual([1, 1]);
    await expect(ask("addresses", "range=10.1.0.0")).rejects.toMatchObject({ code: "ui.value" });
  });

  it("counts what is held in blocks", async () => {
    const more = block("10.1.0.128/26", "n2");
    const { blocks } = await ask<AddressesAnswer>("addresses", "", more);
    expect(blocks.map((one) => one.block)).toContain("10.1.0.128/26");
  });
});
