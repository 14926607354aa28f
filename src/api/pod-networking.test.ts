import { describe, expect, it } from "vitest";
import { formatProblem } from "../base/problem.ts";
import { withDefaults } from "./defaults.ts";
import { type PodNetworking, podNetworkingKind } from "./kinds/pod-networking.ts";
import type { Draft } from "./object.ts";
import { checkPodNetworking, goDuration, usualMinReleaseAfterMs, wordedFinding } from "./pod-networking.ts";
import { forbiddenChanges } from "./validation/immutable.ts";
import { validate } from "./validation/validate.ts";

const network = (spec: PodNetworking["spec"]): Draft<PodNetworking> => ({
  apiVersion: "network.alibabacloud.com/v1beta1",
  kind: "PodNetworking",
  metadata: { name: "example" },
  spec,
});
const lists = { vSwitchOptions: ["vsw-1"], securityGroupIDs: ["sg-1"] };
const errors = (spec: object) =>
  validate(podNetworkingKind, network(spec)).errors.map(formatProblem).join("; ");

describe("PodNetworking by itself", () => {
  it.each([
    [{ allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "1h" } }, /^$/],
    [
      { allocationType: { type: "Fixed", releaseStrategy: "TTL" } },
      /`releaseAfter` is missing.*at spec.allocationType.releaseAfter/,
    ],
    [
      { allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "1 hour" } },
      /must be a duration/,
    ],
    [
      { allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "-1h" } },
      /from 0 on; it is '-1h'/,
    ],
    [{ allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "0s" } }, /A time such as 1h/],
    [{ allocationType: { type: "Elastic", releaseAfter: "soon" } }, /must be a duration/],
    [{ allocationType: { type: "Fixd" } }, /Did you mean Fixed/],
    [{ securityGroupIDs: Array.from({ length: 11 }, (_, n) => `sg-${n}`) }, /at most 10 entries/],
    [{ eniOptions: { eniType: "trunk" } }, /must be one of Default, ENI, Trunk/],
  ])("%j", (spec, expected) => {
    expect(errors({ ...lists, ...spec })).toMatch(expected);
  });

  it("knows the least time that an address is held for", () => {
    const spec: PodNetworking["spec"] = {
      allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "1m" },
    };
    const [finding] = checkPodNetworking(spec, usualMinReleaseAfterMs);
    expect(finding && `${wordedFinding(finding)}. ${finding.hint}`).toBe(
      "`releaseAfter` is too short (1m): a pod that is rescheduled may be away for longer. At least 5m0s",
    );
    expect(checkPodNetworking(spec, 5000)).toEqual([]);
  });

  it("warns of what is without effect, and of what is for ever", () => {
    const warnings = (allocationType: NonNullable<PodNetworking["spec"]["allocationType"]>) =>
      checkPodNetworking({ allocationType }, 0).map(({ severity, code }) => [severity, code]);
    expect(warnings({ type: "Fixed" })).toEqual([["warning", "podnetworking.never"]]);
    expect(warnings({ type: "Fixed", releaseStrategy: "Never", releaseAfter: "1h" })).toEqual([
      ["warning", "podnetworking.no-effect"],
    ]);
    expect(warnings({ releaseAfter: "1h" })).toEqual([["warning", "podnetworking.no-effect"]]);
  });

  it("has its defaults written into it", () => {
    expect(
      withDefaults(podNetworkingKind, network({ ...lists, allocationType: { type: "Fixed" } })).spec,
    ).toEqual({
      ...lists,
      eniOptions: { eniType: "Default" },
      allocationType: { type: "Fixed", releaseStrategy: "Never" },
      vSwitchSelectOptions: { vSwitchSelectionPolicy: "ordered" },
    });
    expect(withDefaults(podNetworkingKind, network(lists)).spec.allocationType).toEqual({ type: "Elastic" });
  });

  it("does not lose its vSwitches by an update", () => {
    const before = network(lists) as PodNetworking;
    const after = network({ ...lists, vSwitchOptions: [] }) as PodNetworking;
    expect(forbiddenChanges(before, after).map(({ path }) => path)).toEqual([["spec", "vSwitchOptions"]]);
    expect(forbiddenChanges(before, before)).toEqual([]);
  });
});

it.each([
  [5000, "5s"],
  [300_000, "5m0s"],
  [5_400_000, "1h30m0s"],
])("writes %d ms as Go does", (ms, text) => {
  expect(goDuration(ms)).toBe(text);
});
