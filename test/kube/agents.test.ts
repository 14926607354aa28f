// Agents as processes against a real API server: what a node says of itself, and pods on two nodes that reach each other.
import { afterAll, beforeAll, expect, it } from "vitest";
import { addressBlockKind } from "../../src/api/kinds/address-block.ts";
import { type Node, nodeKind } from "../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { eventually, KubeBed } from "./bed.ts";

const taint = { key: "trunkline.dev/agent-not-ready", effect: "NoExecute" as const };
let bed: KubeBed;

beforeAll(async () => {
  bed = await KubeBed.start();
  await bed.define();
  await bed.nodes(["n1", "n2"], () => ({
    spec: { taints: [taint] },
    status: { conditions: [{ type: "NetworkUnavailable", status: "True", reason: "NoRouteCreated" }] },
  }));
}, 120_000);
afterAll(() => bed?.end(), 60_000);

it("opens nodes for pods once their agents serve, and pods on two nodes reach each other", async () => {
  await bed.store.create(ipPoolKind, {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: { name: "pods" },
    spec: { cidr: "10.2.0.0/16", natOutgoing: true },
  });
  for (const name of ["n1", "n2"]) bed.agent(name);
  const available = (node: Node | undefined) =>
    node?.status?.conditions?.find(({ type }) => type === "NetworkUnavailable")?.status === "False";
  for (const name of ["n1", "n2"]) {
    const node = await eventually(async () => {
      const found = await bed.store.get(nodeKind, name);
      return available(found) && !found?.spec?.taints?.some(({ key }) => key === taint.key)
        ? found
        : undefined;
    });
    expect(node.status?.addresses).toEqual([
      { type: "InternalIP", address: name === "n1" ? "192.168.77.1" : "192.168.77.2" },
    ]);
  }
  const [a, b] = [await bed.plug("n1", "a"), await bed.plug("n2", "b")];
  expect(await bed.talk(a.netns, b)).toBe(a.ip);
  const { items } = await bed.store.list(addressBlockKind);
  expect(items.map(({ spec }) => spec.node).toSorted()).toEqual(["n1", "n2"]);
});
