import { describe, expect, it } from "vitest";
import { readSwitch } from "./switch.ts";

function read(text: string | undefined) {
  const metadata = {
    name: "eni-config",
    namespace: "kube-system",
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: "",
  };
  const map = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata,
    data: text === undefined ? {} : { eni_conf: text },
  } as const;
  return readSwitch({ configMaps: new Map([["kube-system/eni-config", map]]) });
}

describe("disable_network_policy", () => {
  it.each([
    [undefined, true],
    ["", true],
    ["{}", true],
    ['{"disable_network_policy": ""}', true],
    ['{"disable_network_policy": "0"}', true],
    ['{"disable_network_policy": "false"}', true],
    ['{"disable_network_policy": false}', true],
    ['{"disable_network_policy": null}', true],
    ['{"disable_network_policy": "true"}', false],
    ['{"disable_network_policy": true}', false],
    ['{"disable_network_policy": "1"}', false],
    ['{"disable_network_policy": "yes"}', false],
  ])("%s leaves policies enforced: %s", (text, enforced) => {
    expect(read(text)).toEqual({ enforced, problems: [] });
  });

  it.each(["{", "[1", "7"])("stays on where eni_conf is not readable: %s", (text) => {
    const found = read(text);
    expect(found.enforced).toBe(true);
    expect(found.problems.map((problem) => problem.code)).toEqual(["policy.switch"]);
  });

  it("is on without the ConfigMap", () => {
    expect(readSwitch({ configMaps: new Map() })).toEqual({ enforced: true, problems: [] });
  });
});
