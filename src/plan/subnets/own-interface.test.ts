import { describe, expect, it } from "vitest";
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import { ownInterfaceOf } from "./own-interface.ts";
import { podEni, subnetsOf } from "./pod-enis.suite.ts";

const facts = { subnets: subnetsOf({ "vsw-1": "10.2.1.0/24" }) };
const lacks = (one: PodENI | undefined, uid = "u", instance: string | null = "i-a") => {
  const found = ownInterfaceOf(facts, one, uid, instance ?? undefined);
  return "lacks" in found ? found.lacks : "nothing";
};

describe("the interface that a pod has to itself", () => {
  it("is what its PodENI says: a whole interface, or a member with its VLAN on the node's trunk", () => {
    const common = {
      id: "eni-1",
      mac: "00:16:3e:00:00:01",
      vSwitchID: "vsw-1",
      cidr: "10.2.1.0/24",
      gateway: "10.2.1.253",
      address: "10.2.1.7",
      securityGroupIDs: ["sg-1", "sg-2"],
    };
    expect(ownInterfaceOf(facts, podEni("Secondary"), "u", "i-a")).toEqual({
      ready: { ...common, kind: "exclusive" },
    });
    expect(ownInterfaceOf(facts, podEni("Member"), "u", "i-a")).toEqual({
      ready: { ...common, kind: "trunk", trunkENIID: "eni-trunk", vid: 12 },
    });
  });

  it("is never that of an earlier pod of the same name, of another machine, or of one on its way", () => {
    const bound = podEni("Secondary");
    expect(lacks(bound, "another")).toMatch(/earlier pod's/);
    expect(lacks(bound, "u", "i-b")).toMatch(/attached to i-a/);
    expect(lacks(bound, "u", null)).toMatch(/attached here/);
    for (const phase of ["", "Binding", "Detaching", "Unbind", "Deleting"] as const)
      expect(lacks(podEni("Secondary", { phase, msg: "the vSwitch is full" }))).toMatch(
        `it is in '${phase}' (the vSwitch is full)`,
      );
    const leaving = { ...bound, metadata: { ...bound.metadata, deletionTimestamp: "2026-11-01T00:00:00Z" } };
    expect(lacks(leaving)).toMatch(/being deleted/);
    expect(lacks(podEni("Secondary", { eniInfos: {} }))).toMatch(/eni-1 to be attached/);
    expect(lacks(undefined)).toMatch(/controller makes/);
    expect(lacks({ ...bound, spec: {} })).toMatch(/an allocation/);
  });

  it("is not told by halves: a member without its VLAN, an interface without an address or a range", () => {
    const unnumbered = podEni("Member", {
      eniInfos: { "eni-1": { id: "eni-1", type: "Member", status: "Bind" } },
    });
    expect(lacks(unnumbered)).toMatch(/VLAN id/);
    const bound = podEni("Secondary");
    expect(lacks({ ...bound, spec: { allocations: [{ eni: bound.spec.allocations![0]!.eni }] } })).toMatch(
      /the address of/,
    );
    const found = ownInterfaceOf({ subnets: new Map() }, bound, "u", "i-a");
    expect(found).toEqual({ lacks: "the range of vSwitch vsw-1" });
  });
});
