import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { PodNetworking } from "../../api/kinds/pod-networking.ts";
import { networksOf } from "./pod-network.ts";

const meta = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});
const network = (
  name: string,
  selector: PodNetworking["spec"]["selector"],
  more: Partial<PodNetworking["metadata"]> & { readonly type?: "Fixed" } = {},
): PodNetworking => ({
  apiVersion: "network.alibabacloud.com/v1beta1",
  kind: "PodNetworking",
  metadata: { ...meta(name), ...more },
  spec: { ...(selector && { selector }), ...(more.type && { allocationType: { type: more.type } }) },
});
const pod = (labels: Record<string, string>, spec: Partial<Pod["spec"]> = {}, owner?: string): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    ...meta("p"),
    namespace: "shop",
    labels,
    ...(owner && {
      ownerReferences: [{ apiVersion: "apps/v1", kind: owner, name: "o", uid: "o", controller: true }],
    }),
  },
  spec: { containers: [{ name: "c" }], ...spec },
});
const namespace = { metadata: { ...meta("shop"), labels: { env: "test" } } };
const web = { podSelector: { matchLabels: { app: "web" } } };
const names = (one: Pod, ...networks: PodNetworking[]) =>
  networksOf(one, namespace, networks).map(({ metadata }) => metadata.name);

describe("a pod's networks", () => {
  it("are those whose selectors all match; one without a selector has no pods", () => {
    const both = { ...web, namespaceSelector: { matchLabels: { env: "test" } } };
    const elsewhere = { ...web, namespaceSelector: { matchLabels: { env: "prod" } } };
    const all = [
      network("pods", web),
      network("both", both),
      network("none", undefined),
      network("else", elsewhere),
    ];
    expect(names(pod({ app: "web" }), ...all)).toEqual(["both", "pods"]);
    expect(names(pod({ app: "db" }), ...all)).toEqual([]);
    expect(names(pod({}), network("everybody", { namespaceSelector: {} }))).toEqual(["everybody"]);
    expect(networksOf(pod({ app: "web" }), undefined, all).map(({ metadata }) => metadata.name)).toEqual([
      "pods",
    ]);
  });

  it("begin with the oldest, then the first by name, in whatever order they come", () => {
    const all = [
      network("b", web),
      network("a", web),
      network("z", web, { creationTimestamp: "2025-01-01T00:00:00Z" }),
    ];
    expect(names(pod({ app: "web" }), ...all)).toEqual(["z", "a", "b"]);
    expect(names(pod({ app: "web" }), ...all.toReversed())).toEqual(["z", "a", "b"]);
  });

  it("with fixed addresses are not for pods whose names are made up", () => {
    const fixed = network("fixed", web, { type: "Fixed" });
    expect(names(pod({ app: "web" }, {}, "ReplicaSet"), fixed)).toEqual([]);
    expect(names(pod({ app: "web" }, {}, "StatefulSet"), fixed)).toEqual(["fixed"]);
    expect(names(pod({ app: "web" }), fixed)).toEqual(["fixed"]);
  });

  it("are none for pods in their node's network, and for those that ask to be left alone", () => {
    expect(names(pod({ app: "web" }, { hostNetwork: true }), network("a", web))).toEqual([]);
    const alone = pod({ app: "web", "k8s.aliyun.com/ignore-by-terway": "true" });
    expect(names(alone, network("a", web))).toEqual([]);
  });

  it("do not hold one that is being deleted", () => {
    const going = network("a", web, { deletionTimestamp: "2026-01-02T00:00:00Z" });
    expect(names(pod({ app: "web" }), going)).toEqual([]);
  });
});
