// IP in IP between nodes, in a virtual machine with a kernel that has it: `tunl0` with an address of the pool on every
// node, and routes of ours through it.
import { beforeAll, describe, expect, it } from "vitest";
import { SCRIPT_MS, sectionsOf } from "./machine.ts";

interface Device {
  readonly operstate: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

describe("IP in IP", () => {
  let sections: ReadonlyMap<string, string> = new Map();
  const section = (name: string) => sections.get(name) ?? "";
  const json = <T>(name: string) => JSON.parse(section(name)) as T;
  const lines = (name: string) => section(name).trim().split("\n");
  const inner = () => lines("devices").map((line) => (JSON.parse(line) as Device[])[0]!);

  beforeAll(async () => {
    sections = await sectionsOf("ipip.sh");
  }, SCRIPT_MS);

  it("gives every node a tunl0 that is up, with an address of the pool that ipam shows as the tunnel's", () => {
    const held = json<{ addresses: { address: string; use: string; node: string }[] }>("held").addresses;
    expect(inner()).toHaveLength(3);
    for (const [at, device] of inner().entries()) {
      expect(device.flags).toContain("UP");
      expect(device.mtu).toBe(1480);
      expect(device.addr_info).toMatchObject([{ local: expect.stringMatching(/^10\.1\./), prefixlen: 32 }]);
      const address = device.addr_info[0]?.local;
      expect(held.find((one) => one.address === address)).toMatchObject({
        use: "tunnel",
        node: `node${at + 1}`,
      });
    }
    expect(lines("check")).toEqual(["clean"]);
    expect(lines("condition")).toEqual(["True"]);
  });

  it("leads to other nodes' blocks by their own addresses through tunl0", () => {
    for (const node of ["192.168.18.12", "192.168.28.13"])
      expect(section("routes")).toMatch(
        new RegExp(`10\\.1\\.\\S+/26 via ${node.replaceAll(".", "\\.")} dev tunl0 .*onlink`),
      );
  });

  it("carries packets across: from pods with their own address, from a node with its tunnel's, as explain says", () => {
    const pods = json<{ items: { metadata: { name: string }; status: { podIP: string } }[] }>("pods").items;
    const ip = pods.find(({ metadata }) => metadata.name === "w1")?.status.podIP;
    expect(json("tcp")).toMatchObject({ reachable: true, sourceSeen: ip });
    const own = inner()[0]?.addr_info[0]?.local;
    expect(json("source")).toMatchObject({ reachable: true, sourceSeen: own });
    expect(json("told")).toMatchObject({ allowed: true, sourceSeen: own });
  });

  it("is taken from nodes only, whatever a pod or a stranger sends", () => {
    const came = lines("forged").map(
      (line) => (JSON.parse(line) as { stats64: { rx: { packets: number } } }[])[0]!.stats64.rx.packets,
    );
    const [before = Number.NaN] = came;
    // The same packet by a node arrives, so that it is no bad one.
    expect(came).toEqual([before, before, before, before + 1]);
  });

  it("is left out within a network by CrossSubnet, and altogether by Never, which leaves tunl0 down", () => {
    expect(section("cross")).toMatch(/via 192\.168\.18\.12 dev eth0/);
    expect(section("cross")).toMatch(/via 192\.168\.28\.13 dev tunl0/);
    expect(section("cross")).toMatch(/"reachable": ?true/);
    const [device] = json<Device[]>("never");
    expect(device?.flags).not.toContain("UP");
    expect(device?.addr_info).toEqual([]);
  });
});
