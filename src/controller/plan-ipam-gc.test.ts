import { describe, expect, it } from "vitest";
import type { AddressBlock, Loan } from "../api/kinds/address-block.ts";
import type { Pod } from "../api/kinds/core.ts";
import { planIpamGc } from "./plan-ipam-gc.ts";

const meta = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});

function block(
  node: string,
  loans: Loan[] = [],
  requests: AddressBlock["spec"]["requests"] = [],
): AddressBlock {
  return {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "AddressBlock",
    metadata: meta("10-1-0-0-26"),
    spec: { cidr: "10.1.0.0/26", pool: "p", node, state: "confirmed", loans, requests },
  };
}

function pod(node: string, ip?: string, phase: NonNullable<Pod["status"]>["phase"] = "Running"): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...meta("p"), namespace: "default" },
    spec: { containers: [], nodeName: node },
    status: { ...(phase ? { phase } : {}), ...(ip === undefined ? {} : { podIP: ip }) },
  };
}

const plan = (blocks: AddressBlock[], pods: Pod[] = [], gone: string[] = ["dead"]) =>
  planIpamGc({ blocks, pods, gone: new Set(gone) });

describe("planIpamGc", () => {
  it("deletes a block whose node is gone, and no other", () => {
    expect(plan([block("dead")]).map(({ type }) => type)).toEqual(["delete"]);
    expect(plan([block("alive")])).toEqual([]);
  });

  it("deletes one that lends what is no address of it: that is nobody's", () => {
    const lent = block("dead", [
      { address: "10.1.0", node: "alive" },
      { address: "10.2.0.1", node: "alive" },
    ]);
    expect(plan([lent]).map(({ type }) => type)).toEqual(["delete"]);
    const kept = block("dead", [
      { address: "10.1.0", node: "alive" },
      { address: "10.1.0.1", node: "alive" },
    ]);
    expect(plan([kept])).toMatchObject([
      { type: "update", next: { spec: { loans: [{ address: "10.1.0.1", node: "alive" }] } } },
    ]);
  });

  it("deletes one with a range that is none as well, and those beside it", () => {
    const bad = { ...block("dead"), spec: { ...block("dead").spec, cidr: "10.1.0.5/26" } };
    expect(plan([bad, block("dead")], [pod("alive", "10.2.0.1")]).map(({ type }) => type)).toEqual([
      "delete",
      "delete",
    ]);
  });

  it.each([
    ["a pod is still bound to the node", pod("dead")],
    ["a pod elsewhere still has an address of it", pod("alive", "10.1.0.5")],
  ])("keeps it while %s", (_, one) => {
    expect(plan([block("dead")], [one])).toEqual([]);
  });

  it("does not mind pods that have ended", () => {
    expect(plan([block("dead")], [pod("dead", "10.1.0.5", "Succeeded")])).toHaveLength(1);
  });

  it("keeps a block for its living borrowers, and answers for the owner", () => {
    const loans = [
      { address: "10.1.0.1", node: "alive", seq: 1 },
      { address: "10.1.0.2", node: "alive", seq: 2, returned: true },
      { address: "10.1.0.3", node: "dead2", seq: 3 },
    ];
    const request = { node: "alive", count: 1, at: "2026-01-01T00:00:00Z" };
    const [action] = plan([block("dead", loans, [request])], [pod("alive", "10.1.0.1")], ["dead", "dead2"]);
    expect(action).toMatchObject({ type: "update", next: { spec: { loans: [loans[0]], requests: [] } } });
    expect(plan([block("dead", [loans[0]!])], [pod("alive", "10.1.0.1")])).toEqual([]);
    expect(plan([block("dead", [loans[1]!])])).toMatchObject([{ type: "delete" }]);
  });

  it("gives a living owner back what a borrower that is gone had, unless a pod uses it", () => {
    const loan = { address: "10.1.0.1", node: "dead", seq: 1 };
    expect(plan([block("alive", [loan])])).toMatchObject([
      { type: "update", next: { spec: { loans: [{ ...loan, returned: true }] } } },
    ]);
    expect(plan([block("alive", [loan])], [pod("other", "10.1.0.1")])).toEqual([]);
    expect(plan([block("alive", [{ ...loan, returned: true }])])).toEqual([]);
  });
});
