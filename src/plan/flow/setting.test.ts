import { describe, expect, it } from "vitest";
import type { Node, Pod } from "../../api/kinds/core.ts";
import type { FlowTables, RoutingConfiguration } from "../../api/kinds/routing/routing-configuration.ts";
import { emptyFacts } from "../facts.ts";
import { flowSetting, flowStateOf, flowStateText, flowWires, whyNoFlows } from "./setting.ts";

const pod = (name: string, annotations?: Record<string, string>): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name,
    namespace: "x",
    uid: `${name}-1`,
    resourceVersion: "1",
    creationTimestamp: "",
    ...(annotations && { annotations }),
  },
  spec: { containers: [] },
});
const subnet = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "Subnet",
  metadata: { name: "s", uid: "s", resourceVersion: "1", creationTimestamp: "" },
  spec: { cidr: "10.2.1.0/24" },
} as never;

describe("whether connections of a pod are handed over", () => {
  const facts = { ...emptyFacts(), subnets: new Map([["s", subnet]]) };
  it.each([
    ["a pod of a pool", pod("a"), ["10.1.0.1"], undefined],
    ["one that is not known yet", undefined, ["10.1.0.1"], "its object is not known"],
    [
      "one with a limit",
      pod("a", { "kubernetes.io/egress-bandwidth": "10M" }),
      ["10.1.0.1"],
      "its bandwidth is limited",
    ],
    [
      "one whose limit cannot be read",
      pod("a", { "kubernetes.io/ingress-bandwidth": "fast" }),
      ["10.1.0.1"],
      "its bandwidth is limited",
    ],
    ["one of a subnet", pod("a"), ["10.2.1.7"], "it has an address of a subnet"],
  ])("%s", (_, one, ips, why) => expect(whyNoFlows(facts, one, ips)).toBe(why));

  it("by the pod that has the wire, not by one of the same name before or after it", () => {
    const pods = new Map([
      ["x/a", pod("a")],
      ["x/b", pod("b")],
    ]);
    const end = (name: string, uid: string, ip: string) =>
      [`${name}/eth0`, { pod: `x/${name}`, uid, interface: `tl-${name}`, ips: [ip] }] as const;
    const endpoints = new Map([
      end("a", "a-1", "10.1.0.1"),
      end("b", "b-0", "10.1.0.2"),
      end("c", "", "10.1.0.3"),
    ]);
    const all = { ...emptyFacts(), pods };
    expect(flowWires(all, { endpoints }, () => false)).toEqual([{ link: "tl-a", ips: ["10.1.0.1"] }]);
    expect(flowWires(all, { endpoints }, (ip) => ip === "10.1.0.1")).toEqual([]);
  });
});

describe("the setting", () => {
  const configured = (flowTables?: FlowTables) => ({
    routingConfigurations: new Map([
      ["default", { spec: { ...(flowTables && { flowTables }) } } as RoutingConfiguration],
    ]),
  });
  it("is Auto where nobody says anything", () => {
    expect(flowSetting(emptyFacts())).toBe("Auto");
    expect(flowSetting(configured())).toBe("Auto");
    expect(flowSetting(configured("Disabled"))).toBe("Disabled");
  });
});

describe("what a node says of itself", () => {
  const node = (text?: string) =>
    ({
      metadata: { annotations: text === undefined ? {} : { "trunkline.dev/flow-tables": text } },
    }) as unknown as Node;
  it.each([{ on: true } as const, { on: false, why: "IPsec: yes" } as const])(
    "is read as it was written: %o",
    (state) => {
      expect(flowStateOf(node(flowStateText(state)))).toEqual(state);
    },
  );
  it("is nothing where it says nothing, or what nobody knows", () => {
    expect(flowStateOf(node())).toBeUndefined();
    expect(flowStateOf(node("perhaps"))).toBeUndefined();
  });
});
