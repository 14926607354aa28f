import { expect, it } from "vitest";
import { addressBlockKind } from "../../../src/api/kinds/address-block.ts";
import { nodeKind, podKind } from "../../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../../src/api/kinds/ip-pool.ts";
import { networkPolicyKind } from "../../../src/api/kinds/network-policy.ts";
import type { Kind } from "../../../src/api/object.ts";
import { stored } from "./etcd.ts";
import { foundIn } from "./probe.ts";
import { tally } from "./tally.ts";

it("objects are kept in etcd where the API server looks for them", () => {
  const keyOf = (kind: Pick<Kind, "apiVersion" | "kind" | "plural">, metadata: object) =>
    stored(kind, JSON.stringify({ metadata })).key;
  const inTeam = { name: "one", namespace: "team" };
  expect(keyOf(podKind, inTeam)).toBe("/registry/pods/team/one");
  expect(keyOf(nodeKind, { name: "n1" })).toBe("/registry/minions/n1");
  expect(keyOf(networkPolicyKind, inTeam)).toBe("/registry/networkpolicies/team/one");
  expect(keyOf(addressBlockKind, { name: "b" })).toBe("/registry/trunkline.dev/addressblocks/b");
  expect(keyOf(ipPoolKind, { name: "p" })).toBe("/registry/crd.projectcalico.org/ippools/p");
  expect(JSON.parse(stored(podKind, JSON.stringify({ metadata: inTeam, spec: {} })).value)).toEqual({
    apiVersion: "v1",
    kind: "Pod",
    metadata: inTeam,
    spec: {},
  });
});

it("a line of the probe is what packets do, and since when in milliseconds", () => {
  expect(foundIn("closed 1500250")).toEqual({ way: "closed", at: 1.50025 });
  expect(() => foundIn("setns: Operation not permitted")).toThrow("policy-probe says");
});

it("requests of ours are told from others', writes from reads, and leases from what pods cost", () => {
  const ours = "system:serviceaccount:kube-system:trunkline-agent";
  const request = (verb: string, resource: string, username = ours, stage = "ResponseComplete") => ({
    verb,
    stage,
    user: { username },
    objectRef: { resource },
    requestURI: `/${resource}`,
  });
  const log = [
    request("create", "addressblocks"),
    request("patch", "ippools"),
    request("update", "leases"),
    request("get", "leases"),
    request("get", "pods"),
    request("watch", "pods", ours, "ResponseStarted"),
    request("watch", "pods"),
    request("patch", "pods", "system:serviceaccount:kube-system:job-controller"),
  ];
  expect(tally(log)).toEqual({ writes: 2, reads: 2, renewals: 2 });
});
