import { beforeEach, describe, expect, it } from "vitest";
import type { NetworkPolicy } from "../../../api/kinds/network-policy.ts";
import { TrunklineError } from "../../../base/errors.ts";
import { silent } from "../../../base/log.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { type ClusterFacts, emptyFacts, type NodeFacts } from "../../../plan/facts.ts";
import type { Changes } from "../manager.ts";
import { StageManager } from "./stage-manager.ts";

const node: NodeFacts = { node: "n1", addresses: [], uplink: "lo", endpoints: new Map() };
const all: Changes = new Map([["networkpolicies", "all"]]);
const told = (key: string): Changes => new Map([["networkpolicies", new Set([key])]]);

let texts: string[];
let refuse: boolean;
let manager: StageManager;
let policies: Map<string, NetworkPolicy>;
let facts: ClusterFacts;

beforeEach(() => {
  texts = [];
  refuse = false;
  const kernel = {
    watch: () => ({ stop: () => {} }),
    nft: {
      run: async (text: string) => {
        if (refuse) throw new TrunklineError("kernel.nft", { text: "refused", commands: text });
        texts.push(text);
      },
      present: async () => undefined,
      hasChain: async () => true,
    },
  };
  manager = new StageManager({ kernel: kernel as unknown as Kernel, logger: silent, log: true });
  policies = new Map();
  facts = { ...emptyFacts(), policies };
});

function put(name: string, stage?: string): void {
  const annotations = stage === undefined ? {} : { annotations: { "trunkline.dev/stage": stage } };
  const metadata = {
    name,
    namespace: "x",
    uid: name,
    resourceVersion: "1",
    creationTimestamp: "",
    ...annotations,
  };
  policies.set(`x/${name}`, {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata,
    spec: { podSelector: {} },
  });
}

describe("staged policies", () => {
  it("have no table while there are none, and an earlier agent's goes once", async () => {
    put("enforced");
    put("plain", "false");
    await manager.apply(facts, node, all);
    await manager.apply(facts, node, told("x/plain"));
    expect(texts).toEqual(["add table inet trunkline-stage\ndelete table inet trunkline-stage\n"]);
    expect(manager.model).toBeUndefined();
  });

  it("have one from the first to the last of them, with the enforced policies in it", async () => {
    put("enforced");
    await manager.apply(facts, node, all);
    put("new", "true");
    await manager.apply(facts, node, told("x/new"));
    expect(texts.at(-1)).toContain("add chain inet trunkline-stage policy-forward");
    expect([...(manager.model?.policyKeys() ?? [])].toSorted()).toEqual(["x/enforced", "x/new"]);
    policies.delete("x/new");
    await manager.apply(facts, node, told("x/new"));
    expect(texts.at(-1)).toContain("delete table inet trunkline-stage");
    expect(manager.model).toBeUndefined();
  });

  it("do not keep the node from being ready where the kernel refuses them; it is said, and tried again", async () => {
    await manager.apply(facts, node, all);
    put("new", "true");
    refuse = true;
    await manager.apply(facts, node, told("x/new"));
    expect(manager.problems()).toMatchObject([{ code: "policy.stage" }]);
    refuse = false;
    await manager.resync();
    expect(manager.problems()).toEqual([]);
    expect(texts.at(-1)).toContain("add chain inet trunkline-stage policy-forward");
  });
});
