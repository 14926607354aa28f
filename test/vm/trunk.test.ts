// Members of a trunk by 802.1Q, in a virtual machine with a kernel that has it: beside an exclusive and a shared pod on one
// node, with different security groups.
import { beforeAll, describe, expect, it } from "vitest";
import { type PlannedCell, type ProbedCell, verdicts } from "../e2e/cells.ts";
import { SCRIPT_MS, sectionsOf } from "./machine.ts";

interface Vlan {
  readonly ifname: string;
  readonly link: string;
  readonly linkinfo: { readonly info_kind: string; readonly info_data: { readonly id: number } };
}
interface Counters {
  readonly nftables: readonly { readonly counter?: { readonly name: string; readonly packets: number } }[];
}

describe("members of a trunk", () => {
  let sections: ReadonlyMap<string, string> = new Map();
  const json = <T>(name: string) => JSON.parse(sections.get(name) ?? "") as T;
  const counted = (number: number) =>
    Object.fromEntries(
      json<Counters>(`counters${number}`).nftables.flatMap(({ counter }) =>
        counter ? [[counter.name, counter.packets]] : [],
      ),
    );

  beforeAll(async () => {
    sections = await sectionsOf("trunk.sh");
  }, SCRIPT_MS);

  it("are VLANs of the trunk's link, each with its own id, and go with their pods", () => {
    // Whichever pod started first.
    const links = json<Vlan[]>("links").toSorted((a, b) => (a.ifname < b.ifname ? -1 : 1));
    expect(links.map(({ ifname, linkinfo }) => [ifname, linkinfo.info_kind, linkinfo.info_data.id])).toEqual([
      ["tlv1", "vlan", 1],
      ["tlv2", "vlan", 2],
    ]);
    expect(new Set(links.map(({ link }) => link)).size).toBe(1);
    expect(json<Vlan[]>("gone").map(({ ifname }) => ifname)).toEqual(["tlv2"]);
  });

  it("are told apart on the wire by their VLANs", () => {
    const [first, second] = [counted(1), counted(2)];
    expect(first["vlan1"]).toBeGreaterThan(0);
    expect(first).toMatchObject({ vlan2: 0, untagged: 0 });
    expect(second["vlan2"]).toBeGreaterThan(0);
    expect(second).toMatchObject({ vlan1: first["vlan1"], untagged: 0 });
  });

  it("have their own addresses, which the far side sees, and explain says so", () => {
    const { items } = json<{ items: { metadata: { name: string }; status: { podIP: string } }[] }>("pods");
    for (const [number, vSwitchID] of [
      [1, "vsw-1"],
      [2, "vsw-2"],
    ]) {
      const ip = items.find(({ metadata }) => metadata.name === `member${number}`)?.status.podIP;
      expect(json(`probe${number}`)).toMatchObject({ reachable: true, sourceSeen: ip });
      expect(json(`told${number}`)).toMatchObject({
        reachable: true,
        sourceSeen: ip,
        address: { interface: "trunk", vSwitchID, vid: number },
      });
    }
  });

  it("reach and are reached as explain says, beside the shared and the exclusive pod", () => {
    const [{ cells: probed }, { cells: planned }] = [
      json<{ cells: ProbedCell[] }>("probed"),
      json<{ cells: PlannedCell[] }>("planned"),
    ];
    expect(verdicts(probed)).toEqual(verdicts(planned));
    expect(new Set(probed.map(({ reachable }) => reachable)).size).toBe(2);
  });
});
