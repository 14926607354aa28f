import { expect, it, vi } from "vitest";
import type { SecurityGroup } from "../../api/kinds/security-group.ts";
import { type ClusterFacts, emptyFacts, type NodeFacts } from "../../plan/facts.ts";
import { NodeTable } from "../managers/node-table.ts";
import { GroupManager } from "./group-manager.ts";

it("follows its node's label, which says whether pods have interfaces to themselves", async () => {
  const nft = {
    run: () => Promise.resolve(),
    change: () => Promise.resolve(),
    list: () => Promise.resolve(undefined),
    present: () => Promise.resolve(undefined),
    hasChain: () => Promise.resolve(true),
    text: () => Promise.resolve(undefined),
  };
  const table = new NodeTable(nft, ["policy"]);
  const group: SecurityGroup = {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "SecurityGroup",
    metadata: { name: "sg-1", uid: "sg-1", resourceVersion: "1", creationTimestamp: "" },
    spec: { ingress: [] },
  };
  const facts: ClusterFacts = { ...emptyFacts(), securityGroups: new Map([["sg-1", group]]) };
  const node = { node: "a", endpoints: new Map([["c/eth0", { ips: ["10.2.1.3"] }]]) } as unknown as NodeFacts;
  let own = false;
  const places = vi.fn(() => new Map([["10.2.1.3", { groups: ["sg-1"], own }]]));
  const manager = new GroupManager({ table, places, filtersGroup: () => false });
  const near = () => [...table.document("policy").elements("groups-near").keys()];
  await manager.apply(facts, node, new Map([["securitygroups", "all"]]));
  expect(near()).toEqual(["10.2.1.3"]);
  own = true;
  await manager.apply(facts, node, new Map([["nodes", new Set(["b"])]]));
  expect(places).toHaveBeenCalledTimes(1);
  await manager.apply(facts, node, new Map([["nodes", new Set(["a"])]]));
  expect(near()).toEqual([]);
});
