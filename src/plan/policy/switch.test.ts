import { describe, expect, it } from "vitest";
import { readSwitch } from "./switch.ts";

const metadata = {
  name: "eni-config",
  namespace: "kube-system",
  uid: "",
  resourceVersion: "",
  creationTimestamp: "",
};
const read = (data?: Record<string, string>) =>
  readSwitch({
    configMaps: new Map(
      data ? [["kube-system/eni-config", { apiVersion: "v1", kind: "ConfigMap", metadata, data }]] : [],
    ),
  });

describe("policies are enforced", () => {
  it.each([
    ["without the ConfigMap", undefined, true],
    ["without the key", { eni_conf: "{}" }, true],
    ["'false'", { disable_network_policy: "false" }, true],
    ["'0'", { disable_network_policy: "0" }, true],
    ["empty", { disable_network_policy: "" }, true],
    ["'true'", { disable_network_policy: "true" }, false],
    ["anything else", { disable_network_policy: "yes" }, false],
    ["in the JSON", { eni_conf: '{"disable_network_policy": "true"}' }, false],
    ["in the JSON, off", { eni_conf: '{"disable_network_policy": false}' }, true],
    [
      "own key before the JSON",
      { disable_network_policy: "false", eni_conf: '{"disable_network_policy": true}' },
      true,
    ],
    ["no JSON", { eni_conf: "{" }, true],
  ])("%s: %s", (_, data, expected) => {
    expect(read(data).enforced).toBe(expected);
  });

  it("and says so where the JSON cannot be read", () => {
    expect(read({ eni_conf: "{" }).problems).toHaveLength(1);
    expect(read({ eni_conf: "null" }).problems).toHaveLength(1);
  });
});
