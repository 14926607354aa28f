import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Pod } from "../../../api/kinds/core.ts";
import type { NodeConfig } from "../../../api/kinds/node-config.ts";

import { silent } from "../../../base/log.ts";
import { emptyFacts } from "../../../plan/facts.ts";
import { PoolBook } from "./pool-book.ts";
import { PoolDemand } from "./pool-demand.ts";

const pod = (name: string, more: Partial<Pod["spec"]> = {}, meta: object = {}, status: object = {}): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "x", uid: name, resourceVersion: "1", creationTimestamp: name, ...meta },
  spec: { nodeName: "n1", containers: [{ name: "c" }], ...more },
  status,
});
const waits = {
  conditions: [{ type: "trunkline.dev/NetworkReady", status: "False", reason: "VSwitchExhausted" }],
};

describe("the demand for a node's addresses", () => {
  let folder = "";
  let book: PoolBook;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "demand-"));
    book = new PoolBook(folder, { now: () => 0, restMs: 0, logger: silent });
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const demand = (...pods: Pod[]) =>
    new PoolDemand({
      node: "n1",
      book,
      facts: { ...emptyFacts(), pods: new Map(pods.map((one) => [one.metadata.name, one])) },
    });

  // Terway counted pods that were gone, and made interfaces for them (ee1a952).
  it.each([
    ["of another node", pod("p", { nodeName: "n2" })],
    ["that is being deleted", pod("p", {}, { deletionTimestamp: "now" })],
    ["that has ended", pod("p", {}, {}, { phase: "Succeeded" })],
    ["that has failed", pod("p", {}, {}, { phase: "Failed" })],
    ["in its node's network", pod("p", { hostNetwork: true })],
    ["with an interface of its own", pod("p", {}, { annotations: { "k8s.aliyun.com/pod-eni": "true" } })],
    ["that shows an address", pod("p", {}, {}, { podIP: "10.0.0.1" })],
  ])("is none of a pod %s", (_, one) => {
    expect(demand(one).waiting([])).toBe(0);
  });

  it("is one for a pod, whether its ADD has come or not, and none once it has an address", () => {
    const one = demand(pod("p"));
    expect(one.waiting([])).toBe(1);
    expect(one.waiting([{ key: "c/eth0", uid: "p" }])).toBe(1);
    book.hold("10.0.0.1", { key: "c/eth0", uid: "p" });
    expect(one.waiting([])).toBe(0);
  });

  it("is one for every ADD, also of pods that nobody knows", () => {
    expect(
      demand().waiting([
        { key: "a", uid: "" },
        { key: "b", uid: "" },
      ]),
    ).toBe(2);
  });

  it("lets older pods that were told to wait come first", () => {
    const all = demand(pod("1", {}, {}, waits), pod("2"), pod("3", {}, {}, waits), pod("4"));
    expect(all.olderThan({ key: "", uid: "4" })).toBe(2);
    expect(all.olderThan({ key: "", uid: "2" })).toBe(1);
    expect(all.olderThan({ key: "", uid: "1" })).toBe(0);
  });

  it("is counted by nodes that have subnets", () => {
    const status = { vSwitchIDs: ["vsw-1"] };
    const nodeConfigs = new Map(
      ["n1", "n2", "n3"].map((name) => [name, { status } as unknown as NodeConfig]),
    );
    const contenders = new PoolDemand({ node: "n1", book, facts: { ...emptyFacts(), nodeConfigs } });
    expect(contenders.contenders(["n1", "n2", "blocks"])).toBe(2);
    expect(contenders.contenders([])).toBe(1);
  });
});
