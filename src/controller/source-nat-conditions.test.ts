import { afterEach, expect, it } from "vitest";
import { eventKind, nodeKind } from "../api/kinds/core.ts";
import { type SourceNAT, sourceNatKind } from "../api/kinds/source-nat.ts";
import { silent } from "../base/log.ts";
import { clusterNode, sourceNat } from "../plan/snat/facts.suite.ts";
import { memoryStore } from "../store/memory.ts";
import { SourceNatConditions } from "./source-nat-conditions.ts";

const store = memoryStore();
const conditions = new SourceNatConditions(store, silent);
afterEach(() => conditions.stop());

it("says on an object that an address of its is a node's, and when that is so no more", async () => {
  conditions.start();
  const action = {
    type: "Address",
    addresses: ["192.168.18.13"],
    egressNodes: { matchLabels: { egress: "yes" } },
  } as const;
  await store.create<SourceNAT>(sourceNatKind, sourceNat("taken", [{ action }]));
  await store.create<SourceNAT>(sourceNatKind, sourceNat("fine", [{ action: { type: "Masquerade" } }]));
  await store.create(nodeKind, clusterNode("n3", ["192.168.18.13"], {}));
  const said = async (name: string) => (await store.get(sourceNatKind, name))?.status?.conditions;
  await expect.poll(() => said("taken")).toMatchObject([{ type: "Accepted", status: "False" }]);
  expect((await said("taken"))?.[0]?.message).toContain("an address of node n3");
  await expect
    .poll(async () => (await store.list(eventKind)).items.map(({ involvedObject }) => involvedObject.name))
    .toEqual(["taken"]);
  await store.delete(nodeKind, "n3");
  await expect.poll(() => said("taken")).toMatchObject([{ type: "Accepted", status: "True" }]);
  expect(await said("fine")).toBeUndefined();
});
