import { describe, expect, it } from "vitest";
import type { Host } from "../../api/kinds/host.ts";
import { parseIp } from "../../base/ip.ts";
import { emptyFacts } from "../facts.ts";
import { egressOwners } from "./egress-owners.ts";
import { clusterNode, pool, sourceNat } from "./facts.suite.ts";
import { planSnat } from "./plan-snat.ts";

const gate: Host = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "Host",
  metadata: { name: "gate", uid: "gate", resourceVersion: "1", creationTimestamp: "" },
  spec: { addresses: ["192.168.18.1", "fd18:0::1"], role: "router" },
};
const facts = {
  ...emptyFacts(),
  nodes: new Map(
    ["n1", "n3"].map((name, at) => [
      name,
      clusterNode(name, [`192.168.18.1${at + 1}`, `fd18::1${at + 1}`], { egress: "yes" }),
    ]),
  ),
  pools: new Map([["pods", pool("pods", "172.16.0.0/16", { natOutgoing: true })]]),
  hosts: new Map<string, Host>([["gate", gate]]),
};

describe("who has an address, as far as objects tell", () => {
  it.each([
    ["192.168.18.12", "node n3"],
    ["fd18::12", "node n3"],
    ["192.168.18.1", "router gate"],
    ["fd18::1", "router gate"],
    ["172.16.7.7", "IPPool/pods"],
    ["127.0.0.1", "loopback"],
    ["::1", "loopback"],
    ["224.0.0.5", "multicast"],
    ["ff02::5", "multicast"],
    ["255.255.255.255", "broadcast"],
    ["240.0.0.1", "reserved"],
    ["0.0.0.0", "this network"],
    ["::", "no address"],
    ["169.254.1.1", "link-local"],
    ["fe80::1", "link-local"],
    ["::ffff:10.0.0.1", "written as IPv6"],
  ])("%s: %s", (address, what) => expect(egressOwners(facts)(parseIp(address))).toContain(what));

  it.each(["192.168.18.250", "fd18::250", "8.8.8.8"])("%s: nobody", (address) =>
    expect(egressOwners(facts)(parseIp(address))).toBeUndefined(),
  );

  it("is nobody's to take: the plan says so, and those beside it go on", () => {
    const action = {
      type: "Address",
      addresses: ["192.168.18.12", "192.168.18.250"],
      egressNodes: { matchLabels: { egress: "yes" } },
    } as const;
    const object = {
      ...sourceNat("fixed", [{ action }]),
      status: { holders: ["192.168.18.12", "192.168.18.250"].map((address) => ({ address, node: "n1" })) },
    };
    const node = { node: "n1", addresses: ["192.168.18.11"], uplink: "eth0", endpoints: new Map() };
    const plan = planSnat({ ...facts, sourceNats: new Map([["fixed", object]]) }, node);
    expect(plan.egress).toEqual([
      expect.objectContaining({ address: "192.168.18.12", candidates: [], holder: undefined }),
      expect.objectContaining({ address: "192.168.18.250", candidates: ["n1", "n3"] }),
    ]);
    expect(plan.problems.map(({ code, object: of }) => [code, of])).toEqual([
      ["snat.egress-refused", "SourceNAT/fixed"],
    ]);
  });
});
