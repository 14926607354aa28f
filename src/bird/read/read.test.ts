// Texts that BIRD 2.0.12 printed, cut to what matters.
import { describe, expect, it } from "vitest";
import { readProtocols, readRipNeighbours } from "./protocols.ts";
import { readRoutes } from "./routes.ts";

const protocols = `Name       Proto      Table      State  Since         Info
device1    Device     ---        up     2026-11-29 10:16:40.339  

bgp_192_168_18_12 BGP        ---        up     2026-11-29 10:16:41.122  Established   
  BGP state:          Established
    Neighbor address: 192.168.18.12
  Channel ipv4
    Routes:         3 imported, 1 filtered, 2 exported, 3 preferred
      Import updates:              4          0          1          0          3

bgp_192_168_18_1 BGP        ---        start  2026-11-29 10:16:41.122  Active        Socket: Connection refused
  BGP state:          Active
    Last error:       Socket: Connection refused
`;

describe("protocols", () => {
  it("are read with their state, counts and last error", () => {
    const all = readProtocols(protocols);
    expect([...all.keys()]).toEqual(["device1", "bgp_192_168_18_12", "bgp_192_168_18_1"]);
    expect(all.get("bgp_192_168_18_12")).toMatchObject({
      type: "BGP",
      state: "up",
      bgpState: "Established",
      lastError: undefined,
      imported: 3,
      filtered: 1,
      exported: 2,
    });
    expect(all.get("bgp_192_168_18_1")).toMatchObject({
      state: "start",
      bgpState: "Active",
      lastError: "Socket: Connection refused",
    });
    expect(all.get("device1")).toMatchObject({ bgpState: "Down", imported: 0 });
  });

  it("are none where BIRD says something else", () => {
    expect(readProtocols("").size).toBe(0);
    expect(readProtocols("No protocols match\n").size).toBe(0);
  });
});

describe("routes", () => {
  it("are read with where they are from; a further one of a prefix has no first column", () => {
    const text = `Table master4:
10.1.0.64/26         unicast [bgp_b 10:16:41.162] * (100) [AS65001i]
	via 192.168.18.12 on eth0
	Type: BGP univ
	BGP.as_path: 65001 65002
	BGP.next_hop: 192.168.18.12
	BGP.community: (65000,100)
	BGP.large_community: (84, 0, 1) (1, 2, 3)
                     unreachable [bgp_c 10:16:41.162 from 192.168.18.9] (100/-) [i]
	BGP.next_hop: 10.77.0.1
192.168.18.0/24      unicast [direct4 10:16:40.341] * (240)
	dev eth0
fd00:1::/122         blackhole [own6 10:16:40.341] * (200)
`;
    const routes = readRoutes(text);
    expect(routes.map(({ prefix, type, protocol, best }) => [prefix, type, protocol, best])).toEqual([
      ["10.1.0.64/26", "unicast", "bgp_b", true],
      ["10.1.0.64/26", "unreachable", "bgp_c", false],
      ["192.168.18.0/24", "unicast", "direct4", true],
      ["fd00:1::/122", "blackhole", "own6", true],
    ]);
    expect(routes[0]).toMatchObject({
      via: "192.168.18.12",
      interface: "eth0",
      asPath: [65_001, 65_002],
      communities: [
        [65_000, 100],
        [84, 0, 1],
        [1, 2, 3],
      ],
    });
    expect(routes[1]).toMatchObject({ from: "192.168.18.9", nextHop: "10.77.0.1" });
    expect(routes[2]).toMatchObject({ interface: "eth0", via: undefined });
  });
});

it("reads RIP's neighbours", () => {
  const text = `rip4:
IP address                Interface  Metric Routes    Seen
192.168.18.12             eth0            1      1   0.871
`;
  expect(readRipNeighbours(text)).toEqual([{ address: "192.168.18.12", interface: "eth0" }]);
});
