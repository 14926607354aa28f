import { describe, expect, it } from "vitest";
import type { Draft, KubeObject } from "../api/object.ts";
import { networkFindings, severalInterfaces, withBaseSettings } from "./apply-networks.ts";

const network = (spec: object) =>
  ({ apiVersion: "v", kind: "PodNetworking", metadata: { name: "n" }, spec }) as Draft<KubeObject>;
const base = (value: unknown) => ({ data: { eni_conf: JSON.stringify(value) } });
const whole = { vSwitchOptions: ["v"], securityGroupIDs: ["g"] };
const fixed = (more: object) => network({ ...whole, allocationType: { type: "Fixed", ...more } });
const codes = (one: Draft<KubeObject>, least = 300_000) =>
  networkFindings(one, one, least).map(({ severity, code, path }) => `${severity} ${code} ${path.join(".")}`);

describe("what is asked of PodNetworkings when they are applied", () => {
  it("takes what is missing from the base of eni-config, of all zones, sorted", () => {
    const config = base({
      vswitches: { b: ["v2"], a: ["v1", "v2"] },
      security_group: "g2",
      security_groups: ["g1"],
    });
    expect(withBaseSettings(network({}), config)).toMatchObject({
      spec: { vSwitchOptions: ["v1", "v2"], securityGroupIDs: ["g1", "g2"] },
    });
    expect(withBaseSettings(network(whole), config)).toMatchObject({ spec: whole });
    for (const nothing of [
      undefined,
      { data: {} },
      { data: { eni_conf: "{" } },
      base(null),
      base({ vswitches: 1 }),
    ])
      expect(withBaseSettings(network({}), nothing)).toEqual(network({}));
    expect(codes(network({}))).toEqual([
      "error podnetworking.incomplete spec.vSwitchOptions",
      "error podnetworking.incomplete spec.securityGroupIDs",
    ]);
  });

  it("says of lists that an update empties that they must not be, whatever eni-config has", () => {
    const emptied = network({ ...whole, securityGroupIDs: [] });
    const message = (isUpdate: boolean) =>
      networkFindings(emptied, emptied, 0, isUpdate).map((finding) => finding.message);
    expect(message(true)).toEqual(["must not become empty"]);
    expect(message(false)).toEqual([expect.stringContaining("eni-config has no security_group")]);
  });

  it("goes by the cluster's least releaseAfter, and warns of what is assumed or without effect", () => {
    const hasty = fixed({ releaseStrategy: "TTL", releaseAfter: "5s" });
    expect(codes(hasty)).toEqual(["error podnetworking.release-after spec.allocationType.releaseAfter"]);
    expect(codes(hasty, 5000)).toEqual([]);
    expect(codes(fixed({}))).toEqual(["warning podnetworking.never spec.allocationType.releaseStrategy"]);
    expect(codes(fixed({ releaseStrategy: "Never", releaseAfter: "1h" }))).toEqual([
      "warning podnetworking.no-effect spec.allocationType.releaseAfter",
    ]);
  });

  it("finds who asks for several interfaces, in pods and templates", () => {
    const annotations = { "k8s.aliyun.com/pod-networks": "{}" };
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p", annotations } } as Draft<KubeObject>;
    const template = { metadata: { annotations: { "k8s.aliyun.com/pod-networks-request": "[]" } } };
    const set = {
      apiVersion: "v1",
      kind: "StatefulSet",
      metadata: { name: "p", annotations },
      spec: { template },
    };
    const job = {
      apiVersion: "v1",
      kind: "CronJob",
      metadata: { name: "p" },
      spec: { jobTemplate: { spec: { template } } },
    };
    expect(severalInterfaces(pod).map((one) => one.at(-1))).toEqual(["k8s.aliyun.com/pod-networks"]);
    expect(severalInterfaces(set as Draft<KubeObject>).map((one) => one.slice(0, 2).join("."))).toEqual([
      "spec.template",
    ]);
    expect(severalInterfaces(job as Draft<KubeObject>)).toHaveLength(1);
  });
});
