import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { configFacts, node, plan } from "./facts.suite.ts";
import { mergePatch, planNodeConfig } from "./node-config.ts";

const base = `{
  "version": "1",
  "max_pool_size": 5,
  "min_pool_size": 0,
  "service_cidr": "172.21.0.0/20",
  "vswitches": {"h": ["vsw-h"]},
  "security_group": "sg-1"
}`;
const fixed = '{\n   "vswitches": {"h":["vsw-fixed"]}\n}';

describe("a node's configuration", () => {
  it("is the base on nodes without a label, and the overlay over it on others", () => {
    const texts = { "eni-config": base, "eni-config-fixed": fixed };
    const plain = plan(texts);
    expect(plain).toMatchObject({
      state: "applied",
      vSwitchIDs: ["vsw-h"],
      securityGroupIDs: ["sg-1"],
      findings: [],
    });
    const pinned = plan(texts, "eni-config-fixed");
    expect(pinned).toMatchObject({
      state: "applied",
      vSwitchIDs: ["vsw-fixed"],
      securityGroupIDs: ["sg-1"],
      zone: "h",
      sources: [
        { configMap: "kube-system/eni-config", resourceVersion: "1" },
        { configMap: "kube-system/eni-config-fixed", resourceVersion: "1" },
      ],
      findings: [],
    });
    expect("hash" in plain && "hash" in pinned && plain.hash !== pinned.hash).toBe(true);
  });

  it("has the same hash however its text is written", () => {
    const hash = (text: string) => {
      const made = plan({ "eni-config": text });
      return made.state === "applied" ? made.hash : made.state;
    };
    expect(hash('{"version":"1","vswitches":{"h":["vsw-h"]}}')).toBe(
      hash('{ "vswitches": {"h": [ "vsw-h" ]},\n "version": "1", "security_groups": null }'),
    );
    expect(hash('{"version":"1","vswitches":{"h":["vsw-h"]},"access_key":"a"}')).not.toBe(
      hash('{"version":"1","vswitches":{"h":["vsw-h"]},"access_key":"b"}'),
    );
  });

  it("is none where nobody has written one and there are no subnets", () => {
    expect(planNodeConfig({ configMaps: new Map(), subnets: new Map() }, node("h")).state).toBe("none");
    const off = configFacts({ "eni-config": undefined }).configMaps;
    expect(planNodeConfig({ configMaps: off, subnets: new Map() }, node("h")).state).toBe("none");
  });

  it("leaves pods to pools where it names no vSwitch at all", () => {
    expect(plan({ "eni-config": '{"enable_eni_trunking": true}' })).toMatchObject({
      state: "applied",
      vSwitchIDs: [],
    });
  });

  it.each([
    [{}, undefined, "ConfigMissing", /there is no ConfigMap kube-system\/eni-config/],
    [{ "eni-config": undefined }, undefined, "ConfigMissing", /has no eni_conf/],
    [
      { "eni-config": base },
      "lost",
      "OverlayMissing",
      /no ConfigMap kube-system\/lost, and the node's label/,
    ],
    [{ "eni-config": base, o: undefined }, "o", "OverlayKeyMissing", /kube-system\/o has no eni_conf/],
    [
      { "eni-config": base, o: '{\n"a" 1}' },
      "o",
      "InvalidJSON",
      /kube-system\/o, eni_conf line 2, column 5: ':'/,
    ],
    [{ "eni-config": "[]" }, undefined, "InvalidJSON", /must be an object/],
    [
      { "eni-config": base, o: '{"vswitchs": {}}' },
      "o",
      "UnknownKey",
      /kube-system\/o, eni_conf line 1, column 2 \(vswitchs\): there is no such key; did you mean vswitches\?/,
    ],
    [
      { "eni-config": base, o: '{"newer_key": {}}' },
      "o",
      "UnknownKey",
      /\(newer_key\): there is no such key$/,
    ],
    [{ "eni-config": '{"max_poolsize": 1}' }, undefined, "UnknownKey", /did you mean max_pool_size/],
    [{ "eni-config": '{"Vswitches": {}}' }, undefined, "UnknownKey", /did you mean vswitches/],
    [
      { "eni-config": base, o: '{"vswitches": {"h": ["vsw-fixed", 7]}}' },
      "o",
      "InvalidValue",
      /line 1, column 35 \(vswitches\.h\[1\]\): must be a text that is not empty; it is 7/,
    ],
    [
      { "eni-config": '{"max_pool_size": "5"}' },
      undefined,
      "InvalidValue",
      /must be a whole number.*it is "5"/,
    ],
    [{ "eni-config": '{"service_cidr": "172.21.0.0"}' }, undefined, "InvalidValue", /is not a range/],
    [
      { "eni-config": base, o: '{"vswitches": {"h": ["vsw-none"]}}' },
      "o",
      "VSwitchNotFound",
      /kube-system\/o, eni_conf line 1, column 22 \(vswitches\.h\[0\]\): the provider has no vSwitch vsw-none/,
    ],
    [
      { "eni-config": base, o: '{"vswitches": {"h": null, "g": ["vsw-h"]}}' },
      "o",
      "NoVSwitchForZone",
      /no vSwitch for the node's zone h; it names g/,
    ],
    [
      { "eni-config": base, o: '{"vswitches": {"h": [], "g": null}}' },
      "o",
      "NoVSwitchForZone",
      /no vSwitch for the node's zone h; it names none for any zone$/,
    ],
  ] as const)("%j under %j: %s", (texts, overlay, reason, message) => {
    const made = plan(texts, overlay);
    expect(made).toMatchObject({ state: "error", reason });
    expect("message" in made && made.message).toMatch(message);
  });

  it("needs a vSwitch of the node's own zone", () => {
    expect(plan({ "eni-config": base }, undefined, "g")).toMatchObject({
      state: "error",
      reason: "NoVSwitchForZone",
    });
    expect(planNodeConfig(configFacts({ "eni-config": base }), node(undefined))).toMatchObject({
      reason: "NoVSwitchForZone",
    });
    const astray = '{"vswitches": {"g": ["vsw-h"]}}';
    expect(plan({ "eni-config": astray }, undefined, "g")).toMatchObject({
      state: "error",
      reason: "InvalidValue",
    });
  });

  it("tells of everything that is wrong, not only of the first", () => {
    const made = plan({ "eni-config": '{"max_pool_size": -1, "min_pool_size": -1}' });
    expect("message" in made && made.message).toMatch(/max_pool_size.*min_pool_size/);
  });

  it("finds what is odd and lets it pass", () => {
    const texts = {
      "eni-config":
        '{"vswitches":{"h":["vsw-h"]}, "security_group": "sg-1", "brand_new": 1, "ip_stack": "dual"}',
      groups: '{"security_groups": ["sg-2"]}',
      replaced: '{"security_groups": ["sg-2"], "security_group": null}',
      empty: " \n",
    };
    const codes = (overlay: string) => {
      const made = plan(texts, overlay);
      return made.state === "applied" ? [made.securityGroupIDs, made.findings.map(({ code }) => code)] : made;
    };
    const always = ["UnknownKey", "UnusedKey"];
    expect(codes("groups")).toEqual([
      ["sg-1", "sg-2"],
      [...always, "SecurityGroupAdded"],
    ]);
    expect(codes("replaced")).toEqual([["sg-2"], always]);
    expect(codes("empty")).toEqual([["sg-1"], [...always, "EmptyOverlay"]]);
    const made = plan(texts, "groups");
    expect(made.state === "applied" && made.findings.at(-1)).toMatchObject({
      source: "kube-system/groups",
      path: "security_groups",
      line: 1,
      column: 2,
    });
  });

  it("shows no secrets", () => {
    const made = plan({ "eni-config": '{"access_key": "k", "access_secret": "s"}' });
    expect(JSON.stringify(made)).not.toMatch(/"[ks]"/);
  });
});

describe("JSON Merge Patch", () => {
  // RFC 7396, appendix A.
  it.each([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j with %j", (target, patch, result) => {
    expect(mergePatch(target, patch)).toEqual(result);
  });

  it("changes nothing when it is laid over its own result", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 4 }), (target, patch) => {
        const once = mergePatch(target, patch);
        expect(mergePatch(once, patch)).toEqual(once);
      }),
    );
  });
});
